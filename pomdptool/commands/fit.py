"""`pomdptool fit`: learn a model from data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
import numpy as np

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.data import DataFormat, data_argument, data_options, open_episodes
from pomdptool.commands.fit_options import EmOptions, StateOptions, em_options, state_options
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.models import open_model, warn, write_result
from pomdptool.commands.options import (
    EXISTING,
    chosen_seed,
    model_kind,
    model_output_option,
    quiet_option,
    seed_option,
    verbose_option,
)
from pomdptool.commands.paths import Output
from pomdptool.commands.progress import announce_compiling, learning_progress
from pomdptool.commands.report import show_candidates, show_fit, show_split
from pomdptool.commands.terminal import say_wrapped
from pomdptool.episodes import Episodes
from pomdptool.formats.fit_report import write_fit_report
from pomdptool.formats.models import encode_model
from pomdptool.learning.fit import fit
from pomdptool.learning.information import StandardErrors, standard_errors
from pomdptool.learning.result import Fit
from pomdptool.learning.select import Candidate, select
from pomdptool.learning.utile_distinction import Split, distinguish
from pomdptool.limits import Limits
from pomdptool.trace import FitReport


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
@model_output_option
@state_options
@click.option(
    "--values",
    type=Choice(["reward", "cost"]),
    help="Whether the reward column holds rewards or costs; by default as in the model of --init "
    "or --like.",
)
@click.option(
    "--init",
    metavar="MODEL",
    type=EXISTING,
    help="Start EM from this model instead of random restarts.",
)
@click.option(
    "--like",
    metavar="MODEL",
    type=EXISTING,
    help="Take the names of actions and observations, and whether rewards are costs, from this "
    "model.",
)
@em_options
@seed_option
@click.option(
    "--report",
    metavar="FILE",
    type=Output(),
    help="Write a report to this file, as JSON: history, restarts, criteria, warnings.",
)
@data_options
@quiet_option
@verbose_option
def command(
    data: str,
    output: str | None,
    choice: StateOptions,
    values: str | None,
    init: str | None,
    like: str | None,
    em: EmOptions,
    seed: int | None,
    report: str | None,
    data_format: DataFormat,
    quiet: bool,
    verbose: bool,
) -> int:
    """Learn a POMDP from a log of actions and observations (and rewards).

    A row of DATA is an action with the observation and reward that followed. Its columns are
    episode, step, action, observation, reward, terminated and truncated. If there are rewards, the
    reward model is learned as well; if episodes terminated, one of the states is terminal. An
    interrupt (Ctrl-C) writes the best model so far and exits with code 130.

    `--method udm` (utile distinction, McCallum 1993) starts with one state per observation, or with
    `--states`, and splits states whose expected returns depend on how they were entered.
    """
    kind = model_kind(output)
    choice.check(init, em.fix)
    initial = None if init is None else open_model(init, None, quiet=quiet)
    names = initial if like is None else open_model(like, None, quiet=quiet)
    costs = names is not None and names.costs if values is None else values == "cost"
    episodes, data_warnings = open_episodes(data, names, data_format, quiet=quiet)
    seed = chosen_seed(seed, quiet or initial is not None)
    if not quiet:
        announce_compiling()
    with (
        interruptible() as interrupted,
        learning_progress(interrupted, quiet=quiet, verbose=verbose) as on_step,
    ):
        limits = Limits(em.time_limit, interrupted)
        keywords = asdict(em) | {
            "rng": np.random.default_rng(seed),
            "init": initial,
            "costs": costs,
            "on_step": on_step,
            "interrupted": interrupted,
        }
        result, candidates, splits = _learn(episodes, choice, keywords, quiet=quiet)
        errors = None
        if report is not None and result.rewards is not None:
            errors = standard_errors(result, episodes, threads=em.threads, limits=limits)
    seconds = limits.seconds
    text, model_warnings = encode_model(result.model, kind)
    write_result(text, output)
    if report is not None:
        warnings = (*data_warnings, *result.warnings)
        document = _report(result, errors, candidates, splits, warnings, seed)
        write_result(write_fit_report(document), report)
    if not quiet:
        show_candidates(candidates, result, choice.by)
        show_fit(result, seconds)
        if episodes.rewards is None and not result.model.rewards.stored.any():
            say_wrapped(
                "note: the data have no rewards, and so has the model: add R: lines to its file "
                "before solving it"
            )
    warn((*result.warnings, *model_warnings), quiet=quiet)
    return INTERRUPTED if result.stop_reason == "interrupted" else 0


def _learn(
    episodes: Episodes, choice: StateOptions, keywords: dict[str, Any], *, quiet: bool
) -> tuple[Fit, tuple[Candidate, ...], tuple[Split, ...]]:
    """Learn a model; return it with the candidates or splits."""
    if choice.method == "udm":
        distinction = distinguish(
            episodes,
            choice.first,
            significance=choice.significance,
            max_states=choice.max_states,
            on_split=None if quiet else show_split,
            **keywords,
        )
        return distinction.fit, (), distinction.splits
    if len(choice.states) > 1:
        selection = select(episodes, choice.states, by=choice.by, **keywords)
        return selection.fit, selection.candidates, ()
    return fit(episodes, choice.first, **keywords), (), ()


def _report(
    result: Fit,
    errors: StandardErrors | None,
    candidates: tuple[Candidate, ...],
    splits: tuple[Split, ...],
    warnings: tuple[str, ...],
    seed: int,
) -> FitReport:
    settings = asdict(result.settings)
    details = {
        "loglik": result.loglik,
        "loglik_per_step": result.loglik_per_step,
        "loglik_with_rewards": result.joint,
        "iterations": result.iterations,
        "converged": result.converged,
        "stop_reason": result.stop_reason,
        "bic": result.bic,
        "aic": result.aic,
        "parameters": result.parameters,
        "candidates": [_candidate(candidate) for candidate in candidates],
        "splits": [asdict(split) for split in splits],
        "warnings": warnings,
        "observed_steps": result.n_observed,
        "seed": seed,
        "settings": {**settings, "fix": sorted(settings["fix"])},
        "rewards": None if errors is None else _rewards(result, errors),
    }
    return FitReport(
        result.model.n_states, result.n_steps, result.history, result.restarts, details
    )


def _rewards(result: Fit, errors: StandardErrors) -> dict[str, Any]:
    assert result.rewards is not None
    model = result.model
    names = (model.actions, model.states, model.states, model.observations)
    without = []
    for reason in dict.fromkeys(errors.reasons[errors.reasons != ""]):
        indices = np.argwhere(errors.reasons == reason)
        entries = [[axis[k] for axis, k in zip(names, at, strict=False)] for at in indices]
        without.append({"reason": reason, "entries": entries})
    return {
        "values": result.rewards.R,
        "standard_errors": errors.errors,
        "without_standard_error": without,
        "visits": result.rewards.visits,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    result = candidate.fit
    return {
        "states": candidate.states,
        "loglik": result.loglik,
        "loglik_with_rewards": result.joint,
        "parameters": result.parameters,
        "bic": result.bic,
        "aic": result.aic,
        "heldout_per_step": candidate.heldout,
        "iterations": result.iterations,
        "converged": result.converged,
    }
