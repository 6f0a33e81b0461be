"""`pomdptool help`: the manual in the terminal."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import write_result
from pomdptool.commands.terminal import drawn, screen_size

MANUAL = Path(__file__).parents[1] / "manual"
"""Folder of the pages: a Markdown file for each command and topic."""

CONTENTS = "README"
"""The page that lists the others."""

TOPICS = sorted(path.stem for path in MANUAL.glob("*.md") if path.stem != CONTENTS)


@click.command(
    cls=Command,
    example="pomdptool help\npomdptool help solve\npomdptool help formats | grep pomdpx",
)
@click.argument("topic", type=Choice(TOPICS), required=False, metavar="[TOPIC]")
def command(topic: str | None) -> None:
    """Show the manual page of a command or another topic; without TOPIC, the contents.

    On a terminal, the page is formatted and shown in a pager ($PAGER, else less). In a pipe, it is
    printed as Markdown.
    """
    text = (MANUAL / f"{topic or CONTENTS}.md").read_text(encoding="utf-8")
    if not sys.stdout.isatty():
        write_result(text, None)
        return
    from pomdptool.commands.markdown import rendered

    lines = drawn(rendered(text, screen_size(sys.stdout).columns).splitlines(), sys.stdout)
    _page("\n".join(lines))


def _page(text: str) -> None:
    """Show a text in a pager, which handles Ctrl-C itself."""
    os.environ.setdefault("LESS", "-FRX")  # colours; no pager if the text fits the screen
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        click.echo_via_pager(text, color="NO_COLOR" not in os.environ)
    finally:
        signal.signal(signal.SIGINT, before)
