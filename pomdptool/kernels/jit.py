"""Loops over arrays: the caller allocates, the kernel fills. No project types.

A kernel is plain Python that numba can compile. Importing numba and loading what it compiled takes
longer than small problems take altogether, so kernels run interpreted at first: until that has
taken `PATIENCE` seconds, or a solver says by `expect` that there is much to do. From then on all
kernels of the process run compiled; both ways give the same numbers.

What was compiled is kept in a folder named by the text of all kernels (for code of one file is
part of what is compiled from another): beside the source, else in the user's cache folder, else,
for this process only, in a temporary one; where nothing can be written it is not kept at all.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, cached_property, partial, update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

PATIENCE = 1.0
"""Seconds of interpreting after which kernels are compiled."""

LITTLE = 2_000
"""Most multiplications of one pass that are worth interpreting."""

SLOWER = 1_000
"""Budgets of work per call are divided by this while kernels are interpreted."""

F = TypeVar("F", bound=Callable[..., Any])


class _Way:
    """How kernels run in this process."""

    def __init__(self) -> None:
        self.compiled = False
        self.interpreted_seconds = 0.0
        self.compiling: Any = None
        self.on_compiling: Callable[[], None] | None = None


class _Thread(threading.local):
    """Whether this thread is inside an interpreted kernel."""

    inside = False


_way = _Way()
_thread = _Thread()


def expect(multiplications: int) -> None:
    """Say how much one pass over the problem has to do; where it is much, kernels are compiled."""
    if multiplications > LITTLE:
        _way.compiled = True


def budget(work: int) -> int:
    """Scale the most that one call may do, so that interpreted calls return in time as well."""
    return work if _way.compiled else max(1, work // SLOWER)


def compiling_seconds() -> float:
    """Seconds that this process has spent importing numba, compiling and loading kernels."""
    return 0.0 if _way.compiling is None else float(_way.compiling.seconds)


def cores() -> int:
    """Cores that this process may use: threads that kernels can run in side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def announce(say: Callable[[], None] | None) -> None:
    """Have a function called, once, when a kernel is about to be compiled for the first time."""
    _way.on_compiling = say


class Kernel:
    """A function that runs interpreted or compiled. numba sees its compiled form."""

    def __init__(self, function: Callable[..., Any], inner: bool, options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self.inner = inner
        self.py_func = function
        self.targetoptions = options

    def __call__(self, *args: Any) -> Any:
        """Run the function."""
        way = _way
        if way.compiled and not self.inner:
            return self.compiled(*args)
        if _thread.inside:
            return self.py_func(*args)
        _thread.inside = True
        began = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # as compiled code does; hashes wrap around
                return self.py_func(*map(_quick, args))
        finally:
            _thread.inside = False
            way.interpreted_seconds += time.perf_counter() - began
            way.compiled = way.compiled or way.interpreted_seconds > PATIENCE

    @cached_property
    def dispatcher(self) -> Any:
        """The function as numba holds it, not compiled yet."""
        numba = _numba()
        kept = bool(numba.config.CACHE_DIR)
        return numba.njit(cache=kept, **self.targetoptions)(self.py_func)

    @cached_property
    def compiled(self) -> Any:
        """The same, after saying that it is to be compiled where no earlier run has done that."""
        dispatcher = self.dispatcher
        if _numba().config.DISABLE_JIT:
            return dispatcher
        if _way.on_compiling is not None and not self._is_kept(dispatcher.stats.cache_path):
            _way.on_compiling()
            _way.on_compiling = None
        return dispatcher

    def _is_kept(self, folder: str | None) -> bool:
        stem = Path(self.py_func.__code__.co_filename).stem
        pattern = f"{stem}.{self.py_func.__name__}-*.nbi"
        return folder is not None and any(Path(folder).glob(pattern))

    @property
    def _numba_type_(self) -> Any:
        """Type of this object for numba, where compiled code calls it."""
        return _numba().types.Dispatcher(self.dispatcher)


def _quick(arg: Any) -> Any:
    """Flat arrays as what Python reads single numbers from faster, without a copy."""
    if getattr(arg, "read_by_number", False):
        return type(arg)(*[memoryview(array) for array in arg])
    return arg


def kernel(function: F | None = None, *, inner: bool = False, **options: Any) -> Any:
    """Make a kernel of a function; `options` are those of numba's `njit`.

    One that only other kernels call is `inner`: it compiles faster, without what Python would call
    it by. Where Python does all the same, it is interpreted. `inline="always"` is for long ones
    with one caller: what is called is otherwise optimised again with each of its callers.
    """
    if function is None:
        return partial(kernel, inner=inner, **options)
    if inner:
        options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    options.setdefault("error_model", "numpy")
    return Kernel(function, inner, options)


@cache
def _numba() -> Any:
    """Import numba, and see to a place for what it compiles.

    Raises
    ------
    ImportError
        Where an environment variable sets what numba cannot read; it says which.
    """
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Environment variable", RuntimeWarning)
        try:
            import numba
        except (RuntimeWarning, ValueError) as error:
            said = "".join(str(error).partition("parsed.")[:2])
            raise ImportError(f"numba: {said}") from None
    from numba.core import event

    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(_folder() or "")
    _way.compiling = _compile_clock(event)
    _way.compiling.total = time.perf_counter() - began
    event.register("numba:compiler_lock", _way.compiling)
    return numba


def _compile_clock(event: Any) -> Any:
    """Make a listener of numba that sums the seconds in which threads compile, or wait for that.

    They include loading and keeping what was compiled, and what is under way.
    """

    class CompileClock(event.Listener):  # type: ignore[misc]
        def __init__(self) -> None:
            self.depth, self.began, self.total = 0, 0.0, 0.0
            self.lock = threading.Lock()

        @property
        def seconds(self) -> float:
            with self.lock:
                return self.total + (time.perf_counter() - self.began if self.depth else 0.0)

        def on_start(self, _event: Any) -> None:
            with self.lock:
                if self.depth == 0:
                    self.began = time.perf_counter()
                self.depth += 1

        def on_end(self, _event: Any) -> None:
            with self.lock:
                self.depth -= 1
                if self.depth == 0:
                    self.total += time.perf_counter() - self.began

    return CompileClock()


def _folder() -> Path | None:
    """Make the folder for compiled kernels; those of other texts beside the source are removed."""
    import atexit
    import hashlib
    import os
    import shutil
    import tempfile

    here = Path(__file__).parent
    text = hashlib.sha256()
    for file in sorted(here.rglob("*.py")):
        text.update(file.read_bytes())
    name = f"compiled-{text.hexdigest()[:16]}"
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    for parent in (here / "__pycache__", Path(home) / "pomdptool"):
        with contextlib.suppress(OSError, RuntimeError):
            (parent / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=parent / name):
                pass
            for other in (here / "__pycache__").glob("compiled-*"):
                if other.name != name:
                    shutil.rmtree(other, ignore_errors=True)
            return parent / name
    try:
        private = tempfile.mkdtemp(prefix="pomdptool-")
    except OSError:
        return None
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return Path(private)
