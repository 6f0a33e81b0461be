"""`pomdptool compare`: compare a learned model with the true one."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import click
import numpy as np

from pomdptool.analysis.compare import EPISODES, STEPS, Comparison, compare
from pomdptool.analysis.transfer import Transfer, transfer
from pomdptool.commands.click_help import Command
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.models import open_model, result_stream, write_json
from pomdptool.commands.numbers import MAX_STEPS, MAX_STORED, Real, Whole
from pomdptool.commands.options import (
    EXISTING_OR_INPUT,
    chosen_seed,
    ignored_verbose_option,
    json_option,
    output_option,
    quiet_option,
    seed_option,
)
from pomdptool.commands.progress import announce_compiling, part_progress
from pomdptool.commands.terminal import say_wrapped, show_pairs
from pomdptool.limits import Limits
from pomdptool.model import Model


@click.command(
    cls=Command,
    example="pomdptool compare tiger.pomdp learned.pomdp --seed 1",
    sections={"Trajectories": ("episodes", "steps")},
)
@click.argument("true", type=EXISTING_OR_INPUT)
@click.argument("learned", type=EXISTING_OR_INPUT)
@click.option(
    "--episodes", metavar="N", type=Whole(1, MAX_STORED),
    help="Number of random trajectories sampled from each model; by default 200, or fewer if they "
    "would take more than a few seconds.",
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
    "--time-limit", metavar="SECONDS", type=Real(min=0.0), default=5.0, show_default=True,
    help="Time limit of the whole comparison; when it is reached, the best result so far is "
    "returned.",
)  # fmt: skip
@seed_option
@output_option("Write the result to this file.")
@json_option
@quiet_option
@ignored_verbose_option
def command(
    true: str,
    learned: str,
    episodes: int | None,
    steps: int,
    precision: float,
    time_limit: float,
    seed: int | None,
    output: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Align the hidden states of two models and measure how much the models differ.

    Distances are total variation distances between rows; log-likelihood rates between the models
    are in nats per step. Each model is solved and its policy is evaluated in the other model,
    exactly where that is fast and otherwise by simulation.

    An interrupt (Ctrl-C) prints the parts done so far and exits with code 130.
    """
    if (episodes or EPISODES) * steps > MAX_STEPS:
        raise click.UsageError(f"--episodes times --steps is more than {MAX_STEPS}.")
    models = [open_model(path, None, quiet=quiet) for path in (true, learned)]
    seed = chosen_seed(seed, quiet)
    if not quiet:
        announce_compiling()
    rng, limits = np.random.default_rng(seed), Limits(time_limit)
    with interruptible() as interrupted, part_progress(interrupted, quiet=quiet) as on_part:
        limits.interrupted = interrupted
        comparison = compare(
            models[0], models[1], rng=rng, episodes=episodes, steps=steps,
            time_limit=time_limit / 2.0, on_part=on_part, interrupted=interrupted,
        )  # fmt: skip
        document, reasons = _document(models[0], models[1], comparison), comparison.reasons
        if _solvable(*models):
            transferred = transfer(
                *models, rng=rng, precision=precision, on_part=on_part, interrupted=interrupted,
                time_limit=limits.clock.remaining(time_limit),
            )  # fmt: skip
            document.update(_returns(models[0], models[1], transferred))
            reasons = reasons | _renamed(transferred.reasons)
        elif not quiet:
            say_wrapped(
                "note: policies are not compared: both models need rewards and a discount below 1"
            )
        stopped = interrupted()
    if as_json:
        write_json({**document, "reasons": reasons, "seed": seed}, output)
    else:
        table = {"states": ", ".join(f"{s} = {s2}" for s, s2 in document.pop("states").items())}
        table.update((key, _text(value)) for key, value in document.items())
        rows = [(key.replace("_", " "), _with(x, reasons.get(key))) for key, x in table.items()]
        with result_stream(output) as stream:
            show_pairs(rows, stream)
    return INTERRUPTED if stopped else 0


def _renamed(reasons: dict[str, str]) -> dict[str, str]:
    """Reasons of a Transfer by the keys of the document."""
    names = {"true_optimum": "optimum_true", "learned_optimum": "optimum_learned"}
    return {names.get(key, key): reason for key, reason in reasons.items()}


def _with(text: str, reason: str | None) -> str:
    """A result, and why this is not all of it."""
    return text if reason is None else f"{text} ({reason})"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "{:.6g} to {:.6g}".format(*value)
    if not isinstance(value, dict):
        return "not computed" if math.isnan(value) else f"{value:.6g}"
    if "mean" in value:
        return "mean {mean:.4g}, maximum {worst:.4g}".format(**value)
    error = value["standard_error"]
    if math.isnan(value["value"]):
        return "not computed"
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
