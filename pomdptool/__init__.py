"""Read, solve, simulate and learn POMDPs. Names are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pomdptool.acting.agents import acting
    from pomdptool.acting.planner import Pomcp
    from pomdptool.acting.sample import sample
    from pomdptool.acting.simulate import Simulation, simulate
    from pomdptool.episodes import Episodes
    from pomdptool.errors import (
        DataError,
        Finding,
        FormatError,
        ModelError,
        PolicyError,
        PomdpError,
        PomdpWarning,
    )
    from pomdptool.formats.files import dump, load, loads
    from pomdptool.formats.policy_read import load_policy
    from pomdptool.formats.tables import read_episodes as load_data
    from pomdptool.formats.tables_report import Columns
    from pomdptool.model import Model, make_model
    from pomdptool.policy import AlphaVectors, Bounds, Policy, SolvedPolicy
    from pomdptool.solving.dispatch import solve
    from pomdptool.solving.solution import Progress, Solution

__version__ = "0.1.0"

_HOME = {
    "AlphaVectors": "policy",
    "Columns": "formats.tables_report",
    "Bounds": "policy",
    "DataError": "errors",
    "Episodes": "episodes",
    "Finding": "errors",
    "FormatError": "errors",
    "Model": "model",
    "ModelError": "errors",
    "Policy": "policy",
    "PolicyError": "errors",
    "Pomcp": "acting.planner",
    "PomdpError": "errors",
    "PomdpWarning": "errors",
    "Progress": "solving.solution",
    "Simulation": "acting.simulate",
    "Solution": "solving.solution",
    "SolvedPolicy": "policy",
    "acting": "acting.agents",
    "dump": "formats.files",
    "load": "formats.files",
    "load_data": "formats.tables",
    "load_policy": "formats.policy_read",
    "loads": "formats.files",
    "make_model": "model",
    "sample": "acting.sample",
    "simulate": "acting.simulate",
    "solve": "solving.dispatch",
}

_CALLED_THERE = {"load_data": "read_episodes"}

__all__ = [
    "AlphaVectors",
    "Bounds",
    "Columns",
    "DataError",
    "Episodes",
    "Finding",
    "FormatError",
    "Model",
    "ModelError",
    "Policy",
    "PolicyError",
    "Pomcp",
    "PomdpError",
    "PomdpWarning",
    "Progress",
    "Simulation",
    "Solution",
    "SolvedPolicy",
    "acting",
    "dump",
    "load",
    "load_data",
    "load_policy",
    "loads",
    "make_model",
    "sample",
    "simulate",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pomdptool' has no attribute {name!r}")
    there = _CALLED_THERE.get(name, name)
    value = getattr(import_module(f"pomdptool.{_HOME[name]}"), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
