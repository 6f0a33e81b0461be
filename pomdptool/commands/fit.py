"""`pomdptool fit`: a model from data."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from pomdptool.commands.data import data_argument, data_options, open_episodes
from pomdptool.commands.help import Choice, Command
from pomdptool.commands.interrupts import interruptible
from pomdptool.commands.models import open_model, warn, write_result
from pomdptool.commands.numbers import Real, Whole
from pomdptool.commands.options import (
    EXISTING,
    chosen_seed,
    output_kind,
    output_option,
    quiet_option,
    seed_option,
    threads_option,
    time_limit_option,
    verbose_option,
)
from pomdptool.commands.paths import Output
from pomdptool.commands.progress import announce_compiling, learning_progress
from pomdptool.commands.report import show_candidates, show_fit, show_split
from pomdptool.formats.files import WRITTEN_KINDS, WrittenKind, encode_model
from pomdptool.formats.fit_report import write_fit_report
from pomdptool.learning.fit import fit
from pomdptool.learning.fitted import Fit
from pomdptool.learning.information import StandardErrors, standard_errors
from pomdptool.learning.maximisation import PARTS, PSEUDO_COUNT
from pomdptool.learning.select import Candidate, select
from pomdptool.learning.utile import MAX_STATES, SIGNIFICANCE, Split, distinguish
from pomdptool.limits import Limits
from pomdptool.trace import FitReport

Decorated = Callable[..., Any]


def _sizes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Numbers of states that `4`, `2:8` or `2,4,6` means."""
    if value is None:
        return ()
    if re.fullmatch(r"[0-9]{1,5}:[0-9]{1,5}", value):
        low, high = map(int, value.split(":"))
        sizes = tuple(range(low, high + 1))
    elif re.fullmatch(r"[0-9]{1,5}(,[0-9]{1,5})*", value):
        sizes = tuple(map(int, value.split(",")))
    else:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise click.BadParameter(f"{value!r} is not like 4, 2:8 or 2,4,6.", ctx, param)
    return sizes


def _parts(ctx: click.Context, param: click.Parameter, value: str) -> Collection[str]:
    parts = [part for part in value.split(",") if part]
    for part in parts:
        if part not in PARTS:
            raise click.BadParameter(f"{part!r} is not one of {', '.join(PARTS)}.", ctx, param)
    return parts


def _prior(table: str) -> Callable[[Decorated], Decorated]:
    return click.option(
        f"--prior-{table}",
        metavar="K",
        type=Real(min=0.0),
        default=PSEUDO_COUNT,
        show_default=True,
        help=f"Dirichlet pseudo-count of each {table} probability.",
    )


