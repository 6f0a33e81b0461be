"""The anytime solver: two certified bounds at the start belief that close in on each other.

    initialise the vectors with blind policies, the upper bound with TIB
    until the bounds are as close as was asked for
        trials: follow the gap from the start belief, back up on the way down and up
        now and then: back up all expanded beliefs, evaluate the controllers, shorten lists

after SARSOP (Kurniawati, Hsu and Lee 2008) and HSVI2 (Smith and Simmons 2005), with beliefs kept in
a graph, inside belief blocks, and vectors linked to their successors, so that the policy is a
controller that earns its vector (Hansen 1998). What is printed as a bound allows for beliefs that
were taken for equal and for rounding: see `rounding`. Where that alone exceeds the gap asked for,
the search ends as soon as what is left of the gap is no more.

What is done, and in which order, depends on the model and the precision alone: the clock says when
to stop, and how much work a kernel is given at once, which changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.policy_evaluation import evaluate_vectors
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.sarsop.list_pruning import prune_points, prune_vectors
from pomdptool.solving.sarsop.lower_evaluation import solve_lower
from pomdptool.solving.sarsop.policy import linked_vectors
from pomdptool.solving.sarsop.search import FIRST_ROUND, ROOT, SearchState
from pomdptool.solving.sarsop.upper_iteration import solve_upper
from pomdptool.solving.solution import LimitReached, Monitor, Solution, require_discount
from pomdptool.sparse import IntArray

NO_NODES = np.zeros(0, dtype=np.int64)

SWEEP_AFTER = 8
"""Backups for each expanded belief until all of them are swept again."""

SOLVE_AFTER = 256
"""Backups, at least, until the graph, and the controller, are solved for again."""

SOLVED = 1e-3
"""Where that has not closed this share of the gap, the next time is after twice as many."""

EVALUATE_AFTER = 0.25
"""Backups for each vector until the controllers are evaluated again."""

EVALUATION_SWEEPS = 5

FEW_VECTORS, MANY_POINTS = 2000, 20_000
"""Lists are shortened from these lengths on, whenever they have grown by half, or to fourfold."""

IDLE_SWEEPS, IDLE_GAIN = 30, 1e-3
"""A search ends that for so many sweeps has expanded no belief and closed no more than this share
of its gap: there is nothing left that floats can improve."""


def solve_sarsop(
    model: Model,
    *,
    precision: float = 1e-3,
    resume: SolvedPolicy | None = None,
    monitor: Monitor | None = None,
) -> Solution:
    """Search from the start belief until its bounds are close, or a limit is met.

    Parameters
    ----------
    precision
        The gap between the bounds at which to stop, relative to max(1, |lower bound|).
    resume
        A result of this method for the same model, to go on from.

    Raises
    ------
    PomdpError
        With discount 1, or an earlier result of another model.
    """
    require_discount(model, None)
    run = _Run(model, precision, monitor or Monitor())
    try:
        run.start(resume)
    except LimitReached as stopped:
        return run.first.solution(stopped.reason, run.monitor)
    try:
        run.until_closed()
    except LimitReached as stopped:
        return run.solution(stopped.reason)
    return run.solution("precision" if run.bounds.closed(precision) else "rounding")


@dataclass(slots=True)
class Idle:
    """Sweeps since a belief was expanded or the gap became smaller."""

    sweeps: int = 0
    expanded: int = 0
    gap: float = np.inf

    def too_long(self, expanded: int, gap: float) -> bool:
        """Whether, after another sweep, there have been too many."""
        if expanded > self.expanded or gap < (1.0 - IDLE_GAIN) * self.gap:
            self.sweeps, self.expanded, self.gap = 0, expanded, gap
        self.sweeps += 1
        return self.sweeps > IDLE_SWEEPS


@dataclass(slots=True)
class Pace:
    """After how many backups a linear system is solved anew: later where that gained little."""

    at: int = FIRST_ROUND
    pause: int = SOLVE_AFTER

    def go_on(self, backups: int, size: int, gained: bool) -> None:
        """Set the next time, after a system of some size."""
        self.pause = max(SOLVE_AFTER, size) if gained else 2 * self.pause
        self.at = backups + self.pause


@dataclass(slots=True)
class _Run(SearchState):
    """One search: in which order its bounds are improved."""

    listed: int = 0
    idle: Idle = field(default_factory=Idle)
    upper_pace: Pace = field(default_factory=Pace)
    lower_pace: Pace = field(default_factory=Pace)

    def until_closed(self) -> None:
        """Improve the bounds at the start belief until they are close.

        Raises
        ------
        LimitReached
            Where the monitor says so.
        """
        sweep_at = evaluate_at = FIRST_ROUND
        while not self.finished:
            self.trials(min(sweep_at, evaluate_at, self.upper_pace.at, self.lower_pace.at))
            self.solve()
            if self.count(kernel.N_BACKUPS) >= sweep_at:
                self.sweep()
                expanded = self.count(kernel.N_EXPANDED)
                if self.idle.too_long(expanded, self.bounds.gap):
                    raise LimitReached("rounding")
                sweep_at = self.count(kernel.N_BACKUPS) + max(FIRST_ROUND, SWEEP_AFTER * expanded)
            if self.count(kernel.N_BACKUPS) >= evaluate_at:
                self.evaluate()
                pause = int(EVALUATE_AFTER * self.count(kernel.N_VECTORS))
                evaluate_at = self.count(kernel.N_BACKUPS) + max(FIRST_ROUND, pause)
            self.shorten_lists()

    def trials(self, end: int) -> None:
        """Run trials until so many backups were made, or the bounds are close."""
        while self.count(kernel.N_BACKUPS) < end and not self.finished:
            self.run(NO_NODES, 0, end - self.count(kernel.N_BACKUPS))

    def sweep(self) -> None:
        """Back up every expanded belief, the newest first."""
        expanded = self.search.nodes[:, kernel.EXPANSION]
        self.back_up(np.argsort(-expanded, kind="stable")[: self.count(kernel.N_EXPANDED)])

    def back_up(self, nodes: IntArray) -> None:
        """Back up some nodes in turn."""
        at = 0
        while at < len(nodes):
            at = self.run(nodes, at, len(nodes))

    def evaluate(self) -> None:
        """Let every vector earn what those that it is linked to have come to earn."""
        self.gain = self.least_gain()
        tolerance, since = 0.1 * self.gain, self.count(kernel.N_RISES)

        def back_up(begin: int, end: int) -> None:
            evaluate_vectors(self.tables, self.search, begin, end, tolerance)

        for _ in range(EVALUATION_SWEEPS):
            before = self.count(kernel.N_RISES)
            self.in_parts(back_up, self.count(kernel.N_VECTORS))
            if self.count(kernel.N_RISES) == before:
                break
        self.follow(since)

    def solve(self) -> None:
        """Solve for the upper bounds, and for the root's controller, where it is time to."""
        backups, before = self.count(kernel.N_BACKUPS), self.bounds
        if backups >= self.upper_pace.at:
            n = solve_upper(self.blocks, self.search, ROOT, self.monitor.check)
            closed = before.upper - self.bounds.upper
            self.upper_pace.go_on(backups, n, closed > SOLVED * before.gap)
        if backups >= self.lower_pace.at:
            since = self.count(kernel.N_RISES)
            n = solve_lower(self.blocks, self.search, ROOT)
            self.follow(since)
            closed = self.bounds.lower - before.lower
            self.lower_pace.go_on(backups, n, closed > SOLVED * before.gap)

    def shorten_lists(self) -> None:
        """Take vectors and points off the lists that are of no more use."""
        lengths = self.search.lists[:, kernel.LENGTH].reshape(-1, kernel.LISTS).sum(axis=0)
        first = self.blocks.n_blocks * self.model.n_actions
        if lengths[kernel.VECTOR_LIST] > first + max(FEW_VECTORS, 3 * self.listed // 2):
            self.listed = int(prune_vectors(self.search, first)) - first
        if lengths[kernel.POINT_LIST] > MANY_POINTS + 4 * lengths[kernel.POINT_SET]:
            prune_points(self.search)

    def solution(self, reason: str) -> Solution:
        """Put the result together: the vectors that the start belief's is linked to."""
        self.report()
        root = int(self.search.nodes[ROOT, kernel.BEST])
        values = linked_vectors(self.blocks, self.search, root, self.floor)
        return Solution.of(
            self.model,
            "sarsop",
            self.monitor,
            values,
            self.bounds,
            reason,
            converged=reason == "precision",
            counts={
                "iterations": self.count(kernel.N_TRIALS),
                "vectors": len(values.actions),
                "backups": self.count(kernel.N_BACKUPS),
                "beliefs": self.count(kernel.N_NODES),
            },
            graph=values.graph(),
        )

    @property
    def floor(self) -> float:
        """What any policy earns from any state."""
        return float(self.model.expected_rewards.min()) / (1.0 - self.model.discount)
