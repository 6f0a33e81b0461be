"""`pomdptool`, and `python -m pomdptool`: the command line.

Importing it takes a tenth of a second; an interrupt meanwhile ends the process, and no more. Matrix
products run in one thread unless the user says otherwise: ours are small, sums do not depend on the
machine's cores then, and where memory is short OpenBLAS does not wait for more of it.
"""

import os
import signal


def main() -> None:
    """Run the command line and exit with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(130))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pomdptool.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
