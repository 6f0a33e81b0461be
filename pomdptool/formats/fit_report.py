"""Figures of learning, as `fit --report` writes them: what a picture needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pomdptool.formats.documents import Place


@dataclass(frozen=True, slots=True)
class FitReport:
    """How learning went.

    Attributes
    ----------
    states, steps
        Of the model, and of the data.
    history
        Log-likelihood of all data after each iteration of the best start.
    restarts
        Iterations and log-likelihood at the end of each start.
    """

    states: int
    steps: int
    history: tuple[float, ...]
    restarts: tuple[tuple[int, float], ...]


def is_fit_report(document: dict[str, Any]) -> bool:
    """Whether a JSON object is a report of learning."""
    return {"history", "loglik", "restarts"} <= document.keys()


def read_fit_report(document: dict[str, Any], file: str) -> FitReport:
    """Read a report.

    Raises
    ------
    FormatError
        It names the key that is wrong.
    """
    whole = Place(document, "", file)
    history = whole["history"]
    if history.value == []:
        raise history.wrong("holds no iteration")
    return FitReport(
        states=whole["states"].count(1),
        steps=whole["steps"].count(1),
        history=tuple(history.numbers().tolist()),
        restarts=tuple(
            (restart["iterations"].count(0), restart["loglik"].number())
            for restart in whole["restarts"].items()
        ),
    )
