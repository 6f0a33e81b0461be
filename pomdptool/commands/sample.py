"""`pomdptool sample`: sample trajectories from a model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import index_of, open_carried_policy, open_model, read_text
from pomdptool.commands.numbers import MAX_STEPS
from pomdptool.commands.options import (
    EXISTING,
    episodes_option,
    from_option,
    generator,
    ignored_verbose_option,
    model_argument,
    output_kind,
    output_option,
    quiet_option,
    seed_option,
    steps_option,
)
from pomdptool.commands.terminal import escaped, say_wrapped
from pomdptool.errors import DataError
from pomdptool.formats.data.read import DATA_KINDS, DataKind
from pomdptool.formats.models import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.sample import SampleEnds


@click.command(
    cls=Command,
    example="pomdptool sample tiger.pomdp --episodes 1000 --steps 50 -o data.csv",
    sections={
        "Policy": ("policy_file", "actions_file"),
        "Episodes": ("episodes", "steps", "ends"),
        "Output": ("output", "states"),
    },
)
@model_argument
@output_option("Write to this file: .csv, .tsv, .jsonl (each also with .gz) or .parquet.")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=EXISTING,
    help="Follow this saved policy; by default actions are uniformly random.",
)
@click.option(
    "--actions",
    "actions_file",
    metavar="FILE",
    type=EXISTING,
    help="Action sequences, used in turn: one action per line, sequences separated by empty lines.",
)
@episodes_option(100)
@steps_option(
    "Maximum number of steps per episode; by default until 0.1% of the discounted reward remains.",
    MAX_STEPS,
)
@click.option(
    "--ends",
    type=Choice(["stop", "continue"]),
    help="Whether episodes stop or continue at a terminal state; default stop, or continue if the "
    "model has no rewards.",
)
@click.option("--states", is_flag=True, help="Also write the hidden states.")
@seed_option
@from_option
@quiet_option
@ignored_verbose_option
def command(
    path: str,
    output: str | None,
    policy_file: str | None,
    actions_file: str | None,
    episodes: int,
    steps: int | None,
    ends: SampleEnds | None,
    states: bool,
    seed: int | None,
    kind: Kind | None,
    quiet: bool,
) -> None:
    """Sample trajectories of actions, observations and rewards.

    Episodes end at a terminal state or after --steps; the last row has a 1 in the column
    terminated or truncated.
    """
    from pomdptool.acting.sample import sample_batches
    from pomdptool.acting.simulate import default_steps
    from pomdptool.formats.data.write import write_episodes

    table: DataKind = output_kind(output, DATA_KINDS, ".csv, .tsv, .jsonl or .parquet", "csv")
    if policy_file and actions_file:
        raise click.UsageError("--policy and --actions cannot be combined.")
    model = open_model(path, kind, quiet=quiet)
    if model.costs and not quiet:
        say_wrapped(
            "note: the reward column holds costs: learn from it with --values cost or --like"
        )
    scripts = _scripts(actions_file, model) if actions_file else None
    if steps is None:
        steps = default_steps(model) if scripts is None else max(map(len, scripts))
    policy = None
    if policy_file is not None:
        policy = open_carried_policy(policy_file, model, quiet=quiet)
    parts = sample_batches(
        model,
        episodes=episodes,
        steps=steps,
        rng=generator(seed, quiet),
        policy=policy,
        actions=scripts,
        states=states,
        ends=ends,
    )
    target = sys.stdout.buffer if output in (None, "-") else output
    if target is not output and sys.stdout.isatty():
        names = ("action_names", "observation_names", "state_names")
        parts = (escaped(part, *names) for part in parts)
    write_episodes(parts, target, kind=table)


def _scripts(path: str, model: Model) -> list[list[int]]:
    """Read sequences of actions, as names or numbers."""
    indices = {name: k for k, name in enumerate(model.actions)}
    scripts: list[list[int]] = [[]]
    for number, line in enumerate(read_text(path)[0].splitlines(), 1):
        if name := line.strip():
            scripts[-1].append(index_of(name, "action", indices, f"{path}:{number}: "))
        else:
            scripts.append([])
    scripts = [script for script in scripts if script]
    if not scripts:
        raise DataError(f"{path}: the file contains no actions")
    return scripts
