"""`pomdptool decode`: infer the hidden states of data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.data import ModelAndData, model_and_data
from pomdptool.commands.models import result_stream, write_json
from pomdptool.commands.options import json_option, output_option
from pomdptool.commands.terminal import escaped
from pomdptool.learning.decode import Decoded, Method, decode
from pomdptool.model import Model


@click.command(cls=Command, example="pomdptool decode learned.pomdp data.csv --method viterbi")
@model_and_data
@click.option(
    "--method",
    type=Choice(["posterior", "viterbi", "filter"]),
    default="posterior",
    show_default=True,
    help="posterior: smoothing, given the whole episode; viterbi: the most likely path; filter: "
    "given the data up to each step.",
)
@click.option(
    "--show",
    cls=Renamed,
    former="--what",
    type=Choice(["states", "transitions", "outputs"]),
    default="states",
    show_default=True,
    help="Probabilities to show; with filter, outputs are one-step predictions.",
)
@output_option("Write the result to this file.")
@json_option
def command(
    files: ModelAndData, method: Method, show: str, output: str | None, as_json: bool
) -> None:
    """Infer the hidden state after each step of DATA under MODEL; prints CSV."""
    model, episodes = files.read()
    results = zip(episodes.labels, decode(model, episodes, method), strict=True)
    if as_json:
        document = {
            "method": method,
            "what": show,
            "columns": _columns(model, show),
            "episodes": [_document(model, e, decoded, show) for e, decoded in results],
        }
        write_json(document, output, indent=None)
        return
    import csv

    with result_stream(output) as stream:
        if stream.isatty():
            model = escaped(model, "states", "observations")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["episode", "step", "best", *_columns(model, show)])
        for e, decoded in results:
            best = [model.states[s] for s in decoded.path]
            for t, row in enumerate(_rows(decoded, show)):
                writer.writerow([e, t, best[t], *row.tolist()])


def _columns(model: Model, show: str) -> list[str]:
    if show == "transitions":
        return [f"{s}->{s2}" for s, s2 in itertools.product(model.states, repeat=2)]
    return list(model.states if show == "states" else model.observations)


def _rows(decoded: Decoded, show: str) -> Iterator[np.ndarray]:
    table = getattr(decoded, show)
    yield from table.reshape(len(table), -1)


def _document(model: Model, e: int, decoded: Decoded, show: str) -> dict[str, Any]:
    return {
        "episode": e,
        "log_probability": decoded.log_probability,
        "best": [model.states[s] for s in decoded.path],
        "probabilities": list(_rows(decoded, show)),
    }
