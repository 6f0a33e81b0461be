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
    for number in (_signal.SIGINT, _signal.SIGTERM):
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda *_: os._exit(130))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pomdptool.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
