"""Just-in-time compilation of kernels: interpreted at first, compiled once it pays, cached on disk.

A kernel is plain Python that numba can compile. Importing numba and loading compiled code takes
longer than small problems take altogether, so kernels run interpreted at first: until that has
taken `PATIENCE` seconds, or until a solver with more to do calls `request_compilation`. From then
on all kernels of the process run compiled. Both modes give the same numbers.

Compiled code is cached in a folder named by a hash of the text of all kernels, because kernels are
inlined across files: beside the source, else in the user's cache folder, else, for this process
only, in a temporary folder. If none of these is writable, nothing is cached.
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
"""Seconds of interpreted running after which kernels are compiled."""

SMALL_PASS = 2_000
"""Multiplications of one pass up to which kernels stay interpreted."""

SLOWDOWN = 1_000
"""Interpreted kernels are about this many times slower; `scaled_budget` divides by it."""

F = TypeVar("F", bound=Callable[..., Any])


class Runtime:
    """Whether kernels run compiled in this process, and the time spent so far."""

    def __init__(self) -> None:
        self.compiled = False
        self.interpreted_seconds = 0.0
        self.compiling: Any = None
        self.on_compiling: Callable[[], None] | None = None


class _Thread(threading.local):
    """Whether this thread is executing an interpreted kernel."""

    inside = False


runtime = Runtime()
_thread = _Thread()


def request_compilation(multiplications: int) -> None:
    """Compile kernels from now on if one pass over the problem takes many multiplications."""
    if multiplications > SMALL_PASS:
        runtime.compiled = True


def scaled_budget(work: int) -> int:
    """Scale the work limit of a call, so that interpreted calls return as soon as compiled ones."""
    return work if runtime.compiled else max(1, work // SLOWDOWN)


def compiling_seconds() -> float:
    """Seconds that this process has spent importing numba, compiling kernels and loading them."""
    return 0.0 if runtime.compiling is None else float(runtime.compiling.seconds)


def cores() -> int:
    """Cores available to this process: the number of threads that kernels can use in parallel."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_first_compile(callback: Callable[[], None] | None) -> None:
    """Call a function, once, before the first kernel that is not in the cache is compiled."""
    runtime.on_compiling = callback


class Kernel:
    """A function that runs interpreted or compiled. To numba it is the compiled function."""

    def __init__(self, function: Callable[..., Any], inner: bool, options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self.inner = inner
        self.py_func = function
        self.targetoptions = options

    def __call__(self, *args: Any) -> Any:
        """Run the function, interpreted or compiled."""
        if runtime.compiled and not self.inner:
            return self.compiled(*args)
        if _thread.inside:
            return self.py_func(*args)
        _thread.inside = True
        began = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # as in compiled code; hashes overflow on purpose
                return self.py_func(*map(_with_memoryviews, args))
        finally:
            _thread.inside = False
            runtime.interpreted_seconds += time.perf_counter() - began
            runtime.compiled = runtime.compiled or runtime.interpreted_seconds > PATIENCE

    @cached_property
    def dispatcher(self) -> Any:
        """The numba dispatcher, which compiles on its first call."""
        numba = _numba()
        cached = bool(numba.config.CACHE_DIR)
        return numba.njit(cache=cached, **self.targetoptions)(self.py_func)

    @cached_property
    def compiled(self) -> Any:
        """The dispatcher; calls `on_first_compile`'s function if the kernel is not cached."""
        dispatcher = self.dispatcher
        if _numba().config.DISABLE_JIT:
            return dispatcher
        if runtime.on_compiling is not None and not self._is_cached(dispatcher.stats.cache_path):
            runtime.on_compiling()
            runtime.on_compiling = None
        return dispatcher

    def _is_cached(self, folder: str | None) -> bool:
        stem = Path(self.py_func.__code__.co_filename).stem
        pattern = f"{stem}.{self.py_func.__name__}-*.nbi"
        return folder is not None and any(Path(folder).glob(pattern))

    @property
    def _numba_type_(self) -> Any:
        """Type of this object for numba, when compiled code calls it."""
        return _numba().types.Dispatcher(self.dispatcher)


def _with_memoryviews(arg: Any) -> Any:
    """Wrap flat arrays in memoryviews, which Python indexes faster; nothing is copied."""
    if getattr(arg, "read_by_number", False):
        return type(arg)(*[memoryview(array) for array in arg])
    return arg


def kernel(function: F | None = None, *, inner: bool = False, **options: Any) -> Any:
    """Make a kernel of a function; `options` are those of numba's `njit`.

    A kernel that only other kernels call is `inner`: it is compiled without a Python wrapper, which
    is faster; a call from Python runs it interpreted. `inline="always"` is for long kernels with a
    single caller, which would otherwise be optimised both alone and as part of the caller. Division
    by zero follows IEEE 754 (`error_model="numpy"`).
    """
    if function is None:
        return partial(kernel, inner=inner, **options)
    if inner:
        options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    options.setdefault("error_model", "numpy")
    return Kernel(function, inner, options)


@cache
def _numba() -> Any:
    """Import numba and set its cache folder.

    Raises
    ------
    ImportError
        If numba cannot parse one of its environment variables; the message names it.
    """
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Environment variable", RuntimeWarning)
        try:
            import numba
        except (RuntimeWarning, ValueError) as error:
            reason = "".join(str(error).partition("parsed.")[:2])
            raise ImportError(f"numba: {reason}") from None
    from numba.core import event

    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(_folder() or "")
    runtime.compiling = _compile_clock(event)
    runtime.compiling.total = time.perf_counter() - began
    event.register("numba:compiler_lock", runtime.compiling)
    return numba


def _compile_clock(event: Any) -> Any:
    """Make a listener that sums the seconds in which threads compile, or wait for compilation.

    Loading from the cache and writing to it count, and so does a compilation still in progress.
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


def _cache_name(folder: Path) -> str:
    """Name of the cache: a hash of all Python files under a folder, with their paths."""
    import hashlib

    text = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        text.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return f"compiled-{text.hexdigest()[:16]}"


def _folder() -> Path | None:
    """Make the cache folder; folders of other kernel texts beside the source are removed."""
    import atexit
    import shutil
    import tempfile

    here = Path(__file__).parent
    name = _cache_name(here)
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
