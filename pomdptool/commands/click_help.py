"""The layout of `--help`: options in sections, then examples, in at most 80 columns."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from pomdptool.commands.aliases import with_new_names
from pomdptool.commands.paths import check_apart
from pomdptool.errors import near_name

WIDTH = 80
NARROWEST = 30

SHARED = {
    "Input": (
        *("kind", "data_from", "episode_column", "step_column", "action_column"),
        *("observation_column", "reward_column", "terminated_column", "truncated_column"),
    ),
    "Data": ("actions", "observations", "missing", "gaps", "ends"),
    "Running": ("seed", "threads", "time_limit", "memory"),
    "Output": ("output", "target", "as_json", "quiet", "verbose", "help", "version"),
}
"""Sections of options that several commands share, as names of parameters."""

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class Formatter(click.HelpFormatter):
    """A formatter for the width of the terminal, at most 80 columns."""

    def __init__(self) -> None:
        width = min(shutil.get_terminal_size().columns, WIDTH)
        super().__init__(width=max(width - 1, NARROWEST))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and descriptions in two columns; the first is narrow on narrow terminals."""
        super().write_dl(rows, min(col_max, self.width // 3), col_spacing)


class Context(click.Context):
    """A context that formats help with `Formatter`."""

    def make_formatter(self) -> click.HelpFormatter:
        """Make a formatter."""
        return Formatter()


class _Sectioned(click.Command):
    """Base of commands and groups: help with sections and examples.

    Parameters
    ----------
    sections
        Headings with names of parameters. Options in no section, here or in `SHARED`, come first.
    example
        Command lines, to be copied as they are.
    """

    context_class = Context

    def __init__(
        self,
        *args: Any,
        sections: Mapping[str, Sequence[str]] | None = None,
        example: str = "",
        **settings: Any,
    ) -> None:
        settings.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **settings)
        self.sections = dict(sections or {})
        self.example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Suggest a similar name for an unknown option; report renamed options as such."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            names = [name for param in self.get_params(ctx) for name in param.opts]
            name = error.option_name
            message = f"No such option {name!r}.{did_you_mean(name, names)}"
            raise click.NoSuchOption(name, message, ctx=ctx) from None
        except click.BadOptionUsage as error:
            raise with_new_names(error, self.get_params(ctx)) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        section_of = {
            name: heading
            for sections in (SHARED, self.sections)
            for heading, names in sections.items()
            for name in names
        }
        order = ["Options", *(name for name in self.sections if name not in SHARED), *SHARED]
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in order}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                name = "help" if set(param.opts) & set(ctx.help_option_names) else param.name
                rows[section_of.get(name or "", "Options")].append(record)
        used = {heading: records for heading, records in rows.items() if records}
        for heading, records in used.items():
            with formatter.section(heading if len(used) > 1 else "Options"):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples unwrapped, and the command that shows the manual page."""
        lines = self.example.splitlines()
        program, *topic = ctx.command_path.split()[:2]
        parts = {
            "Examples" if len(lines) > 1 else "Example": lines,
            "Manual": [" ".join([program, "help", *topic])],
        }
        for heading, texts in parts.items():
            with formatter.section(heading):
                for text in texts:
                    formatter.write(f"{'':>{formatter.current_indent}}{text}\n")


class Command(_Sectioned):
    """A command that checks before it runs that none of its files is overwritten by mistake.

    Parameters
    ----------
    updates
        Names of the input files that `--output` may replace.
    """

    def __init__(self, *args: Any, updates: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.updates = updates

    def invoke(self, ctx: click.Context) -> Any:
        """Check the files and run the command."""
        check_apart(self, ctx, self.updates)
        return super().invoke(ctx)


class Group(_Sectioned, click.Group):
    """A group of commands."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options and the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands with their summaries, uncut."""
        summaries = {name: c.get_short_help_str(2 * WIDTH) for name, c in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(summaries.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a similar name for an unknown command."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], names)}")
        return super().resolve_command(ctx, args)


class Choice(click.Choice):  # type: ignore[type-arg]
    """A choice that suggests a similar value for an unknown one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the chosen value."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            names = [str(choice) for choice in self.choices]
            hint = did_you_mean(str(value), names)
            raise click.BadParameter(error.message + hint, ctx, param) from None


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A sentence that suggests a similar name, or nothing."""
    near = near_name(name, names)
    return "" if near is None else f" Did you mean {near!r}?"
