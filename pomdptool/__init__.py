"""Read, solve, simulate and learn POMDPs. Names are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from warnings import warn

TYPE_CHECKING = False  # typing takes long to import: see `pomdptool.__main__`
if TYPE_CHECKING:
    from typing import Any

    from pomdptool.acting.agents import agent_for
    from pomdptool.acting.pomcp import Pomcp
    from pomdptool.acting.sample import sample
    from pomdptool.acting.search_settings import Prior
    from pomdptool.acting.simulate import Simulation, Summary, simulate
    from pomdptool.analysis.compare import Comparison, compare
    from pomdptool.analysis.evaluate import Evaluation, evaluate
    from pomdptool.analysis.info import ModelInfo, info
    from pomdptool.analysis.transfer import Transfer, carried, transfer
    from pomdptool.belief import update as update_belief
    from pomdptool.drawing.plot import plot
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
    from pomdptool.families.heavenhell import heavenhell
    from pomdptool.families.maze import maze
    from pomdptool.families.rocksample import rocksample
    from pomdptool.families.tag import tag
    from pomdptool.families.tiger import tiger
    from pomdptool.formats.check import Check, check
    from pomdptool.formats.data.read import read_episodes as load_data
    from pomdptool.formats.data.report import Columns
    from pomdptool.formats.dump import dump
    from pomdptool.formats.models import load, loads
    from pomdptool.formats.policy.pg import load_graph
    from pomdptool.formats.policy.read import load_policy, load_vectors
    from pomdptool.graph import PolicyGraph
    from pomdptool.learning.decode import Decoded, decode
    from pomdptool.learning.fit import fit
    from pomdptool.learning.information import StandardErrors, standard_errors
    from pomdptool.learning.likelihood import Likelihood, loglik
    from pomdptool.learning.result import Fit
    from pomdptool.learning.select import Selection, select
    from pomdptool.learning.utile_distinction import Distinction, distinguish
    from pomdptool.model import Model, make_model
    from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy
    from pomdptool.solving.solution import Progress, Solution
    from pomdptool.solving.solve import solve

__version__ = "0.3.0"

_HOME = {
    "AlphaVectors": "policy",
    "Bounds": "policy",
    "Check": "formats.check",
    "Columns": "formats.data.report",
    "Comparison": "analysis.compare",
    "DataError": "errors",
    "Decoded": "learning.decode",
    "Distinction": "learning.utile_distinction",
    "Episodes": "episodes",
    "Evaluation": "analysis.evaluate",
    "Finding": "errors",
    "Fit": "learning.result",
    "FormatError": "errors",
    "Likelihood": "learning.likelihood",
    "Model": "model",
    "ModelError": "errors",
    "ModelInfo": "analysis.info",
    "PolicyError": "errors",
    "PolicyGraph": "graph",
    "Pomcp": "acting.pomcp",
    "PomdpError": "errors",
    "PomdpWarning": "errors",
    "Prior": "acting.search_settings",
    "Progress": "solving.solution",
    "Selection": "learning.select",
    "Simulation": "acting.simulate",
    "Solution": "solving.solution",
    "SolvedPolicy": "policy",
    "StandardErrors": "learning.information",
    "Summary": "acting.simulate",
    "Transfer": "analysis.transfer",
    "agent_for": "acting.agents",
    "carried": "analysis.transfer",
    "check": "formats.check",
    "compare": "analysis.compare",
    "decode": "learning.decode",
    "distinguish": "learning.utile_distinction",
    "dump": "formats.dump",
    "evaluate": "analysis.evaluate",
    "fit": "learning.fit",
    "heavenhell": "families.heavenhell",
    "info": "analysis.info",
    "load": "formats.models",
    "load_data": "formats.data.read",
    "load_graph": "formats.policy.pg",
    "load_policy": "formats.policy.read",
    "load_vectors": "formats.policy.read",
    "loads": "formats.models",
    "loglik": "learning.likelihood",
    "make_model": "model",
    "maze": "families.maze",
    "plot": "drawing.plot",
    "rocksample": "families.rocksample",
    "sample": "acting.sample",
    "select": "learning.select",
    "simulate": "acting.simulate",
    "solve": "solving.solve",
    "standard_errors": "learning.information",
    "tag": "families.tag",
    "tiger": "families.tiger",
    "transfer": "analysis.transfer",
    "update_belief": "belief",
}

_CALLED_THERE = {"load_data": "read_episodes", "update_belief": "update"}

__all__ = [
    "AlphaVectors",
    "Bounds",
    "Check",
    "Columns",
    "Comparison",
    "DataError",
    "Decoded",
    "Distinction",
    "Episodes",
    "Evaluation",
    "Finding",
    "Fit",
    "FormatError",
    "Likelihood",
    "Model",
    "ModelError",
    "ModelInfo",
    "PolicyError",
    "PolicyGraph",
    "Pomcp",
    "PomdpError",
    "PomdpWarning",
    "Prior",
    "Progress",
    "Selection",
    "Simulation",
    "Solution",
    "SolvedPolicy",
    "StandardErrors",
    "Summary",
    "Transfer",
    "agent_for",
    "carried",
    "check",
    "compare",
    "decode",
    "distinguish",
    "dump",
    "evaluate",
    "fit",
    "heavenhell",
    "info",
    "load",
    "load_data",
    "load_graph",
    "load_policy",
    "load_vectors",
    "loads",
    "loglik",
    "make_model",
    "maze",
    "plot",
    "rocksample",
    "sample",
    "select",
    "simulate",
    "solve",
    "standard_errors",
    "tag",
    "tiger",
    "transfer",
    "update_belief",
]


_FORMER = {"player": "agent_for"}
"""Former names, accepted for one version."""


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        warn(f"pomdptool.{name} is now {_FORMER[name]}", DeprecationWarning, stacklevel=2)
        name = _FORMER[name]
    if name not in _HOME:
        raise AttributeError(f"module 'pomdptool' has no attribute {name!r}")
    there = _CALLED_THERE.get(name, name)
    value = getattr(import_module(f"pomdptool.{_HOME[name]}"), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
