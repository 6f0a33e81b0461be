"""`pomdptool completion`: completion of commands, options and files in a shell."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pomdptool.commands.click_help import Choice, Command

NAME = "pomdptool"
"""The name of the program."""

COMPLETE = "_POMDPTOOL_COMPLETE"
"""The environment variable by which a shell asks for completions."""

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, example='eval "$(pomdptool completion bash)"')
@click.argument("shell", type=Choice(SHELLS), required=False)
@click.pass_context
def command(ctx: click.Context, shell: str | None) -> None:
    """Print a script that completes commands, options and files in SHELL (default: yours).

    Add the line of the example to ~/.bashrc, or with zsh in place of bash to ~/.zshrc. In fish:
    pomdptool completion fish | source
    """
    from click.shell_completion import get_completion_class

    shell = shell or Path(os.environ.get("SHELL", "")).name
    made = get_completion_class(shell) if shell in SHELLS else None
    if made is None:
        raise click.UsageError(f"Name a shell: {', '.join(SHELLS)}.")
    click.echo(made(ctx.find_root().command, {}, NAME, COMPLETE).source())
