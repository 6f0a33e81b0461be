"""The anytime solver: two certified bounds at the start belief that close in on each other.

    initialise the vectors with blind policies, the upper bound with TIB
    until the bounds are as close as was asked for
        trials: follow the gap from the start belief, back up on the way down and up
        now and then: back up all expanded beliefs, evaluate the controllers, shorten lists

after SARSOP (Kurniawati, Hsu and Lee 2008) and HSVI2 (Smith and Simmons 2005), with beliefs kept in
a graph, inside belief blocks, and vectors linked to their successors, so that the policy is a
controller that earns its vector (Hansen 1998). What is printed as a bound allows for beliefs that
were taken for equal and for rounding: see `_error`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pomdptool.kernels import budget, expect, nodes, trial
from pomdptool.kernels import search as kernel
from pomdptool.kernels.search import Search, Tables
from pomdptool.kernels.vectors import evaluate_vectors, update_lower
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy, problem_of
from pomdptool.solving.blocks import BlockModel, block_model
from pomdptool.solving.bounds import fixed_point, solve_bound
from pomdptool.solving.closure import linked_vectors
from pomdptool.solving.informed import informed_bounds
from pomdptool.solving.pools import Room, begin, grown, needed, tables
from pomdptool.solving.resume import insert
from pomdptool.solving.solution import Solution, Stopped, Watch, require_end
from pomdptool.solving.upkeep import prune_points, prune_vectors
from pomdptool.sparse import IntArray

ROOT = 0
"""The start belief's node."""

NO_NODES = np.zeros(0, dtype=np.int64)

MAX_DEPTH = 1000
"""Steps of the longest trial."""

CHUNK_SECONDS = 0.05
"""How long a kernel is to run before limits are looked at."""

SETUP_SHARE = 0.1
"""Share of the time limit that the first upper bound may take."""

SETUP_SECONDS = 2.0
"""The same where there is no time limit."""

FIRST_ROUND = 64
"""Backups after which expanded beliefs are swept and controllers evaluated for the first time."""

SWEEP_AFTER = 8
"""Backups for each expanded belief until all of them are swept again."""

EVALUATE_AFTER = 0.25
"""Backups for each vector until the controllers are evaluated again."""

EVALUATION_SWEEPS = 5

BLIND, BLIND_SWEEPS, BLIND_WORK = 1e-6, 1000, 200_000_000
"""Blind policies are evaluated until they are this close, relative to the largest value; in at most
so many sweeps, and multiplications."""

GAIN = 0.01
"""A vector must raise its belief's bound by this share of (1 - discount) times the gap wanted."""

FEW_VECTORS, MANY_POINTS = 2000, 20_000
"""Lists are shortened from these lengths on, whenever they have grown by half, or to fourfold."""


