"""`pomdptool loglik`: how likely data are under a model."""

from __future__ import annotations

import sys
from typing import Any

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.data import data_argument, data_options, open_both
from pomdptool.commands.models import write_json
from pomdptool.commands.options import (
    EXISTING,
    from_option,
    json_option,
    nothing_more_option,
    quiet_option,
    threads_option,
)
from pomdptool.commands.terminal import show_pairs
from pomdptool.episodes import Episodes
from pomdptool.formats.files import Kind
from pomdptool.learning.likelihood import Likelihood, loglik


@click.command(cls=Command, example="pomdptool loglik learned.pomdp data.csv")
@click.argument("model", type=EXISTING)
@data_argument
@click.option("--per-episode", is_flag=True, help="Show each episode's log-likelihood too.")
@threads_option
@json_option
@from_option
@data_options
@quiet_option
@nothing_more_option
def command(
    model: str,
    data: str,
    per_episode: bool,
    threads: int | None,
    as_json: bool,
    kind: Kind | None,
    quiet: bool,
    **columns: Any,
) -> None:
    """Log-likelihood of DATA under MODEL; minus infinity where a step is impossible."""
    read, episodes = open_both(model, kind, data, quiet=quiet, **columns)
    found = loglik(read, episodes, threads=threads)
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
