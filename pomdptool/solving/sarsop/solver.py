"""SARSOP: anytime point-based value iteration with certified bounds.

    initialise the lower bound with blind policies, the upper bound with the tighter informed bound
    (see `informed_bound`)
    repeat until the bounds at the initial belief are within the precision
        sample: from the initial belief, follow the best action by upper bound and the observation
                with the largest gap, down to a belief whose gap is small enough
        backup: both bounds of each sampled belief, on the way down and back up
        prune:  remove vectors and points that are of no use from the lists that backups scan

after Kurniawati, Hsu and Lee (2008), with the trials of HSVI2 (Smith and Simmons 2005). Sampling
and backups are one trial, run by the kernel `kernels.sarsop.trial.run`.

Between trials, at growing intervals, all expanded beliefs are backed up, and the controller and the
upper bounds are solved for by linear systems (`lower_evaluation`, `upper_iteration`). Vectors are
linked to their successors, so the policy is a finite-state controller whose value is its vector
(Hansen 1998). Beliefs are nodes of a graph and dense over their block only.

The reported bounds allow for rounding and for beliefs merged as equal (see `rounding`). If that
error exceeds the precision, the search ends once the remaining gap is no larger than the error.

The sequence of operations depends on the model and the precision alone. The clock only decides when
to stop and how much work one kernel call does, which does not affect results.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.policy_evaluation import evaluate_vectors
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.sarsop.list_pruning import prune_points, prune_vectors
from pomdptool.solving.sarsop.lower_evaluation import evaluate_controller
from pomdptool.solving.sarsop.policy import extract_controller
from pomdptool.solving.sarsop.search import FIRST_INTERVAL, ROOT, SearchState
from pomdptool.solving.sarsop.upper_iteration import solve_upper_bound
from pomdptool.solving.solution import LimitReached, Monitor, Solution, require_discount
from pomdptool.sparse import IntArray

NO_NODES = np.zeros(0, dtype=np.int64)

SWEEP_AFTER = 8
"""Backups per expanded belief between two sweeps over all of them."""

SOLVE_AFTER = 256
"""Minimum number of backups between two solutions of a linear system."""

WORTHWHILE_SHARE = 1e-3
"""A solution that closes a smaller share of the gap doubles the interval to the next one."""

EVALUATE_AFTER = 0.25
"""Backups per vector between two evaluations of all vectors."""

EVALUATION_SWEEPS = 5

MIN_VECTORS, MIN_POINTS = 2000, 20_000
"""Sizes from which lists are pruned, once vectors have grown by half or points fourfold."""

STALL_SWEEPS, STALL_SHARE = 30, 1e-3
"""The search has stalled after so many sweeps without an expansion or this share of the gap."""


def solve_sarsop(
    model: Model,
    *,
    precision: float = 1e-3,
    resume: SolvedPolicy | None = None,
    monitor: Monitor | None = None,
) -> Solution:
    """Run SARSOP to a precision or limit (parameters as for `solve`).

    `resume` is an earlier result of this method for the same model.
    """
    require_discount(model, None)
    run = SarsopSearch(model, precision, monitor or Monitor())
    try:
        run.initialise(resume)
    except LimitReached as stopped:
        return run.initial.solution(stopped.reason, run.monitor)
    try:
        run.run_to_convergence()
    except LimitReached as stopped:
        return run.solution(stopped.reason)
    return run.solution("precision" if run.bounds.closed(precision) else "rounding")


@dataclass(slots=True)
class StallDetector:
    """Counts sweeps since the last progress: a belief expanded, or a smaller gap."""

    sweeps: int = 0
    expanded: int = 0
    gap: float = np.inf

    def detect(self, expanded: int, gap: float) -> bool:
        """Count a sweep; return whether the search has stalled."""
        if expanded > self.expanded or gap < (1.0 - STALL_SHARE) * self.gap:
            self.sweeps, self.expanded, self.gap = 0, expanded, gap
        self.sweeps += 1
        return self.sweeps > STALL_SWEEPS


@dataclass(slots=True)
class Schedule:
    """Number of backups at which to solve a linear system again."""

    next: int = FIRST_INTERVAL
    interval: int = SOLVE_AFTER

    def reschedule(self, backups: int, size: int, gained: bool) -> None:
        """Schedule the next solution; `size` is the number of unknowns of the last."""
        self.interval = max(SOLVE_AFTER, size) if gained else 2 * self.interval
        self.next = backups + self.interval


@dataclass(slots=True)
class SarsopSearch(SearchState):
    """The main loop: schedules trials, sweeps, linear systems and pruning."""

    kept_vectors: int = 0
    stall: StallDetector = field(default_factory=StallDetector)
    upper: Schedule = field(default_factory=Schedule)
    lower: Schedule = field(default_factory=Schedule)

    def run_to_convergence(self) -> None:
        """Improve the bounds until they are close enough. Raises LimitReached."""
        sweep_at = evaluate_at = FIRST_INTERVAL
        while not self.finished:
            self.run_trials(min(sweep_at, evaluate_at, self.upper.next, self.lower.next))
            self.solve_systems()
            if self.count(layout.N_BACKUPS) >= sweep_at:
                self.back_up_expanded()
                expanded = self.count(layout.N_EXPANDED)
                if self.stall.detect(expanded, self.bounds.gap):
                    raise LimitReached("rounding")
                interval = max(FIRST_INTERVAL, SWEEP_AFTER * expanded)
                sweep_at = self.count(layout.N_BACKUPS) + interval
            if self.count(layout.N_BACKUPS) >= evaluate_at:
                self.improve_vectors()
                interval = max(FIRST_INTERVAL, int(EVALUATE_AFTER * self.count(layout.N_VECTORS)))
                evaluate_at = self.count(layout.N_BACKUPS) + interval
            self.prune_lists()

    def run_trials(self, end: int) -> None:
        """Run trials up to a total number of backups, or until the bounds are close enough."""
        while self.count(layout.N_BACKUPS) < end and not self.finished:
            self.run_kernel(NO_NODES, 0, end - self.count(layout.N_BACKUPS))

    def back_up_expanded(self) -> None:
        """Back up all expanded beliefs, newest first."""
        expanded = self.search.nodes[:, layout.EXPANSION]
        self.back_up(np.argsort(-expanded, kind="stable")[: self.count(layout.N_EXPANDED)])

    def back_up(self, nodes: IntArray) -> None:
        """Back up nodes in the order of the array."""
        at = 0
        while at < len(nodes):
            at = self.run_kernel(nodes, at, len(nodes))

    def improve_vectors(self) -> None:
        """Raise every vector to the value of its action and its current successors."""
        self.gain = self.min_gain()
        tolerance, since = 0.1 * self.gain, self.count(layout.N_RISES)

        def back_up(begin: int, end: int) -> None:
            evaluate_vectors(self.tables, self.search, begin, end, tolerance)

        for _ in range(EVALUATION_SWEEPS):
            before = self.count(layout.N_RISES)
            self.in_chunks(back_up, self.count(layout.N_VECTORS))
            if self.count(layout.N_RISES) == before:
                break
        self.propagate(since)

    def solve_systems(self) -> None:
        """Solve for the upper bounds and evaluate the root's controller, when these are due."""
        backups, before = self.count(layout.N_BACKUPS), self.bounds
        if backups >= self.upper.next:
            n = solve_upper_bound(self.blocks, self.search, ROOT, self.monitor.check)
            closed = before.upper - self.bounds.upper
            self.upper.reschedule(backups, n, closed > WORTHWHILE_SHARE * before.gap)
        if backups >= self.lower.next:
            since = self.count(layout.N_RISES)
            n = evaluate_controller(self.blocks, self.search, ROOT)
            self.propagate(since)
            closed = self.bounds.lower - before.lower
            self.lower.reschedule(backups, n, closed > WORTHWHILE_SHARE * before.gap)

    def prune_lists(self) -> None:
        """Prune the lists of vectors and points that have grown enough."""
        lengths = self.search.lists[:, layout.LENGTH].reshape(-1, layout.LISTS).sum(axis=0)
        first = self.blocks.n_blocks * self.model.n_actions
        if lengths[layout.VECTOR_LIST] > first + max(MIN_VECTORS, 3 * self.kept_vectors // 2):
            self.kept_vectors = int(prune_vectors(self.search, first)) - first
        if lengths[layout.POINT_LIST] > MIN_POINTS + 4 * lengths[layout.POINT_SET]:
            prune_points(self.search)

    def solution(self, reason: str) -> Solution:
        """Return the controller of the initial belief's vector, with the bounds."""
        self.report()
        root = int(self.search.nodes[ROOT, layout.BEST])
        floor = float(self.model.expected_rewards.min()) / (1.0 - self.model.discount)
        values = extract_controller(self.blocks, self.search, root, floor)
        return Solution.of(
            self.model,
            "sarsop",
            self.monitor,
            values,
            self.bounds,
            reason,
            converged=reason == "precision",
            counts={
                "iterations": self.count(layout.N_TRIALS),
                "vectors": len(values.actions),
                "backups": self.count(layout.N_BACKUPS),
                "beliefs": self.count(layout.N_NODES),
            },
            graph=values.graph(),
        )
