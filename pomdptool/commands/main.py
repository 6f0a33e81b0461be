"""The program `pomdptool`: loads commands on demand and maps errors to exit codes.

Exit codes:
    0    success, also if the reader of a pipe closes it
    1    invalid input, or a failure (`FAILURE`)
    2    wrong usage or a missing file (click's `UsageError.exit_code`)
    130  interrupted by Ctrl-C or SIGTERM (`INTERRUPTED`)
Commands may return a code: solve, fit, simulate and evaluate 130; check 1.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import signal
import sys
import warnings
from importlib import import_module

import click

from pomdptool import __version__
from pomdptool.commands.click_help import Group
from pomdptool.commands.completion import COMPLETE, NAME
from pomdptool.commands.interrupts import INTERRUPTED, SIGNALS, was_raised, watch_interrupts
from pomdptool.commands.source_lines import show_source
from pomdptool.commands.terminal import message, say, say_wrapped
from pomdptool.errors import DataError, FormatError, PomdpError

FAILURE = 1

ERROR = "Error: "
"""What click writes before its messages."""

SECTIONS = {
    "Models": {
        "info": "Show a model's sizes, initial belief, rewards and structure.",
        "check": "Report the errors and warnings of a model file.",
        "convert": "Convert a model or a policy to another format.",
        "problem": "Generate a benchmark model.",
    },
    "Planning": {
        "solve": "Compute a policy with certified bounds.",
        "policy": "Show a policy, and ask it at a belief.",
        "evaluate": "Evaluate a policy: exactly, by bounds and by simulation.",
        "simulate": "Estimate the expected return of a planner or a policy.",
        "act": "Run a policy as a controller: observations in, actions out.",
        "plot": "Plot a policy, the progress of learning or an episode.",
    },
    "Learning": {
        "sample": "Sample trajectories from a model.",
        "fit": "Learn a model from data.",
        "loglik": "Compute the log-likelihood of data under a model.",
        "decode": "Infer the hidden states of data.",
        "compare": "Compare a learned model with the true one.",
    },
    "Other": {
        "help": "Show a page of the manual.",
        "completion": "Print a shell completion script.",
    },
}
"""The commands by section, with their summaries."""

COMMANDS = tuple(name for section in SECTIONS.values() for name in section)


class Commands(Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"pomdptool.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Explain that a command's options follow its name."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} A command's options follow its name, as in "
                "`pomdptool info MODEL -v`; `-V` prints the version.",
                ctx,
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        for heading, summaries in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<10}", text) for name, text in summaries.items()])


@click.group(
    cls=Commands,
    example="pomdptool problem tiger -o tiger.pomdp\n"
    "pomdptool solve tiger.pomdp -o tiger.json\n"
    "pomdptool plot tiger.json -o tiger.svg\n"
    "pomdptool solve --help",
)
@click.version_option(__version__, "-V", "--version", prog_name=NAME)
def cli() -> None:
    """Read, check, solve, simulate and learn POMDPs.

    A MODEL is a .pomdp, .json or .pomdpx file, or - for standard input. Results go to standard
    output or to -o FILE, everything else to standard error.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(100_000)  # imports create many long-lived objects
    watch_interrupts()
    if not sys.warnoptions:  # -W enables warnings of libraries
        warnings.simplefilter("ignore")
    try:
        _open_streams()
        code = _close_streams(_run())
        if code == 0 and was_raised():  # a library swallowed the exception
            code = _interrupted()
    except BaseException:
        if not was_raised():  # else a library turned the interrupt into another error
            raise
        code = _interrupted()
    for number in SIGNALS:
        # All results are written: an interrupt now exits at once.
        signal.signal(number, lambda *_: os._exit(code))
    sys.exit(code)


def _open_streams() -> None:
    """Replace closed streams and set encodings.

    A closed standard input is empty, a closed standard error discards messages, and writing to a
    closed standard output is an error. Files and pipes use UTF-8 in every locale; on a terminal,
    characters outside its encoding are escaped.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        # Opened for reading, so that writing fails.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _run() -> int:
    if COMPLETE in os.environ:
        cli.main(prog_name=NAME)  # prints completions and exits
    try:
        # Not cli.main, which exits with code 1 on a closed pipe.
        with cli.make_context(NAME, sys.argv[1:]) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.message = message(f"{ERROR}{error.message}").removeprefix(ERROR)  # type: ignore[misc]
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except (PomdpError, MemoryError, ImportError, OSError) as error:
        return _failed(error)
    return result if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    """Report an error in one line, except for a closed pipe; return the exit code."""
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return 0
    if isinstance(error, FormatError) or (isinstance(error, DataError) and error.placed):
        with contextlib.suppress(OSError):
            say(str(error))
            if isinstance(error, FormatError) and sys.stderr.isatty():
                _show_first(error)
    elif isinstance(error, MemoryError):
        _say("error: out of memory")
    elif isinstance(error, ImportError):
        _say(f"error: cannot load a library: {error}")
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        if error.errno == errno.EBADF:
            where = "standard output is closed: "
        _say(f"error: {where}{error.strerror or error}")
    else:
        _say(f"error: {error}")
    return FAILURE


def _show_first(error: FormatError) -> None:
    """Show the line of the first error of a model, and where the others are to be had."""
    errors = [finding for finding in error.findings if finding.level == "error"]
    show_source(errors[0])
    if len(errors) > 1 and errors[0].source and not error.file.startswith("<"):
        say(f"`pomdptool check {error.file}` shows all {len(errors)} errors")


def _interrupted() -> int:
    _say("interrupted")
    return INTERRUPTED


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        say_wrapped(line)


def _close_streams(code: int) -> int:
    """Flush; redirect streams that fail, which would fail again at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return code
