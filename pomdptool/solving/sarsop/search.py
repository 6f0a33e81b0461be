"""The state of a SARSOP search: its arrays, its bounds, and kernels called on them.

A kernel is given as much work as it does in a moment, so that limits act in time. How much that is
changes nothing of what is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop import trial
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.kernels.sarsop.lower_bound import update_lower
from pomdptool.kernels.sarsop.policy_evaluation import raise_lower
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy
from pomdptool.solving.sarsop.block_model import BlockModel, block_model
from pomdptool.solving.sarsop.informed_bound import informed_bounds
from pomdptool.solving.sarsop.initial_bounds import FirstBounds, first_bounds
from pomdptool.solving.sarsop.rounding import Error, error_of, faint_probability, largest_value
from pomdptool.solving.sarsop.storage import Capacity, begin, grown, needed, tables
from pomdptool.solving.sarsop.warm_start import insert
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.sparse import IntArray

ROOT = 0
"""The start belief's node."""

ANY = np.iinfo(np.int64).max

MAX_DEPTH = 1000
"""Steps of the longest trial."""

CHUNK_SECONDS = 0.05
"""How long a kernel is to run before limits are looked at."""

INFORMED_SHARE = 0.1
"""Share of the time limit that sweeps of the informed bounds may take."""

FIRST_ROUND = 64
"""Backups after which expanded beliefs are swept and controllers evaluated for the first time."""

GAIN = 0.01
"""A vector must raise its belief's bound by this share of (1 - discount) times the gap wanted."""

ROUNDING_COUNTS = 0.01
"""Share of the gap wanted from which on the error of the bounds is found out anew."""


@dataclass(slots=True)
class SearchState:
    """The arrays of one search, and how it is limited."""

    model: Model
    precision: float
    monitor: Monitor
    first: FirstBounds = field(init=False)
    blocks: BlockModel = field(init=False)
    tables: Tables = field(init=False)
    search: Search = field(init=False)
    need: Capacity = field(init=False)
    error: Error = field(init=False)
    path: IntArray = field(default_factory=lambda: np.zeros(MAX_DEPTH, np.int64))
    gain: float = 0.0
    backups_per_call: int = FIRST_ROUND
    rows_per_call: int = FIRST_ROUND

    def start(self, resume: SolvedPolicy | None = None) -> None:
        """Compute the first bounds, and better ones from one-step beliefs; begin the search.

        Raises
        ------
        LimitReached
            Where the monitor says so: then `first` is all that is known.
        """
        self.first = first_bounds(self.model, self.monitor)
        try:
            self.begin()
        except MemoryError:
            raise LimitReached("memory") from None
        if resume is not None:
            self.search = insert(self.blocks, self.tables, self.search, resume)
            upper = self.search.bounds[ROOT, kernel.UPPER]
            self.search.bounds[ROOT, kernel.UPPER] = min(upper, resume.bounds.upper)
        update_lower(self.tables, self.search, ROOT)
        self.gain = self.least_gain()

    def begin(self) -> None:
        """Lay the model out in blocks, and the search, with the informed bounds."""
        monitor = self.monitor
        monitor.check()
        self.blocks = block_model(self.model, monitor.check)
        request_compilation(len(self.blocks.arrays.weights))
        monitor.check()
        limit = np.inf if monitor.time_limit is None else monitor.time_limit
        end = monitor.seconds + INFORMED_SHARE * limit
        above = informed_bounds(self.blocks, self.first.mdp, self.first.blind, monitor, end)
        monitor.check()
        wanted = self.precision * max(1.0, abs(self.first.bounds.lower))
        faint = faint_probability(self.blocks, above.largest, wanted)
        self.tables = tables(self.blocks, above, faint)
        self.search = begin(self.blocks, self.tables, self.first.blind, above.drift)
        self.need = needed(self.blocks)
        self.error = error_of(self.blocks, above.largest)

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

    @property
    def least_error(self) -> float:
        """What the bounds are apart at least, for rounding alone."""
        return self.error.lower + self.error.above(float(self.search.f[kernel.DRIFT]))

    def least_gain(self) -> float:
        """Least by which a vector must raise its belief's bound.

        Where rounding counts, how much it does is found out anew: vectors bound values by now.
        """
        wanted = self.precision * max(1.0, abs(self.bounds.lower))
        if self.least_error > ROUNDING_COUNTS * wanted:
            largest = largest_value(self.blocks, self.tables, self.search)
            self.tables.f[kernel.VALUE_BOUND] = largest
            self.error = error_of(self.blocks, largest)
        return GAIN * (1.0 - self.model.discount) * max(wanted, self.least_error)

    def aims(self, backups: int) -> trial.Aims:
        """What kernels are told to work for, with so many backups."""
        return trial.Aims(
            precision=self.precision,
            error=self.error.lower + self.error.upper,
            per_drift=self.error.per_drift,
            gain=self.gain,
            vectors=ANY if self.monitor.max_vectors is None else self.monitor.max_vectors,
            budget=backups,
            nodes=self.need.nodes,
            integers=self.need.integers,
            floats=self.need.floats,
            scratch=self.need.scratch,
        )

    def run(self, nodes: IntArray, at: int, most: int) -> int:
        """Back up the nodes from number `at`, or where there are none run trials, for a moment.

        At most so many backups are made. How long a moment is changes nothing of what is done.
        """
        began, before = self.monitor.seconds, self.count(kernel.N_BACKUPS)
        aims = self.aims(min(most, scaled_budget(self.backups_per_call)))
        status, at = trial.run(self.tables, self.search, nodes, at, self.path, aims)
        made, took = self.count(kernel.N_BACKUPS) - before, max(self.monitor.seconds - began, 1e-9)
        fitting = int(made * CHUNK_SECONDS / took)
        self.backups_per_call = min(max(1, fitting), 2 * self.backups_per_call)
        if status == trial.FULL:
            self.grow()
        self.report()
        self.monitor.check(self.count(kernel.N_VECTORS))
        return int(at)

    def grow(self) -> None:
        """Make room; where there is none to be had the search ends as at a limit."""
        try:
            self.search = grown(self.blocks, self.tables, self.search)
        except MemoryError:
            raise LimitReached("memory") from None

    def report(self) -> None:
        """Note how far the search is."""
        trials, vectors = self.count(kernel.N_TRIALS), self.count(kernel.N_VECTORS)
        self.monitor.step(trials, vectors, self.bounds, beliefs=self.count(kernel.N_NODES))

    def follow(self, since: int) -> None:
        """Raise the lower bounds of nodes whose vectors rose."""

        def follow(begin: int, end: int) -> None:
            raise_lower(self.tables, self.search, begin, end, since)

        self.in_parts(follow, self.count(kernel.N_NODES))

    def in_parts(self, call: Callable[[int, int], None], n: int) -> None:
        """Call a kernel for all rows below n, in parts that take a moment each."""
        at = 0
        while at < n:
            began, end = self.monitor.seconds, min(at + self.rows_per_call, n)
            call(at, end)
            took = max(self.monitor.seconds - began, 1e-9)
            fitting = int((end - at) * CHUNK_SECONDS / took)
            self.rows_per_call = min(max(1, fitting), 2 * self.rows_per_call)
            at = end
            self.monitor.check(self.count(kernel.N_VECTORS))
