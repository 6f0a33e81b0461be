"""`pomdptool`, and `python -m pomdptool`: the command line.

Importing it takes a tenth of a second; an interrupt meanwhile ends the process, and no more.
"""

import os
import signal


def main() -> None:
    """Run the command line and exit with its code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from pomdptool.commands.main import main as run

    run()


if __name__ == "__main__":
    main()
