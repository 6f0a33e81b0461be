"""Statistics of simulated returns, for JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pomdptool.commands.terminal import plural
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.simulate import Summary

VALUES = ("graph_value", "vector_value", "mean_discounted_return", "mean_undiscounted_return")
INTERVALS = ("bounds", "confidence_95")
"""Keys of values and of intervals, in rewards or in costs."""


def summary(model: Model, result: Summary) -> dict[str, Any]:
    """The statistics for JSON, as costs if the model has costs."""
    sign = -1.0 if model.costs else 1.0
    entry = asdict(result)
    for key in entry.keys() & VALUES:
        entry[key] = None if entry[key] is None else sign * entry[key]
    for key in entry.keys() & INTERVALS:
        entry[key] = sorted(sign * x for x in entry[key])
    return entry


def statistics(entry: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Rows of a table for one simulation; `kind` is return or cost."""
    mean, error = short(entry["mean_discounted_return"]), short(entry["standard_error"])
    episodes = f"{entry['episodes']} of at most {plural(entry['steps'], 'step')}"
    return [
        ("episodes", f"{episodes}, {entry['terminated']} reached a terminal state"),
        (f"mean {kind}", f"{mean} discounted, standard error {error}"),
        ("95% interval", interval(*entry["confidence_95"])),
        ("truncation", f"error at most {short(entry['truncation_bound'])}"),
        ("undiscounted", f"{short(entry['mean_undiscounted_return'])} on average"),
    ]


def interval(low: float | str, high: float | str) -> str:
    """Format an interval; infinite bounds are strings."""
    if isinstance(low, str):
        return "unknown" if isinstance(high, str) else f"at most {high:.6g}"
    return f"at least {low:.6g}" if isinstance(high, str) else f"{low:.6g} to {high:.6g}"


def short(x: Any) -> str:
    """Format a number."""
    if x is None:
        return "unknown"
    return f"{x:.6g}" if isinstance(x, float) else str(x)
