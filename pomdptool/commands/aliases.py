"""Options that are accepted under their former spelling for one version.

The former spelling appears neither in the help nor in completions, and errors name the new one.
"""

from __future__ import annotations

from typing import Any

import click


class Renamed(click.Option):
    """An option with a former spelling; as if the new one had been written.

    Parameters
    ----------
    former
        The former spelling, such as `--what`.
    """

    def __init__(self, *args: Any, former: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.former = former

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser, and nothing else, know both spellings."""
        shown = self.opts
        self.opts = [*shown, self.former]
        super().add_to_parser(parser, ctx)
        self.opts = shown


def with_new_names(error: click.BadOptionUsage, params: list[click.Parameter]) -> click.UsageError:
    """The same error, which names the new spelling of an option."""
    for param in params:
        if isinstance(param, Renamed) and param.former == error.option_name:
            message = error.message.replace(param.former, param.opts[0])
            return click.BadOptionUsage(param.opts[0], message, error.ctx)
    return error
