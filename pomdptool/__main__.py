"""`pomdptool`, and `python -m pomdptool`: the command line.

Importing it takes a tenth of a second; an interrupt meanwhile ends the process, and no more. Before
`main` Python itself starts, for ten to twenty milliseconds, and answers an interrupt with a
traceback: so little is imported up to there (`_signal` in place of `signal`, which is slow). Matrix
products run in one thread unless the user says otherwise: ours are small, sums do not depend on the
machine's cores then, and where memory is short OpenBLAS does not wait for more of it.
"""

import _signal  # type: ignore[import-not-found]
import os


def main() -> None:
    """Run the command line and exit with its code."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # else it is ignored
        _signal.signal(_signal.SIGINT, lambda *_: os._exit(130))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pomdptool.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
