"""`pomdptool loglik`: the log-likelihood of data under a model."""

from __future__ import annotations

import sys
from typing import Any

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.data import (
    ModelAndData,
    model_and_data,
)
from pomdptool.commands.models import write_json
from pomdptool.commands.options import json_option, threads_option
from pomdptool.commands.terminal import show_pairs
from pomdptool.episodes import Episodes
from pomdptool.learning.likelihood import Likelihood, loglik


@click.command(cls=Command, example="pomdptool loglik learned.pomdp data.csv")
@model_and_data
@click.option("--per-episode", is_flag=True, help="Also print the log-likelihood of each episode.")
@threads_option
@json_option
def command(files: ModelAndData, per_episode: bool, threads: int | None, as_json: bool) -> None:
    """Compute the log-likelihood of DATA under MODEL; -inf if a step has probability zero."""
    model, episodes = files.read()
    found = loglik(model, episodes, threads=threads)
    if as_json:
        write_json(_document(found, episodes, per_episode))
        return
    shown = _document(found, episodes, False).items()
    show_pairs([(key.replace("_", " "), _text(value)) for key, value in shown], sys.stdout)
    if per_episode:
        for e, value in zip(episodes.labels, found.per_episode.tolist(), strict=True):
            sys.stdout.write(f"episode {e}\t{value:.10g}\n")


def _document(found: Likelihood, episodes: Episodes, per_episode: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "loglik": found.loglik,
        "loglik_per_step": found.loglik_per_step,
        "perplexity": found.perplexity,
        "steps": found.n_steps,
        "observed_steps": found.n_observed,
        "episodes": episodes.n_episodes,
        "bic": found.bic,
        "aic": found.aic,
    }
    if found.impossible:
        document["impossible"] = found.impossible
    if per_episode:
        document["per_episode"] = [
            {"episode": e, "loglik": value}
            for e, value in zip(episodes.labels, found.per_episode.tolist(), strict=True)
        ]
    return document


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
