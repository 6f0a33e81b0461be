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

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pomdptool.kernels.jit import budget, expect
from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop import trial
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.kernels.sarsop.lower_bound import evaluate_vectors, raise_lower, update_lower
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy
from pomdptool.solving.blocks import BlockModel, block_model
from pomdptool.solving.closure import linked_vectors
from pomdptool.solving.first_bounds import FirstBounds, first_bounds
from pomdptool.solving.informed import informed_bounds
from pomdptool.solving.lower_evaluation import solve_lower
from pomdptool.solving.pools import Room, begin, grown, needed, tables
from pomdptool.solving.resume import insert
from pomdptool.solving.rounding import Error, error_of, faint_probability, largest_value
from pomdptool.solving.solution import Solution, Stopped, Watch, require_end
from pomdptool.solving.upkeep import prune_points, prune_vectors
from pomdptool.solving.upper_iteration import solve_upper
from pomdptool.sparse import IntArray

ROOT = 0
"""The start belief's node."""

NO_NODES = np.zeros(0, dtype=np.int64)

ANY = np.iinfo(np.int64).max

MAX_DEPTH = 1000
"""Steps of the longest trial."""

CHUNK_SECONDS = 0.05
"""How long a kernel is to run before limits are looked at."""

INFORMED_SHARE = 0.1
"""Share of the time limit that sweeps of the informed bounds may take."""

FIRST_ROUND = 64
"""Backups after which expanded beliefs are swept and controllers evaluated for the first time."""

SWEEP_AFTER = 8
"""Backups for each expanded belief until all of them are swept again."""

SOLVE_AFTER = 256
"""Backups, at least, until the graph, and the controller, are solved for again."""

SOLVED = 1e-3
"""Where that has not closed this share of the gap, the next time is after twice as many."""

EVALUATE_AFTER = 0.25
"""Backups for each vector until the controllers are evaluated again."""

EVALUATION_SWEEPS = 5

GAIN = 0.01
"""A vector must raise its belief's bound by this share of (1 - discount) times the gap wanted."""

FEW_VECTORS, MANY_POINTS = 2000, 20_000
"""Lists are shortened from these lengths on, whenever they have grown by half, or to fourfold."""

ROUNDING_COUNTS = 0.01
"""Share of the gap wanted from which on the error of the bounds is found out anew."""

