"""`pomdptool completion`: shell completion of commands, options and files."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pomdptool.commands.click_help import Choice, Command

NAME = "pomdptool"
"""The name of the program."""

COMPLETE = "_POMDPTOOL_COMPLETE"
"""The environment variable with which a shell requests completions."""

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, example='eval "$(pomdptool completion bash)"')
@click.argument("shell", type=Choice(SHELLS), required=False)
@click.pass_context
def command(ctx: click.Context, shell: str | None) -> None:
    """Print a script that completes commands, options and files in SHELL (default: from $SHELL).

    For bash, add the line of the example to ~/.bashrc; for zsh, with zsh in place of bash, to
    ~/.zshrc. In fish, run: pomdptool completion fish | source
    """
    from click.shell_completion import get_completion_class

    shell = shell or Path(os.environ.get("SHELL", "")).name
    completion = get_completion_class(shell) if shell in SHELLS else None
    if completion is None:
        raise click.UsageError(f"Choose a shell: {', '.join(SHELLS)}.")
    click.echo(completion(ctx.find_root().command, {}, NAME, COMPLETE).source())