def solve_sarsop(
    model: Model,
    *,
    precision: float = 1e-3,
    resume: SolvedPolicy | None = None,
    watch: Watch | None = None,
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
    require_end(model, None)
    run = _Run(model, precision, watch or Watch())
    try:
        run.start(resume)
    except Stopped as stopped:
        return run.nothing(stopped.reason)
    try:
        run.until_closed()
    except Stopped as stopped:
        return run.solution(stopped.reason)
    return run.solution("precision")


@dataclass(slots=True)
class _Run:
    """One search, its arrays and its clocks."""

    model: Model
    precision: float
    watch: Watch
    blocks: BlockModel = field(init=False)
    tables: Tables = field(init=False)
    search: Search = field(init=False)
    need: Room = field(init=False)
    error: float = field(init=False)
    path: IntArray = field(default_factory=lambda: np.zeros(MAX_DEPTH, np.int64))
    gain: float = 0.0
    backups_per_call: int = FIRST_ROUND
    listed: int = 0

    def start(self, resume: SolvedPolicy | None = None) -> None:
        """Compute the first bounds, from blind policies and from one-step beliefs."""
        blind = fixed_point(self.model, "blind", precision=1.0, horizon=None, watch=self.watch)
        self.blocks = block_model(self.model)
        expect(len(self.blocks.arrays.weights))
        limit = self.watch.time_limit
        seconds = SETUP_SECONDS if limit is None else SETUP_SHARE * limit
        above = informed_bounds(self.blocks, blind.Q, self.watch, seconds)
        self.tables = tables(self.blocks, above)
        self.search = begin(self.blocks, self.tables, blind.Q)
        self.need = needed(self.blocks)
        self.error = _error(self.blocks, above.largest)
        tolerance = BLIND * (1.0 - self.model.discount) * above.largest
        sweeps = min(BLIND_SWEEPS, 1 + BLIND_WORK // (1 + len(self.blocks.arrays.weights)))
        evaluate_vectors(self.tables, self.search, sweeps, tolerance)
        if resume is not None:
            self.search = insert(self.blocks, self.tables, self.search, resume)
            upper = self.search.bounds[ROOT, kernel.UPPER]
            self.search.bounds[ROOT, kernel.UPPER] = min(upper, resume.bounds.upper)
        update_lower(self.tables, self.search, ROOT)
        self.gain = self.least_gain()

    def until_closed(self) -> None:
        """Improve the bounds at the start belief until they are close.

        Raises
        ------
        Stopped
            Where the watch says so.
        """
        sweep_at = evaluate_at = FIRST_ROUND
        while not self.bounds.closed(self.precision):
            self.trials(min(sweep_at, evaluate_at))
            if self.count(kernel.N_BACKUPS) >= sweep_at:
                self.sweep()
                expanded = self.count(kernel.N_EXPANDED)
                sweep_at = self.count(kernel.N_BACKUPS) + max(FIRST_ROUND, SWEEP_AFTER * expanded)
            if self.count(kernel.N_BACKUPS) >= evaluate_at:
                self.evaluate()
                pause = int(EVALUATE_AFTER * self.count(kernel.N_VECTORS))
                evaluate_at = self.count(kernel.N_BACKUPS) + max(FIRST_ROUND, pause)
            self.shorten_lists()

    def count(self, what: int) -> int:
        """One of the search's counts."""
        return int(self.search.i[what])

    @property
    def bounds(self) -> Bounds:
        """Certified bounds at the start belief."""
        lower, upper = self.search.bounds[ROOT, [kernel.LOWER, kernel.UPPER]].tolist()
        return Bounds(lower - self.error, max(lower, upper) + self.error)

    def trials(self, end: int) -> None:
        """Run trials until so many backups were made, or the bounds are close."""
        while self.count(kernel.N_BACKUPS) < end and not self.bounds.closed(self.precision):
            self.run(NO_NODES, 0, end - self.count(kernel.N_BACKUPS))

    def sweep(self) -> None:
        """Back up every expanded belief, the newest first."""
        expanded = self.search.nodes[:, kernel.EXPANSION]
        order = np.argsort(-expanded, kind="stable")[: self.count(kernel.N_EXPANDED)]
        at = 0
        while at < len(order):
            at = self.run(order, at, len(order))

    def run(self, nodes: IntArray, at: int, most: int) -> int:
        """Back up the nodes from number `at`, or where there are none run trials, for a moment.

        At most so many backups are made. How long a moment is changes nothing of what is done.
        """
        began, before = self.watch.seconds, self.count(kernel.N_BACKUPS)
        status, at = trial.run(
            self.tables,
            self.search,
            nodes,
            at,
            self.path,
            trial.Aims(
                precision=self.precision,
                error=self.error,
                gain=self.gain,
                budget=min(most, budget(self.backups_per_call)),
                nodes=self.need.nodes,
                integers=self.need.integers,
                floats=self.need.floats,
                scratch=self.need.scratch,
            ),
        )
        made, took = self.count(kernel.N_BACKUPS) - before, max(self.watch.seconds - began, 1e-9)
        fitting = int(made * CHUNK_SECONDS / took)
        self.backups_per_call = min(max(1, fitting), 2 * self.backups_per_call)
        if status == trial.FULL:
            self.grow()
        self.report()
        self.watch.check(self.count(kernel.N_VECTORS))
        return int(at)

    def grow(self) -> None:
        """Make room; where there is none to be had the search ends as at a limit."""
        try:
            self.search = grown(self.blocks, self.tables, self.search)
        except MemoryError:
            raise Stopped("memory") from None

    def report(self) -> None:
        """Note how far the search is."""
        trials, vectors = self.count(kernel.N_TRIALS), self.count(kernel.N_VECTORS)
        self.watch.step(trials, vectors, self.bounds, beliefs=self.count(kernel.N_NODES))

    def evaluate(self) -> None:
        """Let every vector earn what those that it is linked to have come to earn."""
        self.gain = self.least_gain()
        evaluate_vectors(self.tables, self.search, EVALUATION_SWEEPS, 0.1 * self.gain)

    def least_gain(self) -> float:
        """Least by which a vector must raise its belief's bound."""
        wanted = self.precision * max(1.0, abs(self.bounds.lower))
        return GAIN * (1.0 - self.model.discount) * max(wanted, self.error)

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
        counts = self.search.i
        policy = SolvedPolicy(
            problem=problem_of(self.model),
            method="sarsop",
            values=values,
            bounds=self.bounds,
            converged=reason == "precision",
            stop_reason=reason,
            graph=values.graph(),
            stats={
                "seconds": self.watch.seconds,
                "iterations": int(counts[kernel.N_TRIALS]),
                "vectors": len(values.actions),
                "backups": int(counts[kernel.N_BACKUPS]),
                "beliefs": int(counts[kernel.N_NODES]),
            },
        )
        return Solution(policy, tuple(self.watch.trace))

    @property
    def floor(self) -> float:
        """What any policy earns from any state."""
        return float(self.model.expected_rewards.min()) / (1.0 - self.model.discount)

    def nothing(self, reason: str) -> Solution:
        """What is certain where there was no time for a first bound."""
        solution = solve_bound(self.model, "blind", precision=self.precision, watch=self.watch)
        policy = replace(solution.policy, method="sarsop", converged=False, stop_reason=reason)
        return replace(solution, policy=policy)


def _error(blocks: BlockModel, largest: float) -> float:
    """Bound what taking beliefs for equal, what is left out and rounding can add up to.

    Each step may replace a belief by one that differs by `nodes.SAME` in every entry, leave states
    less likely than `nodes.FAINT` out of it, whose probability others are given, and drop
    observations less likely than `nodes.IMPOSSIBLE`; and sums a block's values in floats.
    """
    g = blocks.model.discount
    states = int(np.diff(blocks.arrays.block_first).max())
    edges = int(np.diff(blocks.arrays.edge_first).max())
    merged = (nodes.SAME + 2.0 * nodes.FAINT) * states + nodes.IMPOSSIBLE * edges
    rounded = 4.0 * np.finfo(float).eps * (states + edges)
    return float((g * merged + rounded) * largest / (1.0 - g))
