"""`pomdptool completion`: completion of commands, options and files in a shell."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pomdptool.commands.click_help import Choice, Command

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, example='eval "$(pomdptool completion bash)"')
@click.argument("shell", type=Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print a script that makes SHELL (by default yours) complete commands, options and files.

    The example's line belongs into ~/.bashrc; in ~/.zshrc write zsh for bash. In fish:
    pomdptool completion fish | source
    """
    from click.shell_completion import get_completion_class

    from pomdptool.commands.main import COMPLETE, NAME, cli

    shell = shell or Path(os.environ.get("SHELL", "")).name
    made = get_completion_class(shell) if shell in SHELLS else None
    if made is None:
        raise click.UsageError(f"Say for which shell: {', '.join(SHELLS)}.")
    click.echo(made(cli, {}, NAME, COMPLETE).source())
