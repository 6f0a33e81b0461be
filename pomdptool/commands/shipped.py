"""The models that come with pomdptool: the list of them, and a command for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from pomdptool.commands.click_help import Command, Group
from pomdptool.commands.models import write_result
from pomdptool.commands.options import (
    ignored_verbose_option,
    model_kind,
    model_output_option,
    quiet_option,
)
from pomdptool.formats.models import encode_model, load
from pomdptool.formats.resources import shipped_models
from pomdptool.formats.text_input import read_source


class ProblemGroup(Group):
    """The families, and the shipped models; of two with one name the family is taken."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the families and of the shipped models."""
        return sorted({*super().list_commands(ctx), *shipped_models()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Command of a family or a shipped model."""
        family = super().get_command(ctx, cmd_name)
        path = None if family else shipped_models().get(cmd_name)
        return family if path is None else _command_of(cmd_name, path)


def _command_of(name: str, path: Path) -> click.Command:
    """Make the command that writes a shipped model: as .pomdp its very file."""

    @model_output_option
    @quiet_option
    @ignored_verbose_option
    def write(output: str | None, quiet: bool) -> None:
        del quiet
        kind = model_kind(output)
        text = read_source(path)[0] if kind == "pomdp" else encode_model(load(path), kind)[0]
        write_result(text, output)

    example = f"pomdptool problem {name} -o {name}.pomdp"
    return click.command(name, cls=Command, example=example, help=f"{title(path)}.")(write)


def title(path: Path) -> str:
    """The first line of a shipped model, a comment that says what it is."""
    return read_source(path)[0].split("\n", 1)[0].lstrip("# ").rstrip(".")


def list_of(families: Mapping[str, click.Command]) -> str:
    """A table of the shipped models, then the families."""
    rows: list[tuple[str, ...]] = [
        ("model", "states", "actions", "observations", "discount", "what it is")
    ]
    for name, path in shipped_models().items():
        model = load(path)
        sizes = map(str, (model.n_states, model.n_actions, model.n_observations))
        rows.append((name, *sizes, f"{model.discount:g}", title(path)))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in range(1, 5)), row[5]]
        )
        for row in rows
    ]
    width = max(map(len, families))
    lines += ["", "families, with options"]
    lines += [
        f"{name:<{width}}  {command.get_short_help_str(200)}"
        for name, command in sorted(families.items())
    ]
    return "\n".join(lines) + "\n"
