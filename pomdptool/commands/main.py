"""The command `pomdptool`: finds its commands, and turns errors into exit codes, here alone.

0 done; 1 the content was wrong or the work failed; 2 wrong usage or a missing file;
130 interrupted. A closed pipe ends silently.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import sys
from importlib import import_module

import click

from pomdptool import __version__
from pomdptool.errors import DataError, FormatError, PomdpError

COMMANDS = (
    "act",
    "check",
    "compare",
    "convert",
    "decode",
    "evaluate",
    "fit",
    "info",
    "loglik",
    "problem",
    "sample",
    "simulate",
    "solve",
)


class Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"pomdptool.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the near name for an unknown one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUMMARY[name]) for name in COMMANDS])


_SUMMARY = {
    "act": "Answer observations with a policy's actions, in a loop.",
    "check": "Report every error and warning of a model file.",
    "compare": "Measure how far a learned model is from the true one.",
    "convert": "Write a model in another format.",
    "decode": "Estimate the hidden states of data.",
    "evaluate": "Tell what a policy is worth, exactly, by its bounds, and simulated.",
    "fit": "Learn a model from data.",
    "info": "Describe a model: sizes, start, rewards, structure.",
    "loglik": "Measure how likely data are under a model.",
    "problem": "Write a model of a well-known family.",
    "sample": "Draw trajectories.",
    "simulate": "Estimate what a planner or a policy earns.",
    "solve": "Compute a policy with certified bounds.",
}


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: pomdptool solve tiger.pomdp -o tiger.json",
)
@click.version_option(__version__, prog_name="pomdptool")
def cli() -> None:
    """Work with POMDPs: read, check, solve, simulate and learn models."""


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(100_000)  # imports make many objects, and they stay
    _open_streams()
    code = _run()
    sys.exit(_close_streams(code))


def _open_streams() -> None:
    """Give closed streams a place to write to, and names of any characters a way to be written."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run() -> int:
    if "_POMDPTOOL_COMPLETE" in os.environ:
        cli.main(prog_name="pomdptool")  # shell completion, which exits
    try:
        # Not cli.main: that would turn a closed pipe into exit code 1.
        with cli.make_context("pomdptool", sys.argv[1:]) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return 130
    except FormatError as error:
        _say(str(error))
        return 1
    except PomdpError as error:
        placed = isinstance(error, DataError) and error.placed
        _say(str(error) if placed else f"error: {error}")
        return 1
    except MemoryError:
        _say("error: out of memory")
        return 1
    except OSError as error:
        if error.errno == errno.EPIPE:
            return 0
        where = f"{error.filename}: " if error.filename else ""
        _say(f"error: {where}{error.strerror or error}")
        return 1
    return result if isinstance(result, int) else 0


def _say(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        return


def _close_streams(code: int) -> int:
    """Point streams that can no longer be written to nowhere: the exit would complain again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return code
