"""`pomdptool loglik`: the log-likelihood of data under a model."""

from __future__ import annotations

from typing import Any

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.data import ModelAndData, model_and_data
from pomdptool.commands.models import result_stream, write_json
from pomdptool.commands.options import json_option, output_option, threads_option
from pomdptool.commands.terminal import show_pairs
from pomdptool.episodes import Episodes
from pomdptool.learning.likelihood import Likelihood, loglik

CRITERIA = ("bic", "aic")


@click.command(cls=Command, example="pomdptool loglik learned.pomdp data.csv")
@model_and_data
@click.option("--per-episode", is_flag=True, help="Also print the log-likelihood of each episode.")
@threads_option
@output_option("Write the result to this file.")
@json_option
def command(
    files: ModelAndData,
    per_episode: bool,
    threads: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Compute the log-likelihood of DATA under MODEL; -inf if a step has probability zero."""
    model, episodes = files.read()
    likelihood = loglik(model, episodes, threads=threads)
    if as_json:
        write_json(_document(likelihood, episodes, per_episode), output)
        return
    rows = _document(likelihood, episodes, per_episode=False).items()
    part = "" if episodes.rewards is None else " (of the observations, without rewards)"
    texts = {key: _text(value) + part * (key in CRITERIA) for key, value in rows}
    with result_stream(output) as stream:
        show_pairs([(key.replace("_", " "), text) for key, text in texts.items()], stream)
        if per_episode:
            for e, value in zip(episodes.labels, likelihood.per_episode.tolist(), strict=True):
                stream.write(f"episode {e}\t{value:.10g}\n")


def _document(likelihood: Likelihood, episodes: Episodes, per_episode: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "loglik": likelihood.loglik,
        "loglik_per_step": likelihood.loglik_per_step,
        "perplexity": likelihood.perplexity,
        "steps": likelihood.n_steps,
        "observed_steps": likelihood.n_observed,
        "episodes": episodes.n_episodes,
        "bic": likelihood.bic,
        "aic": likelihood.aic,
    }
    if likelihood.impossible:
        document["impossible"] = likelihood.impossible
    if per_episode:
        document["per_episode"] = [
            {"episode": e, "loglik": value}
            for e, value in zip(episodes.labels, likelihood.per_episode.tolist(), strict=True)
        ]
    return document


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
