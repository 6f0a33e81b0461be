"""Statistics of simulated returns, for JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.simulate import Summary

VALUES = ("graph_value", "vector_value", "mean_discounted_return", "mean_undiscounted_return")
INTERVALS = ("bounds", "confidence_95")
"""Keys of values and of intervals, in rewards or in costs."""


def summary(model: Model, result: Summary) -> dict[str, Any]:
    """The statistics as JSON has them; in a model with costs the values are costs."""
    sign = -1.0 if model.costs else 1.0
    found = asdict(result)
    for key in found.keys() & VALUES:
        found[key] = None if found[key] is None else sign * found[key]
    for key in found.keys() & INTERVALS:
        found[key] = sorted(sign * x for x in found[key])
    return found


def statistics(entry: dict[str, Any], what: str) -> list[tuple[str, str]]:
    """Rows of the table for one simulation."""
    mean, error = short(entry["mean_discounted_return"]), short(entry["standard_error"])
    played = f"{entry['episodes']} of at most {entry['steps']} steps"
    return [
        ("episodes", f"{played}, {entry['terminated']} reached a terminal state"),
        (f"mean {what}", f"{mean} discounted, standard error {error}"),
        ("95% interval", interval(*entry["confidence_95"])),
        ("truncation", f"error at most {short(entry['truncation_bound'])}"),
        ("undiscounted", f"{short(entry['mean_undiscounted_return'])} on average"),
    ]


def interval(low: float | str, high: float | str) -> str:
    """An interval for people; its bounds are numbers, or infinities as text."""
    if isinstance(low, str):
        return "unknown" if isinstance(high, str) else f"at most {high:.6g}"
    return f"at least {low:.6g}" if isinstance(high, str) else f"{low:.6g} to {high:.6g}"


def short(x: Any) -> str:
    """A number for people."""
    if x is None:
        return "unknown"
    return f"{x:.6g}" if isinstance(x, float) else str(x)
