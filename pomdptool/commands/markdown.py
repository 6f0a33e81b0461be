"""Markdown on a terminal, in the style of a man page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

WIDTH = 100
"""Maximum number of columns."""

NARROWEST = 30

STYLES = Theme(
    {
        **{f"markdown.h{level}": "bold" for level in range(1, 7)},
        "markdown.code": "bold",  # legible on light and on dark terminals
        "markdown.em": "underline",
        "markdown.item.bullet": "none",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


class _Heading(Heading):
    """A heading at the left margin; the page's title in capitals."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.text.plain.upper() if self.tag == "h1" else self.text.plain, style="bold")


class _CodeBlock(CodeBlock):
    """An indented code block, with commands after a prompt in bold."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [
            Text(line, style="bold" if line.startswith("$ ") else "", overflow="fold")
            for line in str(self.text).rstrip().splitlines()
        ]
        yield Padding(Text("\n").join(lines), (0, 0, 0, 2))


class _Page(Markdown):
    elements: ClassVar = {**Markdown.elements, "heading_open": _Heading, "fence": _CodeBlock}


def rendered(text: str, columns: int) -> str:
    """Render Markdown with ANSI styles for a terminal with this number of columns."""
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"!\[([^]]*)\]\([^)]*\)", r"[Picture: \1]", text)
    text = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"*\1*", text)
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=max(min(columns, WIDTH), NARROWEST),
        force_terminal=True,
        highlight=False,
        legacy_windows=False,
        theme=STYLES,
    )
    console.print(_Page(text, hyperlinks=False))
    text = re.sub(r"^(?:\x1b\[[0-9;]*m| )+$", "", stream.getvalue(), flags=re.MULTILINE)
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"