@click.command(
    cls=Command,
    updates=("init",),
    example="pomdptool fit data.csv --states 2 --seed 1 -o learned.pomdp",
    sections={
        "Model": (
            *("method", "states", "by", "significance", "max_states"),
            *("observation_model", "reward_model", "values", "discount", "like"),
        ),
        "Search": ("restarts", "init", "max_iter", "tol", "damping", "fix"),
        "Priors": ("prior_transition", "prior_observation", "prior_start", "prior_reward"),
        "Output": ("output", "report"),
    },
)
@data_argument
@click.option(
    "--states",
    metavar="N",
    callback=_sizes,
    help="Number of hidden states: 4; or 2:8 or 2,4,6 to choose from.",
)
@output_option("Write the model here: .pomdp or .json, also with .gz.")
@click.option(
    "--method",
    type=Choice(["em", "udm"]),
    default="em",
    show_default=True,
    help="em: Baum-Welch with the given number of states; udm: utile distinction, which splits "
    "states where returns differ.",
)
@click.option(
    "--significance", metavar="P", type=Real(0.0, 1.0, min_open=True, max_open=True),
    default=SIGNIFICANCE, show_default=True, help="With udm: significance level for splitting a "
    "state.",
)  # fmt: skip
@click.option(
    "--max-states", metavar="N", type=Whole(), default=MAX_STATES, show_default=True,
    help="With udm: largest number of states.",
)  # fmt: skip
@click.option(
    "--select",
    "by",
    type=Choice(["bic", "aic", "heldout"]),
    default="bic",
    show_default=True,
    help="Criterion that chooses among several --states; needs a range such as 2:8.",
)
@click.option(
    "--values",
    type=Choice(["reward", "cost"]),
    help="What the column of rewards holds; by default what the model of --init or --like has.",
)
@click.option(
    "--observation-model",
    type=Choice(["per-action", "shared"]),
    default="per-action",
    show_default=True,
    help="per-action: O depends on the action; shared: one O for all actions.",
)
@click.option(
    "--reward-model",
    type=Choice(["auto", "state", "transition"]),
    default="auto",
    show_default=True,
    help="state: R[a, s]; transition: R[a, s, s', o]; auto: chosen from the data.",
)
@click.option(
    "--restarts", metavar="N", type=Whole(1, 10_000), default=10, show_default=True,
    help="Number of random initialisations; the best result is kept.",
)  # fmt: skip
@click.option(
    "--init",
    metavar="MODEL",
    type=EXISTING,
    help="Start from this model, as the only start.",
)
@click.option(
    "--max-iter", metavar="N", type=Whole(), default=1000, show_default=True,
    help="Largest number of EM iterations of a start.",
)  # fmt: skip
@click.option(
    "--tol", metavar="X", type=Real(min=0.0), default=1e-6, show_default=True,
    help="Stop when an iteration gains less log-likelihood per step of the data.",
)  # fmt: skip
@_prior("transition")
@_prior("observation")
@_prior("start")
@_prior("reward")
@click.option(
    "--damping", metavar="W", type=Real(0.0, 1.0, max_open=True), default=0.0,
    show_default=True, help="Weight W of the old parameters; the new ones have 1 - W.",
)  # fmt: skip
@click.option(
    "--fix",
    metavar="T,O,start",
    callback=_parts,
    default="",
    help="Parts that keep the values of --init; start alone: uniform without --init.",
)
@click.option(
    "--discount", metavar="D", type=Real(0.0, 1.0), default=0.95, show_default=True,
    help="Discount of the model that is written.",
)  # fmt: skip
@click.option(
    "--like",
    metavar="MODEL",
    type=EXISTING,
    help="Take the names of actions and observations, and whether rewards are costs, from this "
    "model.",
)
@seed_option
@threads_option
@time_limit_option
@click.option(
    "--report",
    metavar="FILE",
    type=Output(),
    help="Write a report here, as JSON: history, starts, criteria, warnings.",
)
@data_options
@quiet_option
@verbose_option
def command(
    data: str,
    states: tuple[int, ...],
    output: str | None,
    method: str,
    significance: float,
    max_states: int,
    by: Any,
    values: str | None,
    init: str | None,
    like: str | None,
    seed: int | None,
    report: str | None,
    quiet: bool,
    verbose: bool,
    observation_model: Any,
    reward_model: Any,
    restarts: int,
    max_iter: int,
    tol: float,
    prior_transition: float,
    prior_observation: float,
    prior_start: float,
    prior_reward: float,
    damping: float,
    fix: Collection[str],
    discount: float,
    threads: int | None,
    time_limit: float | None,
    **columns: Any,
) -> int:
    """Learn a POMDP from a log of actions and observations (and rewards).

    A row of DATA is an action and what followed it: columns episode, step, action, observation,
    reward, terminated, truncated. Rewards tell hidden states apart as observations do. Where
    episodes terminated, one of the states is terminal. An interrupt (Ctrl-C) writes the best model
    so far and exits with code 130.

    With `--method udm` (McCallum 1993) learning starts with a state for each observation, or with
    `--states`, and splits states where the returns that follow depend on how they were entered.
    """
    kind: WrittenKind = output_kind(
        output, WRITTEN_KINDS, "a model is written as .pomdp or .json", "pomdp"
    )
    if not states and init is None and method == "em":
        raise click.UsageError("--states says how many states to learn.")
    _check_options(method, states, max_states, init, fix)
    given = None if init is None else open_model(init, None, quiet=quiet)
    names = given if like is None else open_model(like, None, quiet=quiet)
    costs = names is not None and names.costs if values is None else values == "cost"
    episodes, odd = open_episodes(data, names, quiet=quiet, **columns)
    seed = chosen_seed(seed, quiet or given is not None)
    if not quiet:
        announce_compiling()
    with interruptible() as interrupted, learning_progress(quiet, verbose) as on_step:
        limits = Limits(time_limit, interrupted)
        options: dict[str, Any] = {
            "rng": np.random.default_rng(seed),
            "restarts": restarts,
            "observation_model": observation_model,
            "reward_model": reward_model,
            "init": given,
            "max_iter": max_iter,
            "tol": tol,
            "prior_transition": prior_transition,
            "prior_observation": prior_observation,
            "prior_start": prior_start,
            "prior_reward": prior_reward,
            "damping": damping,
            "fix": fix,
            "discount": discount,
            "costs": costs,
            "threads": threads,
            "time_limit": time_limit,
            "on_step": on_step,
            "interrupted": interrupted,
        }
        candidates: tuple[Candidate, ...] = ()
        splits: tuple[Split, ...] = ()
        if method == "udm":
            distinction = distinguish(
                episodes,
                states[0] if states else None,
                significance=significance,
                max_states=max_states,
                on_split=None if quiet else show_split,
                **options,
            )
            found, splits = distinction.fit, distinction.splits
        elif len(states) > 1:
            selection = select(episodes, states, by=by, **options)
            found, candidates = selection.fit, selection.candidates
        else:
            found = fit(episodes, states[0] if states else None, **options)
        errors = None
        if report is not None and found.rewards is not None:
            errors = standard_errors(found, episodes, threads=threads, limits=limits)
    text, said = encode_model(found.model, kind)
    write_result(text, output)
    if report is not None:
        warnings = (*odd, *found.warnings)
        write_result(
            write_fit_report(_report(found, errors, candidates, splits, warnings, seed)), report
        )
    if not quiet:
        show_candidates(candidates, found.model.n_states)
        show_fit(found)
    warn((*found.warnings, *said), quiet=quiet)
    return 130 if found.stop_reason == "interrupted" else 0


