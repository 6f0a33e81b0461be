"""Kernel calls in chunks, their limits, and reproducible results."""

from __future__ import annotations

import contextlib
import time
from typing import Any
from unittest import mock

import numpy as np

import pomdptool
from models import ROOT, random_model
from pomdptool.kernels import jit
from pomdptool.kernels.sarsop import layout
from pomdptool.solving.sarsop import search, solver
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import LimitReached, Monitor
from sarsop_searches import written

CASES = ROOT / "tests" / "cases"


def test_kernel_calls_stay_short() -> None:
    """A call that used up its budget early must not lead to long calls."""
    run = solver.SarsopSearch(
        pomdptool.load(ROOT / "problems" / "tag.pomdp"), 1e-3, Monitor(time_limit=2.0)
    )
    run.initialise()
    with contextlib.suppress(LimitReached):
        run.run_to_convergence()
    per_second = run.count(layout.N_BACKUPS) / run.monitor.seconds
    assert run.backups_per_call < 20 * search.CHUNK_SECONDS * per_second


def test_chunk_size_does_not_change_results() -> None:
    """An interrupted trial resumes where it stopped."""
    model = random_model(11, n_states=4, n_actions=3, n_observations=3, discount=0.97)
    one_by_one, at_once = (
        solver.SarsopSearch(model, 1e-9, Monitor(), backups_per_call=n) for n in (1, 999)
    )
    one_by_one.initialise()
    at_once.initialise()
    with mock.patch.object(search, "CHUNK_SECONDS", 0.0):
        one_by_one.run_trials(200)
    with mock.patch.object(search, "scaled_budget", lambda work: work):
        at_once.run_trials(200)
    assert at_once.count(layout.N_BACKUPS) == one_by_one.count(layout.N_BACKUPS) == 200
    assert at_once.bounds == one_by_one.bounds
    assert (at_once.search.vectors == one_by_one.search.vectors).all()


def test_calls_of_interpreted_kernels_end_within_a_limit() -> None:
    """With more than a hundred states and interpreted kernels."""
    model = pomdptool.load(CASES / "dialog-5.pomdp")
    with (
        mock.patch.object(jit, "PATIENCE", np.inf),
        mock.patch.object(search, "request_compilation", return_value=None),
        mock.patch.object(jit.runtime, "compiled", new=False),
    ):
        began = time.process_time()
        solution = solve_sarsop(model, monitor=Monitor(time_limit=1.0))
    assert solution.stop_reason == "time-limit"
    assert time.process_time() - began < 2.5


def test_results_do_not_depend_on_the_clock() -> None:
    """Nor on whether kernels are compiled, nor on the chunk size."""
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")

    def solved(compiled: bool, seconds: float, precision: float = 0.02) -> dict[str, Any]:
        with (
            mock.patch.object(jit, "PATIENCE", np.inf),
            mock.patch.object(jit.runtime, "compiled", new=compiled),
            mock.patch.object(search, "CHUNK_SECONDS", seconds),
        ):
            return written(solve_sarsop(model, precision=precision).policy)

    first = solved(True, 0.05)
    assert first["stats"]["backups"] > 200
    assert solved(False, 0.05) == first
    for precision in (0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001):
        assert solved(True, 0.0, precision) == solved(True, 100.0, precision)


def test_trials_stop_at_the_same_backup_for_any_chunk_size() -> None:
    model = random_model(11, n_states=4, n_actions=3, n_observations=3, discount=0.97)
    made = set()
    for precision in np.geomspace(0.5, 0.02, 20):
        runs = [solver.SarsopSearch(model, float(precision), Monitor()) for _ in range(2)]
        for run, seconds in zip(runs, (0.0, 100.0), strict=True):
            with mock.patch.object(search, "CHUNK_SECONDS", seconds):
                run.backups_per_call = 1 if seconds == 0.0 else 10_000
                run.initialise()
                run.run_trials(5000)
        backups = [run.count(layout.N_BACKUPS) for run in runs]
        assert backups[0] == backups[1]
        assert runs[0].bounds == runs[1].bounds
        made.add(backups[0])
    assert len(made) > 5


def test_a_limit_on_vectors_is_met_at_the_same_backup() -> None:
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")
    made = []
    for seconds in (0.0, 100.0):
        with mock.patch.object(search, "CHUNK_SECONDS", seconds):
            solution = solve_sarsop(model, precision=1e-9, monitor=Monitor(max_vectors=200))
        assert solution.stop_reason == "max-vectors"
        made.append(written(solution.policy))
    assert made[0] == made[1]
