"""Reads files that can be plotted: policies, models, fit reports and traces."""

from __future__ import annotations

from typing import Any

from pomdptool.errors import FormatError, PolicyError
from pomdptool.formats.fit_report import is_fit_report, read_fit_report
from pomdptool.formats.kinds import kind_of_path
from pomdptool.formats.model_json import FORMAT as MODEL_FORMAT
from pomdptool.formats.models import is_model, loads
from pomdptool.formats.policy.json import read_policy_json
from pomdptool.formats.policy.pg import read_pg
from pomdptool.formats.policy.read import read_policy
from pomdptool.formats.policy.write import FORMAT, POLICY_KINDS
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK
from pomdptool.formats.strict_json import read_json
from pomdptool.formats.traces import read_trace
from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.trace import FitReport, TracedStep

Plottable = Model | SolvedPolicy | PolicyGraph | FitReport | list[TracedStep]


def read_plottable(text: str, file: str, model: Model | None = None) -> Plottable:
    """Read a policy (`.json`, `.alpha`, `.policy`, `.pg`), a model, a fit report or a trace.

    Raises FormatError for other texts, PolicyError for a policy that does not match the model or
    requires one.
    """
    kind = kind_of_path(file, POLICY_KINDS)
    if is_model(text):
        return loads(text, file=file)
    if kind == "pg":
        return _graph(text, file, model)
    begun = text.lstrip(BYTE_ORDER_MARK + " \t\r\n")[:1]
    if kind in ("alpha", "appl") or begun == "<":
        if model is None:
            raise PolicyError(f"{file}: this format does not name its problem: give --model")
        return read_policy(text, file, model)
    if begun != "{":
        raise _unknown(file)
    document = _object(text, file)
    if document is None or document.get("format") == FORMAT:
        return read_policy_json(text, file, model)
    if is_fit_report(document):
        return read_fit_report(document, file)
    if "step" in document:
        return read_trace(text, file)
    if document.get("format") == MODEL_FORMAT:
        return loads(text, file=file)
    raise _unknown(file)


def _object(text: str, file: str) -> dict[str, Any] | None:
    """JSON object in the text, or in its first line; None if there is none."""
    for part in (text, text.lstrip().partition("\n")[0]):
        try:
            document = read_json(part, file)
        except FormatError:
            continue
        return document if isinstance(document, dict) else None
    return None


def _unknown(file: str) -> FormatError:
    expected = "expected a policy, a model, a report of fit or a trace of simulate"
    return FormatError.at(file, 1, 1, "PT001", expected)


def _graph(text: str, file: str, model: Model | None) -> PolicyGraph:
    graph = read_pg(text, file)
    if model is None:
        return graph
    if graph.n_observations != model.n_observations or graph.actions.max() >= model.n_actions:
        raise PolicyError(f"{file}: the graph is for another model")
    return graph
