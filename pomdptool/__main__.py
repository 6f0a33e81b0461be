"""Entry point of the command line: `pomdptool`, or `python -m pomdptool`.

Importing the package takes 0.1 s, during which an interrupt exits silently. Python prints a
traceback for an interrupt before `main` runs (10 to 20 ms), so this module imports as little as
possible: `_signal` instead of the slow `signal`. OpenBLAS uses one thread by default: matrices are
small, results do not depend on the number of cores, and it does not hang when memory is short.
"""

import _signal  # type: ignore[import-not-found]
import os


def main() -> None:
    """Run the command line and exit with its code."""
    for number in (_signal.SIGINT, _signal.SIGTERM):
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda *_: os._exit(130))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pomdptool.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
