"""Steps of simulated episodes: written to a trace file or printed."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pomdptool.commands.step_table import StepTable
from pomdptool.commands.terminal import say, screen_size
from pomdptool.formats.atomic import open_atomic
from pomdptool.formats.traces import trace_line
from pomdptool.model import Model
from pomdptool.trace import TracedStep

if TYPE_CHECKING:
    from pomdptool.acting.runners import OnStep, RecordedStep


@contextlib.contextmanager
def step_recorder(model: Model, trace_file: str | None, verbose: bool) -> Iterator[OnStep | None]:
    """Yield a function that writes steps to a trace file and prints them; None if neither."""
    if trace_file is None and not verbose:
        yield None
        return
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(open_atomic(Path(trace_file))) if trace_file else None
        table: StepTable | None = None

        def show(recorded: RecordedStep) -> None:
            nonlocal table
            if table is None:
                width = screen_size(sys.stderr).columns if sys.stderr.isatty() else None
                table = StepTable(model, planned=recorded.decision is not None, width=width)
                for line in table.header:
                    say(line)
            say(table.row(recorded))

        def on_step(recorded: RecordedStep) -> None:
            if stream is not None:
                stream.write(trace_line(traced(model, recorded)).encode())
            if verbose:
                show(recorded)

        yield on_step


def traced(model: Model, recorded: RecordedStep) -> TracedStep:
    """Trace record of a step, with the names of the model."""
    step, decision, sign = recorded.step, recorded.decision, -1.0 if model.costs else 1.0
    belief = (
        {}
        if recorded.belief is None
        else {
            model.states[s]: float(recorded.belief[s])
            for s in recorded.belief.nonzero()[0].tolist()
        }
    )
    record = TracedStep(
        episode=recorded.episode,
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
