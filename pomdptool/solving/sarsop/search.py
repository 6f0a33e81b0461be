"""State of a SARSOP search: its arrays, its bounds, and chunked kernel calls.

Each kernel call is sized to take about `CHUNK_SECONDS`, so that limits are checked often. The chunk
size does not affect results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.kernels.sarsop import layout, trial
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.kernels.sarsop.lower_bound import update_lower
from pomdptool.kernels.sarsop.policy_evaluation import raise_lower
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy
from pomdptool.solving.sarsop import rounding, storage
from pomdptool.solving.sarsop.block_model import BlockModel, block_model
from pomdptool.solving.sarsop.informed_bound import compute_informed_bound
from pomdptool.solving.sarsop.initial_bounds import InitialBounds, compute_initial_bounds
from pomdptool.solving.sarsop.rounding import BoundErrors
from pomdptool.solving.sarsop.storage import Capacity
from pomdptool.solving.sarsop.warm_start import add_vectors
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.sparse import IntArray

ROOT = 0
"""Node of the initial belief."""

UNLIMITED = np.iinfo(np.int64).max

MAX_DEPTH = 1000
"""Maximum depth of a trial."""

CHUNK_SECONDS = 0.05
"""Target duration of one kernel call; limits are checked between calls."""

INFORMED_SHARE = 0.1
"""Share of the time limit for the informed bound."""

FIRST_INTERVAL = 64
"""Number of backups before the first sweep, evaluation and linear system."""

MIN_GAIN = 0.01
"""Smallest gain of a new vector at its belief, relative to (1 - discount) times the target gap."""

ROUNDING_SHARE = 0.01
"""The error is re-estimated when it exceeds this share of the target gap."""


@dataclass(slots=True)
class SearchState:
    """Arrays and limits of one search."""

    model: Model
    precision: float
    monitor: Monitor
    initial: InitialBounds = field(init=False)
    blocks: BlockModel = field(init=False)
    tables: Tables = field(init=False)
    search: Search = field(init=False)
    reserve: Capacity = field(init=False)
    error: BoundErrors = field(init=False)
    path: IntArray = field(default_factory=lambda: np.zeros(MAX_DEPTH, np.int64))
    gain: float = 0.0
    backups_per_call: int = FIRST_INTERVAL
    rows_per_call: int = FIRST_INTERVAL

    def initialise(self, resume: SolvedPolicy | None = None) -> None:
        """Compute the initial bounds, allocate the search and apply a warm start.

        Raises LimitReached; then only `initial` holds bounds.
        """
        self.initial = compute_initial_bounds(self.model, self.monitor)
        try:
            self.allocate()
        except MemoryError:
            raise LimitReached("memory") from None
        if resume is not None:
            self.search = add_vectors(self.blocks, self.tables, self.search, resume)
            upper = self.search.bounds[ROOT, layout.UPPER]
            self.search.bounds[ROOT, layout.UPPER] = min(upper, resume.bounds.upper)
        update_lower(self.tables, self.search, ROOT)
        self.gain = self.min_gain()

    def allocate(self) -> None:
        """Compute the informed bound and create the arrays of the model and the search."""
        monitor = self.monitor
        monitor.check()
        self.blocks = block_model(self.model, monitor.check)
        request_compilation(len(self.blocks.arrays.weights))
        monitor.check()
        limit = np.inf if monitor.time_limit is None else monitor.time_limit
        deadline = monitor.seconds + INFORMED_SHARE * limit
        first = self.initial
        informed = compute_informed_bound(self.blocks, first.mdp, first.blind, monitor, deadline)
        monitor.check()
        gap = self.precision * max(1.0, abs(first.bounds.lower))
        negligible = rounding.negligible_probability(self.blocks, informed.value_bound, gap)
        self.tables = storage.pack_model(self.blocks, informed, negligible)
        self.search = storage.initial_search(self.blocks, self.tables, first.blind, informed.drift)
        self.reserve = storage.backup_reserve(self.blocks)
        self.error = rounding.bound_errors(self.blocks, informed.value_bound)

    def count(self, counter: int) -> int:
        """Value of a counter of the search."""
        return int(self.search.i[counter])

    @property
    def bounds(self) -> Bounds:
        """Certified bounds at the initial belief."""
        lower, upper = self.search.bounds[ROOT, [layout.LOWER, layout.UPPER]].tolist()
        error = self.error.upper_with(float(self.search.f[layout.DRIFT]))
        return Bounds(lower - self.error.lower, max(lower, upper) + error)

    @property
    def finished(self) -> bool:
        """Whether the gap is within the precision, or below the error of the bounds."""
        return bool(trial.is_closed(self.search, ROOT, self.aims(1)))

    @property
    def least_error(self) -> float:
        """Smallest certifiable gap, because of rounding and merged beliefs."""
        return self.error.lower + self.error.upper_with(float(self.search.f[layout.DRIFT]))

    def min_gain(self) -> float:
        """Smallest gain of a new vector at its belief.

        Once the error matters, |V*| is bounded again, by the current vectors, to estimate it.
        """
        gap = self.precision * max(1.0, abs(self.bounds.lower))
        if self.least_error > ROUNDING_SHARE * gap:
            magnitude = rounding.value_bound(self.blocks, self.tables, self.search)
            self.tables.f[layout.VALUE_BOUND] = magnitude
            self.error = rounding.bound_errors(self.blocks, magnitude)
        return MIN_GAIN * (1.0 - self.model.discount) * max(gap, self.least_error)

    def aims(self, backups: int) -> trial.Aims:
        """Goals and limits of a kernel call with a budget of backups."""
        return trial.Aims(
            precision=self.precision,
            error=self.error.lower + self.error.upper,
            per_drift=self.error.per_drift,
            gain=self.gain,
            vectors=UNLIMITED if self.monitor.max_vectors is None else self.monitor.max_vectors,
            budget=backups,
            nodes=self.reserve.nodes,
            integers=self.reserve.integers,
            floats=self.reserve.floats,
            scratch=self.reserve.scratch,
        )

    def run_kernel(self, nodes: IntArray, at: int, most: int) -> int:
        """Back up `nodes` from index `at`, or run trials if there are none, for one chunk.

        Makes at most `most` backups. Returns the index of the next node.
        """
        began, before = self.monitor.seconds, self.count(layout.N_BACKUPS)
        aims = self.aims(min(most, scaled_budget(self.backups_per_call)))
        status, at = trial.run(self.tables, self.search, nodes, at, self.path, aims)
        made, took = self.count(layout.N_BACKUPS) - before, max(self.monitor.seconds - began, 1e-9)
        fitting = int(made * CHUNK_SECONDS / took)
        self.backups_per_call = min(max(1, fitting), 2 * self.backups_per_call)
        if status == trial.FULL:
            self.enlarge()
        self.report()
        self.monitor.check(self.count(layout.N_VECTORS))
        return int(at)

    def enlarge(self) -> None:
        """Enlarge the arrays; running out of memory counts as a limit."""
        try:
            self.search = storage.enlarge(self.blocks, self.tables, self.search)
        except MemoryError:
            raise LimitReached("memory") from None

    def report(self) -> None:
        """Report progress."""
        trials, vectors = self.count(layout.N_TRIALS), self.count(layout.N_VECTORS)
        self.monitor.step(trials, vectors, self.bounds, beliefs=self.count(layout.N_NODES))

    def propagate(self, since: int) -> None:
        """Raise the lower bounds of nodes whose vectors have risen since an increase."""

        def raise_nodes(begin: int, end: int) -> None:
            raise_lower(self.tables, self.search, begin, end, since)

        self.in_chunks(raise_nodes, self.count(layout.N_NODES))

    def in_chunks(self, call: Callable[[int, int], None], n: int) -> None:
        """Call a kernel on the rows below n, in chunks."""
        at = 0
        while at < n:
            began, end = self.monitor.seconds, min(at + self.rows_per_call, n)
            call(at, end)
            took = max(self.monitor.seconds - began, 1e-9)
            fitting = int((end - at) * CHUNK_SECONDS / took)
            self.rows_per_call = min(max(1, fitting), 2 * self.rows_per_call)
            at = end
            self.monitor.check(self.count(layout.N_VECTORS))