IDLE_SWEEPS, IDLE_GAIN = 30, 1e-3
"""A search ends that for so many sweeps has expanded no belief and closed no more than this share
of its gap: there is nothing left that floats can improve."""


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
        return run.first.solution(stopped.reason, run.watch)
    try:
        run.until_closed()
    except Stopped as stopped:
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
class _Run:
    """One search, its arrays and its clocks."""

    model: Model
    precision: float
    watch: Watch
    first: FirstBounds = field(init=False)
    blocks: BlockModel = field(init=False)
    tables: Tables = field(init=False)
    search: Search = field(init=False)
    need: Room = field(init=False)
    error: Error = field(init=False)
    path: IntArray = field(default_factory=lambda: np.zeros(MAX_DEPTH, np.int64))
    gain: float = 0.0
    backups_per_call: int = FIRST_ROUND
    rows_per_call: int = FIRST_ROUND
    listed: int = 0
    idle: Idle = field(default_factory=Idle)
    upper_pace: Pace = field(default_factory=Pace)
    lower_pace: Pace = field(default_factory=Pace)

    def start(self, resume: SolvedPolicy | None = None) -> None:
        """Compute the first bounds, and better ones from one-step beliefs; begin the search.

        Raises
        ------
        Stopped
            Where the watch says so: then `first` is all that is known.
        """
        self.first = first_bounds(self.model, self.watch)
        try:
            self.begin()
        except MemoryError:
            raise Stopped("memory") from None
        if resume is not None:
            self.search = insert(self.blocks, self.tables, self.search, resume)
            upper = self.search.bounds[ROOT, kernel.UPPER]
            self.search.bounds[ROOT, kernel.UPPER] = min(upper, resume.bounds.upper)
        update_lower(self.tables, self.search, ROOT)
        self.gain = self.least_gain()

    def begin(self) -> None:
        """Lay the model out in blocks, and the search, with the informed bounds."""
        watch = self.watch
        watch.check()
        self.blocks = block_model(self.model, watch.check)
        expect(len(self.blocks.arrays.weights))
        watch.check()
        limit = np.inf if watch.time_limit is None else watch.time_limit
        end = watch.seconds + INFORMED_SHARE * limit
        above = informed_bounds(self.blocks, self.first.mdp, self.first.blind, watch, end)
        watch.check()
        wanted = self.precision * max(1.0, abs(self.first.bounds.lower))
        faint = faint_probability(self.blocks, above.largest, wanted)
        self.tables = tables(self.blocks, above, faint)
        self.search = begin(self.blocks, self.tables, self.first.blind, above.drift)
        self.need = needed(self.blocks)
        self.error = error_of(self.blocks, above.largest)

    def until_closed(self) -> None:
        """Improve the bounds at the start belief until they are close.

        Raises
        ------
        Stopped
            Where the watch says so.
        """
        sweep_at = evaluate_at = FIRST_ROUND
        while not self.finished:
            self.trials(min(sweep_at, evaluate_at, self.upper_pace.at, self.lower_pace.at))
            self.solve()
            if self.count(kernel.N_BACKUPS) >= sweep_at:
                self.sweep()
                expanded = self.count(kernel.N_EXPANDED)
                if self.idle.too_long(expanded, self.bounds.gap):
                    raise Stopped("rounding")
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
        above = self.error.above(float(self.search.f[kernel.DRIFT]))
        return Bounds(lower - self.error.lower, max(lower, upper) + above)

    @property
    def finished(self) -> bool:
        """Whether the gap is closed, or smaller than the error of the bounds."""
        return bool(trial.is_closed(self.search, ROOT, self.aims(1)))

    def aims(self, backups: int) -> trial.Aims:
        """What kernels are told to work for, with so many backups."""
        return trial.Aims(
            precision=self.precision,
            error=self.error.lower + self.error.upper,
            per_drift=self.error.per_drift,
            gain=self.gain,
            vectors=ANY if self.watch.max_vectors is None else self.watch.max_vectors,
            budget=backups,
            nodes=self.need.nodes,
            integers=self.need.integers,
            floats=self.need.floats,
            scratch=self.need.scratch,
        )

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

    def run(self, nodes: IntArray, at: int, most: int) -> int:
        """Back up the nodes from number `at`, or where there are none run trials, for a moment.

        At most so many backups are made. How long a moment is changes nothing of what is done.
        """
        began, before = self.watch.seconds, self.count(kernel.N_BACKUPS)
        aims = self.aims(min(most, budget(self.backups_per_call)))
        status, at = trial.run(self.tables, self.search, nodes, at, self.path, aims)
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
            n = solve_upper(self.blocks, self.search, ROOT, self.watch.check)
            closed = before.upper - self.bounds.upper
            self.upper_pace.go_on(backups, n, closed > SOLVED * before.gap)
        if backups >= self.lower_pace.at:
            since = self.count(kernel.N_RISES)
            n = solve_lower(self.blocks, self.search, ROOT)
            self.follow(since)
            closed = self.bounds.lower - before.lower
            self.lower_pace.go_on(backups, n, closed > SOLVED * before.gap)

    def follow(self, since: int) -> None:
        """Raise the lower bounds of nodes whose vectors rose."""

        def follow(begin: int, end: int) -> None:
            raise_lower(self.tables, self.search, begin, end, since)

        self.in_parts(follow, self.count(kernel.N_NODES))

    def in_parts(self, call: Callable[[int, int], None], n: int) -> None:
        """Call a kernel for all rows below n, in parts that take a moment each."""
        at = 0
        while at < n:
            began, end = self.watch.seconds, min(at + self.rows_per_call, n)
            call(at, end)
            took = max(self.watch.seconds - began, 1e-9)
            fitting = int((end - at) * CHUNK_SECONDS / took)
            self.rows_per_call = min(max(1, fitting), 2 * self.rows_per_call)
            at = end
            self.watch.check(self.count(kernel.N_VECTORS))

    def least_gain(self) -> float:
        """Least by which a vector must raise its belief's bound.

        Where rounding counts, how much it does is found out anew: vectors bound values by now.
        """
        wanted = self.precision * max(1.0, abs(self.bounds.lower))
        if self.least_error > ROUNDING_COUNTS * wanted:
            largest = largest_value(self.blocks, self.tables, self.search)
            self.tables.f[kernel.LARGEST] = largest
            self.error = error_of(self.blocks, largest)
        return GAIN * (1.0 - self.model.discount) * max(wanted, self.least_error)

    @property
    def least_error(self) -> float:
        """What the bounds are apart at least, for rounding alone."""
        return self.error.lower + self.error.above(float(self.search.f[kernel.DRIFT]))

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
            self.watch,
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
