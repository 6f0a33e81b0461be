"""Steps of simulated episodes: written as a trace, and printed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pomdptool.commands.terminal import say
from pomdptool.formats.atomic import open_atomic
from pomdptool.formats.traces import trace_line
from pomdptool.model import Model
from pomdptool.trace import TracedStep

if TYPE_CHECKING:
    from pomdptool.acting.runners import OnSeen, Seen


@contextlib.contextmanager
def seen_steps(model: Model, trace_file: str | None, verbose: bool) -> Iterator[OnSeen | None]:
    """What is done with every step: written as JSON, and told."""
    if trace_file is None and not verbose:
        yield None
        return
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(open_atomic(Path(trace_file))) if trace_file else None

        def on_seen(seen: Seen) -> None:
            if stream is not None:
                stream.write(trace_line(traced(model, seen)).encode())
            if verbose:
                say(_told(model, seen))

        yield on_seen


def traced(model: Model, seen: Seen) -> TracedStep:
    """Record of a step, by the names of the model."""
    step, decision, sign = seen.step, seen.decision, -1.0 if model.costs else 1.0
    belief = (
        {}
        if seen.belief is None
        else {model.states[s]: float(seen.belief[s]) for s in seen.belief.nonzero()[0].tolist()}
    )
    record = TracedStep(
        episode=seen.episode,
        step=step.time,
        state=model.states[step.state],
        belief=belief,
        action=model.actions[step.action],
        observation=model.observations[step.observation],
        reward=sign * step.reward + 0.0,
    )
    if decision is None:
        return record
    values = (sign * v if math.isfinite(v) else None for v in decision.values.tolist())
    return replace(
        record, sims=decision.sims, visits=tuple(decision.visits.tolist()), values=tuple(values)
    )


def _told(model: Model, seen: Seen) -> str:
    """Say a step in a line."""
    step, sign = seen.step, -1.0 if model.costs else 1.0
    likely = ""
    if seen.belief is not None:
        best = seen.belief.argsort(kind="stable")[::-1][:3].tolist()
        held = [f"{model.states[s]} {seen.belief[s]:.3g}" for s in best if seen.belief[s] > 0.0]
        more = int((seen.belief > 0.0).sum()) - len(held)
        likely = "  belief " + ", ".join(held) + (f" and {more} more" if more else "")
    sims = f"  sims {seen.decision.sims}" if seen.decision is not None else ""
    return (
        f"{seen.episode}.{step.time}  state {model.states[step.state]}{likely}  "
        f"action {model.actions[step.action]}  reward {sign * step.reward + 0.0:g}  "
        f"observation {model.observations[step.observation]}{sims}"
    )
