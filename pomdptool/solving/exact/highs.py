"""HiGHS behind one door: nothing is printed, and every status is looked at.

From version 1.16 on the constructor prints a banner to standard output before any option can be
set, and C buffers what it prints until the process ends. So the file descriptor is pointed
elsewhere while a solver is constructed. The number of threads is left alone: HiGHS has one
scheduler per process, and refuses to run with another number than the one it was started with.
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
        succeed(highs.setOptionValue(option, value), f"option {option}")
    succeed(highs.changeObjectiveSense(highspy.ObjSense.kMaximize), "maximise")
    return highs


def succeed(status: Any, what: str) -> None:
    """Raise a PomdpError where a call failed.

    A warning (coefficients below 1e-9 become 0) is no failure: our results are computed from the
    vectors, not from what the solver states.
    """
    if status.name == "kError":
        raise PomdpError(f"the linear programming solver HiGHS failed: {what}")


def is_solved(highs: Any) -> bool:
    """Run the solver, again from scratch where a basis leads nowhere; return whether optimal."""
    for restart in (False, True):
        if restart:
            succeed(highs.clearSolver(), "restart")
        status, found = highs.run(), highs.getModelStatus()
        succeed(status, f"run: {highs.modelStatusToString(found)}")
        if found.name == "kOptimal":
            return True
    return False


@contextlib.contextmanager
def _silent_standard_output() -> Iterator[None]:
    """Discard what C code prints to standard output meanwhile; what it printed before is kept."""
    with _redirecting, contextlib.ExitStack() as undo:
        _flush_c_streams()
        with contextlib.suppress(OSError):  # closed: there is nothing to protect
            kept = os.dup(STANDARD_OUTPUT)
            undo.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            undo.callback(os.close, nowhere)
            undo.callback(os.dup2, kept, STANDARD_OUTPUT)
            os.dup2(nowhere, STANDARD_OUTPUT)
        undo.callback(_flush_c_streams)  # the first to be undone
        yield


def _flush_c_streams() -> None:
    ctypes.CDLL(None if os.name == "posix" else "ucrtbase").fflush(None)
