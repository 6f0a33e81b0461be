"""Writes models, policies and episodes to files."""

from __future__ import annotations

import warnings
from pathlib import Path

from pomdptool.episodes import Episodes
from pomdptool.errors import PomdpError, PomdpWarning
from pomdptool.formats.atomic import write_atomic
from pomdptool.formats.kinds import kind_of_path
from pomdptool.formats.models import WRITTEN_KINDS, encode_model
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy


def dump(thing: object, path: str | Path) -> None:
    """Write a model, a policy (also of a Solution) or episodes in the format of the extension.

    Models: `.pomdp`, `.json`. Policies: `.json`, `.alpha`, `.policy`, `.pg`, `.dot`. Episodes:
    `.csv`, `.tsv`, `.jsonl`, `.parquet`. All but the last also with `.gz`. Raises PomdpError for
    other extensions.
    """
    path = Path(path)
    thing = getattr(thing, "policy", thing)
    if isinstance(thing, Model):
        kind = kind_of_path(path, WRITTEN_KINDS)
        if kind is None:
            raise PomdpError(f"{path}: a model is written as .pomdp or .json")
        text, changes = encode_model(thing, kind)
        for change in changes:
            warnings.warn(change, PomdpWarning, stacklevel=2)
        write_file(path, text)
    elif isinstance(thing, SolvedPolicy):
        from pomdptool.formats.policy.write import POLICY_KINDS, encode_policy

        policy_kind = kind_of_path(path, POLICY_KINDS)
        if policy_kind is None:
            raise PomdpError(f"{path}: a policy is written as .json, .alpha, .policy, .pg or .dot")
        write_file(path, encode_policy(thing, policy_kind))
    elif isinstance(thing, Episodes):
        from pomdptool.formats.data.write import write_episodes

        write_episodes([thing], path)
    else:
        kinds = "a model, a policy, a Solution or Episodes"
        raise PomdpError(f"cannot write {type(thing).__name__}: expected {kinds}")


def write_file(path: Path, text: str) -> None:
    """Write text to a file atomically, compressed if its name ends in `.gz`."""
    data = text.encode("utf-8", errors="surrogateescape")
    if path.name.lower().endswith(".gz"):
        import gzip

        data = gzip.compress(data, mtime=0)
    write_atomic(path, data)