def _check_options(
    method: str, states: tuple[int, ...], most: int, init: str | None, fix: Collection[str]
) -> None:
    """Refuse options that would be ignored."""
    if method == "udm" and len(states) > 1:
        raise click.UsageError("--method udm begins with one number of states.")
    if method == "udm" and states and states[0] > most:
        raise click.UsageError(f"--states {states[0]} is more than --max-states {most}.")
    source = click.get_current_context().get_parameter_source
    for name, applies, needed in (
        ("significance", method == "udm", "needs --method udm"),
        ("max_states", method == "udm", "needs --method udm"),
        ("by", len(states) > 1, "needs several numbers of states, such as --states 2:4"),
        ("restarts", init is None, "does not go with --init, which is the only start"),
        ("fix", init is not None or method == "udm" or set(fix) <= {"start"}, "needs --init"),
    ):
        if source(name) is ParameterSource.COMMANDLINE and not applies:
            option = {"by": "select"}.get(name, name).replace("_", "-")
            raise click.UsageError(f"--{option} {needed}.")


def _report(
    found: Fit,
    errors: StandardErrors | None,
    candidates: tuple[Candidate, ...],
    splits: tuple[Split, ...],
    warnings: tuple[str, ...],
    seed: int,
) -> FitReport:
    settings = asdict(found.settings)
    details = {
        "loglik": found.loglik,
        "loglik_per_step": found.loglik_per_step,
        "loglik_with_rewards": found.joint,
        "iterations": found.iterations,
        "converged": found.converged,
        "stop_reason": found.stop_reason,
        "bic": found.bic,
        "aic": found.aic,
        "parameters": found.parameters,
        "candidates": [_candidate(candidate) for candidate in candidates],
        "splits": [asdict(split) for split in splits],
        "warnings": warnings,
        "observed_steps": found.n_observed,
        "seed": seed,
        "settings": {**settings, "fix": sorted(settings["fix"])},
        "rewards": None if errors is None else _rewards(found, errors),
    }
    return FitReport(found.model.n_states, found.n_steps, found.history, found.restarts, details)


def _rewards(found: Fit, errors: StandardErrors) -> dict[str, Any]:
    assert found.rewards is not None
    model = found.model
    names = (model.actions, model.states, model.states, model.observations)
    without = [
        {
            "reason": reason,
            "entries": [
                [name[k] for name, k in zip(names, at, strict=False)]
                for at in np.argwhere(errors.reasons == reason)
            ],
        }
        for reason in dict.fromkeys(errors.reasons[errors.reasons != ""])
    ]
    return {
        "values": found.rewards.R,
        "standard_errors": errors.errors,
        "without_standard_error": without,
        "visits": found.rewards.visits,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    found = candidate.fit
    return {
        "states": candidate.states,
        "loglik": found.loglik,
        "loglik_with_rewards": found.joint,
        "parameters": found.parameters,
        "bic": found.bic,
        "aic": found.aic,
        "heldout_per_step": candidate.heldout,
        "iterations": found.iterations,
        "converged": found.converged,
    }
