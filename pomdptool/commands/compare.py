"""`pomdptool compare`: how far a learned model is from the true one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from pomdptool.commands.data import plain
from pomdptool.commands.help import Command
from pomdptool.commands.models import open_model
from pomdptool.commands.options import (
    chosen_seed,
    json_option,
    quiet_option,
    seed_option,
    verbose_option,
)
from pomdptool.commands.report import announce_compiling
from pomdptool.commands.terminal import show_pairs
from pomdptool.learning.compare import EPISODES, STEPS, Comparison, compare
from pomdptool.model import Model

MODEL_FILE = click.Path(exists=True, dir_okay=False)


@click.command(
    cls=Command,
    example="pomdptool compare tiger.pomdp learned.pomdp --seed 1",
    sections={"Walks": ("episodes", "steps")},
)
@click.argument("true", type=MODEL_FILE)
@click.argument("learned", type=MODEL_FILE)
@click.option(
    "--episodes", metavar="N", type=click.IntRange(min=1), default=EPISODES, show_default=True,
    help="Random walks through each model.",
)  # fmt: skip
@click.option(
    "--steps", metavar="H", type=click.IntRange(min=1), default=STEPS, show_default=True,
    help="Steps of a walk.",
)  # fmt: skip
@seed_option
@json_option
@quiet_option
@verbose_option
def command(
    true: str,
    learned: str,
    episodes: int,
    steps: int,
    seed: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Align the hidden states of LEARNED with those of TRUE, and measure distances.

    Distances are total variations of rows; rates, in nats a step, say how fast data of one model
    show that they are not of the other.
    """
    del verbose
    models = [open_model(path, None, quiet=quiet) for path in (true, learned)]
    seed = chosen_seed(seed, quiet)
    if not quiet:
        announce_compiling()
    rng = np.random.default_rng(seed)
    found = compare(models[0], models[1], rng=rng, episodes=episodes, steps=steps)
    document = _document(models[0], models[1], found)
    if as_json:
        print(json.dumps(plain({**document, "seed": seed}), indent=1))
        return
    shown = {"states": ", ".join(f"{s} = {s2}" for s, s2 in document.pop("states").items())}
    for key, value in document.items():
        both = isinstance(value, dict)
        text = "{mean:.4g} on average, {worst:.4g} at most".format(**value) if both else ""
        shown[key.replace("_", " ")] = text or f"{value:.6g}"
    show_pairs(list(shown.items()), sys.stdout)


def _document(true: Model, learned: Model, found: Comparison) -> dict[str, Any]:
    return {
        "states": {
            name: None if s < 0 else learned.states[s]
            for name, s in zip(true.states, found.states.tolist(), strict=True)
        },
        **{f"distance_{part}": asdict(getattr(found, part)) for part in ("T", "O", "start", "R")},
        "rate_true": found.rate_true,
        "rate_learned": found.rate_learned,
    }
