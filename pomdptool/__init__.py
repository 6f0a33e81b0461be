"""Read, solve, simulate and learn POMDPs. Names are loaded on first use."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing takes long to import: see `pomdptool.__main__`
if TYPE_CHECKING:
    from typing import Any

    from pomdptool.acting.agents import acting as player
    from pomdptool.acting.planner import Pomcp
    from pomdptool.acting.sample import sample
    from pomdptool.acting.simulate import Simulation, simulate
    from pomdptool.analysis.compare import Comparison, compare
    from pomdptool.analysis.transfer import Transfer, carried, transfer
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
    from pomdptool.formats.dump import dump
    from pomdptool.formats.files import load, loads
    from pomdptool.formats.policy_read import load_policy
    from pomdptool.formats.tables import read_episodes as load_data
    from pomdptool.formats.tables_report import Columns
    from pomdptool.learning.decode import Decoded, decode
    from pomdptool.learning.fit import fit
    from pomdptool.learning.fitted import Fit
    from pomdptool.learning.likelihood import Likelihood, loglik
    from pomdptool.learning.select import Selection, select
    from pomdptool.learning.utile import Distinction, distinguish
    from pomdptool.model import Model, make_model
    from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy
    from pomdptool.solving.dispatch import solve
    from pomdptool.solving.solution import Progress, Solution

__version__ = "0.3.0"

_HOME = {
    "AlphaVectors": "policy",
    "Bounds": "policy",
    "Columns": "formats.tables_report",
    "Comparison": "analysis.compare",
    "DataError": "errors",
    "Decoded": "learning.decode",
    "Distinction": "learning.utile",
    "Episodes": "episodes",
    "Finding": "errors",
    "Fit": "learning.fitted",
    "FormatError": "errors",
    "Likelihood": "learning.likelihood",
    "Model": "model",
    "ModelError": "errors",
    "PolicyError": "errors",
    "Pomcp": "acting.planner",
    "PomdpError": "errors",
    "PomdpWarning": "errors",
    "Progress": "solving.solution",
    "Selection": "learning.select",
    "Simulation": "acting.simulate",
    "Solution": "solving.solution",
    "SolvedPolicy": "policy",
    "Transfer": "analysis.transfer",
    "carried": "analysis.transfer",
    "compare": "analysis.compare",
    "decode": "learning.decode",
    "distinguish": "learning.utile",
    "dump": "formats.dump",
    "fit": "learning.fit",
    "load": "formats.files",
    "load_data": "formats.tables",
    "load_policy": "formats.policy_read",
    "loads": "formats.files",
    "loglik": "learning.likelihood",
    "make_model": "model",
    "player": "acting.agents",
    "sample": "acting.sample",
    "select": "learning.select",
    "simulate": "acting.simulate",
    "solve": "solving.dispatch",
    "transfer": "analysis.transfer",
}

_CALLED_THERE = {"load_data": "read_episodes", "player": "acting"}

__all__ = [
    "AlphaVectors",
    "Bounds",
    "Columns",
    "Comparison",
    "DataError",
    "Decoded",
    "Distinction",
    "Episodes",
    "Finding",
    "Fit",
    "FormatError",
    "Likelihood",
    "Model",
    "ModelError",
    "PolicyError",
    "Pomcp",
    "PomdpError",
    "PomdpWarning",
    "Progress",
    "Selection",
    "Simulation",
    "Solution",
    "SolvedPolicy",
    "Transfer",
    "carried",
    "compare",
    "decode",
    "distinguish",
    "dump",
    "fit",
    "load",
    "load_data",
    "load_policy",
    "loads",
    "loglik",
    "make_model",
    "player",
    "sample",
    "select",
    "simulate",
    "solve",
    "transfer",
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
