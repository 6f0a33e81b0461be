"""The linear programming solver HiGHS, silent, with every status checked.

Since version 1.16 the constructor prints a banner to standard output before any option can be set,
and C buffers its output until the process ends. So standard output is redirected while a solver is
constructed. The number of threads is left alone: HiGHS has one scheduler per process and refuses
to run with a number other than the one it was started with.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from typing import Any

from pomdptool.errors import PomdpError

STANDARD_OUTPUT = 1

OPTIONS: dict[str, bool | str | float] = {
    "output_flag": False,
    "parallel": "off",
    "presolve": "off",
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}

_redirecting = threading.Lock()


def new_solver() -> Any:
    """Return an empty `highspy.Highs` that maximises, is silent and runs in one thread."""
    import highspy

    with _silent_standard_output():
        highs = highspy.Highs()
    for option, value in OPTIONS.items():
        check_status(highs.setOptionValue(option, value), f"option {option}")
    check_status(highs.changeObjectiveSense(highspy.ObjSense.kMaximize), "maximise")
    return highs


def check_status(status: Any, call: str) -> None:
    """Raise a PomdpError if a call failed.

    A warning (coefficients below 1e-9 become 0) is no failure, for results are computed from the
    vectors and not taken from the solver.
    """
    if status.name == "kError":
        raise PomdpError(f"the linear programming solver HiGHS failed: {call}")


def solve_to_optimality(highs: Any) -> bool:
    """Solve, from scratch if the last basis fails; return whether the solution is optimal."""
    for restart in (False, True):
        if restart:
            check_status(highs.clearSolver(), "restart")
        status, outcome = highs.run(), highs.getModelStatus()
        check_status(status, f"run: {highs.modelStatusToString(outcome)}")
        if outcome.name == "kOptimal":
            return True
    return False


@contextlib.contextmanager
def _silent_standard_output() -> Iterator[None]:
    """Discard output of C code to standard output; earlier buffered output is kept."""
    with _redirecting, contextlib.ExitStack() as undo:
        _flush_c_streams()
        with contextlib.suppress(OSError):  # standard output is closed
            kept = os.dup(STANDARD_OUTPUT)
            undo.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, nowhere)
            undo.callback(os.dup2, kept, STANDARD_OUTPUT)
            os.dup2(nowhere, STANDARD_OUTPUT)
        undo.callback(_flush_c_streams)  # undone first
        yield


def _flush_c_streams() -> None:
    ctypes.CDLL(None if os.name == "posix" else "ucrtbase").fflush(None)
