"""Fit reports of `fit --report`: one JSON object.

`states`, `steps`, `history` and `restarts` (each with `seed`, `loglik`, `iterations` and
`converged`) are fields of `FitReport`; all other keys are its details.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pomdptool.formats.json_documents import JsonValue, to_jsonable
from pomdptool.trace import FitReport, Restart


def write_fit_report(report: FitReport) -> str:
    """JSON text of a report."""
    document = {
        **report.details,
        "states": report.states,
        "steps": report.steps,
        "restarts": [asdict(restart) for restart in report.restarts],
        "history": report.history,
    }
    return json.dumps(to_jsonable(document), indent=1, allow_nan=False) + "\n"


def is_fit_report(document: dict[str, Any]) -> bool:
    """Whether a JSON object is a fit report."""
    return {"history", "loglik", "restarts"} <= document.keys()


def read_fit_report(document: dict[str, Any], file: str) -> FitReport:
    """Read a report; FormatError with the name of an invalid key."""
    root = JsonValue(document, "", file)
    history = root["history"]
    if history.value == []:
        raise history.error("is empty")
    fields = ("states", "steps", "history", "restarts")
    return FitReport(
        states=root["states"].count(1),
        steps=root["steps"].count(1),
        history=tuple(history.numbers().tolist()),
        restarts=tuple(_restart(restart) for restart in root["restarts"].items()),
        details={key: value for key, value in document.items() if key not in fields},
    )


def _restart(restart: JsonValue) -> Restart:
    seed, converged = restart.get("seed"), restart.get("converged")
    return Restart(
        seed=None if seed is None or seed.value is None else seed.count(0),
        loglik=restart["loglik"].number(),
        iterations=restart["iterations"].count(0),
        converged=converged is not None and converged.flag(),
    )
