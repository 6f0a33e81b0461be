"""Renamed options: the old spelling is accepted for one version.

It appears neither in the help nor in completions, and errors use the new spelling.
"""

from __future__ import annotations

from typing import Any

import click


class Renamed(click.Option):
    """An option with an old spelling, `former`, such as `--what`."""

    def __init__(self, *args: Any, former: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register both spellings with the parser only."""
        names = self.opts
        self.opts = [*names, self.former]
        super().add_to_parser(parser, ctx)
        self.opts = names


def with_new_names(error: click.BadOptionUsage, params: list[click.Parameter]) -> click.UsageError:
    """Restate an error with the new spelling of a renamed option."""
    for param in params:
        if isinstance(param, Renamed) and param.former == error.option_name:
            message = error.message.replace(param.former, param.opts[0])
            return click.BadOptionUsage(param.opts[0], message, error.ctx)
    return error
