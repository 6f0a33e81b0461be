"""Checks of the models, policies and data that public functions get.

Each returns its argument, or raises an error that names the call that makes one of a path.
"""

from __future__ import annotations

from pathlib import Path

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError, ModelError, PolicyError
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy


def as_model(value: object) -> Model:
    """Check for a Model; raises ModelError."""
    if isinstance(value, Model):
        return value
    raise ModelError(f"expected a Model, {_instead(value, 'load')}")


def as_policy(value: object) -> SolvedPolicy:
    """Check for a policy; of a Solution its policy. Raises PolicyError."""
    policy = getattr(value, "policy", value)
    if isinstance(policy, SolvedPolicy):
        return policy
    raise PolicyError(f"expected a policy, {_instead(value, 'load_policy')}")


def as_episodes(value: object) -> Episodes:
    """Check for Episodes; raises DataError."""
    if isinstance(value, Episodes):
        return value
    raise DataError(f"expected Episodes, {_instead(value, 'load_data')}")


def _instead(value: object, load: str) -> str:
    if isinstance(value, (str, Path)):
        return f"not a path: use pomdptool.{load}({str(value)!r})"
    return f"not {type(value).__name__}"
