"""`pomdptool compare`: compare a learned model with the true one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from pomdptool.analysis.compare import EPISODES, STEPS, Comparison, compare
from pomdptool.analysis.transfer import Transfer, transfer
from pomdptool.commands.click_help import Command
from pomdptool.commands.models import open_model, write_json
from pomdptool.commands.numbers import MAX_STEPS, MAX_STORED, Real, Whole
from pomdptool.commands.options import (
    EXISTING_OR_INPUT,
    chosen_seed,
    ignored_verbose_option,
    json_option,
    quiet_option,
    seed_option,
)
from pomdptool.commands.progress import announce_compiling
from pomdptool.commands.terminal import say_wrapped, show_pairs
from pomdptool.model import Model


@click.command(
    cls=Command,
    example="pomdptool compare tiger.pomdp learned.pomdp --seed 1",
    sections={"Trajectories": ("episodes", "steps")},
)
@click.argument("true", type=EXISTING_OR_INPUT)
@click.argument("learned", type=EXISTING_OR_INPUT)
@click.option(
    "--episodes", metavar="N", type=Whole(1, MAX_STORED), default=EPISODES, show_default=True,
    help="Number of random trajectories sampled from each model.",
)  # fmt: skip
@click.option(
    "--steps", metavar="H", type=Whole(1, MAX_STORED), default=STEPS, show_default=True,
    help="Steps per trajectory.",
)  # fmt: skip
@click.option(
    "--precision", metavar="P", type=Real(min=0.0, min_open=True), default=1e-3,
    show_default=True, help="Precision to which each model is solved.",
)  # fmt: skip
@click.option(
    "--time-limit", metavar="SECONDS", type=Real(min=0.0), default=10.0,
    show_default=True, help="Time limit for solving each model.",
)  # fmt: skip
@seed_option
@json_option
@quiet_option
@ignored_verbose_option
def command(
    true: str,
    learned: str,
    episodes: int,
    steps: int,
    precision: float,
    time_limit: float,
    seed: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Align the hidden states of two models and measure how much the models differ.

    Distances are total variation distances between rows; log-likelihood rates between the models
    are in nats per step. Each model is solved and its policy is evaluated in the other model,
    exactly where that is fast and otherwise by simulation.
    """
    if episodes * steps > MAX_STEPS:
        raise click.UsageError(f"--episodes times --steps is more than {MAX_STEPS}.")
    models = [open_model(path, None, quiet=quiet) for path in (true, learned)]
    seed = chosen_seed(seed, quiet)
    if not quiet:
        announce_compiling()
    rng = np.random.default_rng(seed)
    comparison = compare(models[0], models[1], rng=rng, episodes=episodes, steps=steps)
    document = _document(models[0], models[1], comparison)
    if _solvable(*models):
        transferred = transfer(*models, rng=rng, precision=precision, time_limit=time_limit)
        document.update(_returns(models[0], models[1], transferred))
    elif not quiet:
        say_wrapped(
            "note: policies are not compared: both models need rewards and a discount below 1"
        )
    if as_json:
        write_json({**document, "seed": seed})
        return
    table = {"states": ", ".join(f"{s} = {s2}" for s, s2 in document.pop("states").items())}
    table.update((key.replace("_", " "), _text(value)) for key, value in document.items())
    show_pairs(list(table.items()), sys.stdout)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "{:.6g} to {:.6g}".format(*value)
    if not isinstance(value, dict):
        return f"{value:.6g}"
    if "mean" in value:
        return "mean {mean:.4g}, maximum {worst:.4g}".format(**value)
    error = value["standard_error"]
    return f"{value['value']:.6g}, " + (f"standard error {error:.3g}" if error else "exact")


def _solvable(*models: Model) -> bool:
    """Whether all models have rewards and a discount below 1."""
    return all(model.discount < 1.0 and model.rewards.stored.any() for model in models)


def _returns(true: Model, learned: Model, transferred: Transfer) -> dict[str, Any]:
    """Expected returns in each model, as rewards or costs."""
    document: dict[str, Any] = {}
    for name, model, optimum, other, result in (
        ("true", true, transferred.true_optimum, "learned", transferred.learned_in_true),
        ("learned", learned, transferred.learned_optimum, "true", transferred.true_in_learned),
    ):
        sign = -1.0 if model.costs else 1.0
        document[f"optimum_{name}"] = sorted(sign * x for x in (optimum.lower, optimum.upper))
        document[f"{other}_in_{name}"] = {
            "value": sign * result.value,
            "standard_error": result.standard_error,
        }
    return document


def _document(true: Model, learned: Model, comparison: Comparison) -> dict[str, Any]:
    return {
        "states": {
            name: None if s < 0 else learned.states[s]
            for name, s in zip(true.states, comparison.states.tolist(), strict=True)
        },
        **{
            f"distance_{part}": asdict(getattr(comparison, part))
            for part in ("T", "O", "start", "R")
        },
        "rate_true": comparison.rate_true,
        "rate_learned": comparison.rate_learned,
    }
