"""Read, solve, simulate and learn POMDPs. Names are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from warnings import warn

TYPE_CHECKING = False  # typing takes long to import: see `pomdptool.__main__`
if TYPE_CHECKING:
    from typing import Any

    from pomdptool.acting.agents import agent_for as agent_for
    from pomdptool.acting.pomcp import Pomcp as Pomcp
    from pomdptool.acting.sample import sample as sample
    from pomdptool.acting.search_settings import Prior as Prior
    from pomdptool.acting.simulate import Simulation as Simulation
    from pomdptool.acting.simulate import Summary as Summary
    from pomdptool.acting.simulate import simulate as simulate
    from pomdptool.analysis.ask import PolicyAt as PolicyAt
    from pomdptool.analysis.ask import PolicyInfo as PolicyInfo
    from pomdptool.analysis.ask import policy_at as policy_at
    from pomdptool.analysis.ask import policy_info as policy_info
    from pomdptool.analysis.compare import Comparison as Comparison
    from pomdptool.analysis.compare import compare as compare
    from pomdptool.analysis.evaluate import Evaluation as Evaluation
    from pomdptool.analysis.evaluate import evaluate as evaluate
    from pomdptool.analysis.info import ModelInfo as ModelInfo
    from pomdptool.analysis.info import info as info
    from pomdptool.analysis.transfer import Transfer as Transfer
    from pomdptool.analysis.transfer import carried as carried
    from pomdptool.analysis.transfer import transfer as transfer
    from pomdptool.belief import update_belief as update_belief
    from pomdptool.drawing.plot import plot as plot
    from pomdptool.episodes import Episodes as Episodes
    from pomdptool.errors import DataError as DataError
    from pomdptool.errors import Finding as Finding
    from pomdptool.errors import FormatError as FormatError
    from pomdptool.errors import ModelError as ModelError
    from pomdptool.errors import PolicyError as PolicyError
    from pomdptool.errors import PomdpError as PomdpError
    from pomdptool.errors import PomdpWarning as PomdpWarning
    from pomdptool.families.heavenhell import heavenhell as heavenhell
    from pomdptool.families.maze import maze as maze
    from pomdptool.families.rocksample import rocksample as rocksample
    from pomdptool.families.tag import tag as tag
    from pomdptool.families.tiger import tiger as tiger
    from pomdptool.formats.check import Check as Check
    from pomdptool.formats.check import check as check
    from pomdptool.formats.data.read import read_episodes
    from pomdptool.formats.data.report import Columns as Columns
    from pomdptool.formats.dump import dump as dump
    from pomdptool.formats.models import load as load
    from pomdptool.formats.models import loads as loads
    from pomdptool.formats.policy.pg import load_graph as load_graph
    from pomdptool.formats.policy.read import load_policy as load_policy
    from pomdptool.formats.policy.read import load_vectors as load_vectors
    from pomdptool.graph import PolicyGraph as PolicyGraph
    from pomdptool.learning.decode import Decoded as Decoded
    from pomdptool.learning.decode import decode as decode
    from pomdptool.learning.fit import fit as fit
    from pomdptool.learning.information import StandardErrors as StandardErrors
    from pomdptool.learning.information import standard_errors as standard_errors
    from pomdptool.learning.likelihood import Likelihood as Likelihood
    from pomdptool.learning.likelihood import loglik as loglik
    from pomdptool.learning.result import Fit as Fit
    from pomdptool.learning.select import Selection as Selection
    from pomdptool.learning.select import select as select
    from pomdptool.learning.utile_distinction import Distinction as Distinction
    from pomdptool.learning.utile_distinction import distinguish as distinguish
    from pomdptool.model import Model as Model
    from pomdptool.model import make_model as make_model
    from pomdptool.policy import AlphaVectors as AlphaVectors
    from pomdptool.policy import Bounds as Bounds
    from pomdptool.policy import SolvedPolicy as SolvedPolicy
    from pomdptool.solving.solution import Progress as Progress
    from pomdptool.solving.solution import Solution as Solution
    from pomdptool.solving.solve import solve as solve

    load_data = read_episodes

__version__ = "0.3.0"

_MODULES = {
    "acting.agents": "agent_for",
    "acting.pomcp": "Pomcp",
    "acting.sample": "sample",
    "acting.search_settings": "Prior",
    "acting.simulate": "Simulation Summary simulate",
    "analysis.ask": "PolicyAt PolicyInfo policy_at policy_info",
    "analysis.compare": "Comparison compare",
    "analysis.evaluate": "Evaluation evaluate",
    "analysis.info": "ModelInfo info",
    "analysis.transfer": "Transfer carried transfer",
    "belief": "update_belief",
    "drawing.plot": "plot",
    "episodes": "Episodes",
    "errors": "DataError Finding FormatError ModelError PolicyError PomdpError PomdpWarning",
    "families.heavenhell": "heavenhell",
    "families.maze": "maze",
    "families.rocksample": "rocksample",
    "families.tag": "tag",
    "families.tiger": "tiger",
    "formats.check": "Check check",
    "formats.data.read": "load_data",
    "formats.data.report": "Columns",
    "formats.dump": "dump",
    "formats.models": "load loads",
    "formats.policy.pg": "load_graph",
    "formats.policy.read": "load_policy load_vectors",
    "graph": "PolicyGraph",
    "learning.decode": "Decoded decode",
    "learning.fit": "fit",
    "learning.information": "StandardErrors standard_errors",
    "learning.likelihood": "Likelihood loglik",
    "learning.result": "Fit",
    "learning.select": "Selection select",
    "learning.utile_distinction": "Distinction distinguish",
    "model": "Model make_model",
    "policy": "AlphaVectors Bounds SolvedPolicy",
    "solving.solution": "Progress Solution",
    "solving.solve": "solve",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}
_DEFINED_AS = {"load_data": "read_episodes"}
__all__ = sorted(_HOME)

_FORMER = {"player": "agent_for"}
"""Deprecated names, accepted for one version."""


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        warn(f"pomdptool.{name} is now {_FORMER[name]}", DeprecationWarning, stacklevel=2)
        name = _FORMER[name]
    if name not in _HOME:
        raise AttributeError(f"module 'pomdptool' has no attribute {name!r}")
    value = getattr(import_module(f"pomdptool.{_HOME[name]}"), _DEFINED_AS.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
