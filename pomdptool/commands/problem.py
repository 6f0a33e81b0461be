"""`pomdptool problem`: shipped models, and benchmark models of families."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import read_text, write_result
from pomdptool.commands.numbers import AnyReal, Real, Whole
from pomdptool.commands.options import (
    EXISTING_OR_INPUT,
    chosen_seed,
    ignored_verbose_option,
    model_kind,
    model_output_option,
    quiet_option,
    seed_option,
)
from pomdptool.commands.shipped import ProblemGroup, list_of
from pomdptool.families.heavenhell import heavenhell
from pomdptool.families.maze import maze
from pomdptool.families.rocksample import rocksample
from pomdptool.families.tag import tag
from pomdptool.families.tiger import tiger
from pomdptool.formats.models import encode_model
from pomdptool.model import Model
from pomdptool.printable import printable


@click.group(
    cls=ProblemGroup,
    example="pomdptool problem list\npomdptool problem hallway -o hallway.pomdp\n"
    "pomdptool problem rocksample --size 7 --rocks 8 --seed 1 -o rs78.pomdp",
)
def command() -> None:
    """Write a shipped model, see `list`, or generate a benchmark model."""


@command.command("list", cls=Command, example="pomdptool problem list")
@quiet_option
@ignored_verbose_option
def list_command(quiet: bool) -> None:
    """List the shipped models and the families."""
    del quiet
    families = {name: c for name, c in command.commands.items() if name != "list"}
    write_result(list_of(families), None)


def _write(model: Model, output: str | None, arguments: str) -> None:
    text, _ = encode_model(
        model, model_kind(output), header=f"Made by: pomdptool problem {arguments}"
    )
    write_result(text, output)


def _family(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that all families share."""
    discount = click.option(
        "--discount",
        metavar="D",
        type=Real(0.0, 1.0),
        help="Discount factor, in place of the usual one of the problem.",
    )
    return discount(model_output_option(quiet_option(ignored_verbose_option(function))))


def _without_none(**options: float | None) -> dict[str, Any]:
    """Drop the options without a value, for which the family has defaults."""
    return {name: value for name, value in options.items() if value is not None}


@command.command(
    "rocksample", cls=Command, example="pomdptool problem rocksample --size 4 --rocks 4"
)
@click.option("--size", metavar="N", type=Whole(), required=True, help="Cells along each side.")
@click.option("--rocks", metavar="K", type=Whole(0), required=True, help="Number of rocks.")
@click.option(
    "--position",
    "positions",
    metavar="X Y",
    type=(Whole(0), Whole(0)),
    multiple=True,
    help="Cell of a rock; repeat the option for each rock. Drawn at random if omitted.",
)
@click.option(
    "--half-efficiency",
    metavar="D0",
    type=Real(min=0.0, min_open=True),
    help="Distance at which the efficiency of the sensor is one half.  [default: 20]",
)
@seed_option
@_family
def rocksample_command(
    size: int,
    rocks: int,
    positions: tuple[tuple[int, int], ...],
    half_efficiency: float | None,
    seed: int | None,
    discount: float | None,
    output: str | None,
    quiet: bool,
) -> None:
    """RockSample: a rover senses and samples rocks (Smith and Simmons 2004)."""
    arguments = f"rocksample --size {size} --rocks {rocks}"
    rng = None
    if positions:
        arguments += "".join(f" --position {x} {y}" for x, y in positions)
    else:
        seed = chosen_seed(seed, quiet)
        rng = np.random.default_rng(seed)
        arguments += f" --seed {seed}"
    options = _without_none(half_efficiency=half_efficiency, discount=discount)
    arguments += _command_line(options)
    _write(
        rocksample(size, rocks, positions=positions or None, rng=rng, **options), output, arguments
    )


@command.command("tag", cls=Command, example="pomdptool problem tag -o tag.pomdp")
@click.option(
    "--map",
    "arena",
    metavar="FILE",
    type=EXISTING_OR_INPUT,
    help="Map of the arena; `.` is a cell.",
)
@click.option(
    "--rest",
    metavar="Q",
    type=Real(0.0, 1.0),
    help="Probability that the target stays.  [default: 0.2]",
)
@_family
def tag_command(
    arena: str | None, rest: float | None, discount: float | None, output: str | None, quiet: bool
) -> None:
    """Tag: a robot chases a target seen only in its own cell (Pineau, Gordon and Thrun 2003)."""
    del quiet
    options = _without_none(rest=rest, discount=discount)
    drawn = f" --map {printable(Path(arena).name)}" if arena else ""
    model = tag(read_text(arena)[0], **options) if arena else tag(**options)
    _write(model, output, f"tag{drawn}{_command_line(options)}")


@command.command("maze", cls=Command, example="pomdptool problem maze hallway.map --kind hallway")
@click.argument("drawing", metavar="FILE", type=EXISTING_OR_INPUT)
@click.option(
    "--kind",
    type=Choice(["russell", "hallway"]),
    default="russell",
    show_default=True,
    help="russell: slippery moves and two wall sensors; hallway: a heading and four noisy sensors.",
)
@click.option(
    "--slip",
    metavar="P",
    type=Real(0.0, 0.5),
    help="Probability of slipping to each side.  [default: 0.1]",
)
@click.option("--goal", metavar="R", type=AnyReal(), help="Reward of a goal.  [default: 1]")
@click.option("--pit", metavar="R", type=AnyReal(), help="Reward of a pit.  [default: -1]")
@click.option("--step", metavar="R", type=AnyReal(), help="Reward of every other cell.")
@_family
def maze_command(
    drawing: str,
    kind: Literal["russell", "hallway"],
    slip: float | None,
    goal: float | None,
    pit: float | None,
    step: float | None,
    discount: float | None,
    output: str | None,
    quiet: bool,
) -> None:
    """A maze from a map: `#` wall, `.` cell, `G` goal, `-` pit, `S` start."""
    del quiet
    options = _without_none(slip=slip, goal=goal, pit=pit, step=step, discount=discount)
    model = maze(read_text(drawing)[0], kind=kind, **options)
    name = printable(Path(drawing).name)
    _write(model, output, f"maze {name} --kind {kind}{_command_line(options)}")


@command.command("heavenhell", cls=Command, example="pomdptool problem heavenhell 3")
@click.argument("length", metavar="[N]", type=Whole(), default=2)
@_family
def heavenhell_command(
    length: int, discount: float | None, output: str | None, quiet: bool
) -> None:
    """Heaven and hell: the ends of a T-maze with arms of N cells; a priest knows which is which."""
    del quiet
    options = _without_none(discount=discount)
    _write(heavenhell(length, **options), output, f"heavenhell {length}{_command_line(options)}")


@command.command("tiger", cls=Command, example="pomdptool problem tiger --doors 3")
@click.option(
    "--doors", metavar="N", type=Whole(), default=2, show_default=True, help="Number of doors."
)
@click.option(
    "--accuracy",
    metavar="P",
    type=Real(0.0, 1.0),
    help="Probability of hearing the tiger at its door.  [default: 0.85]",
)
@_family
def tiger_command(
    doors: int, accuracy: float | None, discount: float | None, output: str | None, quiet: bool
) -> None:
    """Tiger: a tiger behind one of several doors (Kaelbling, Littman and Cassandra 1998)."""
    del quiet
    options = _without_none(accuracy=accuracy, discount=discount)
    _write(tiger(doors, **options), output, f"tiger --doors {doors}{_command_line(options)}")


def _command_line(options: dict[str, Any]) -> str:
    return "".join(f" --{name.replace('_', '-')} {value!r}" for name, value in options.items())
