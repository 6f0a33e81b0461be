"""`pomdptool decode`: which states the data went through."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.data import data_argument, data_options, open_both
from pomdptool.commands.help import Choice, Command
from pomdptool.commands.models import write_json
from pomdptool.commands.options import (
    EXISTING,
    from_option,
    json_option,
    nothing_more_option,
    quiet_option,
)
from pomdptool.commands.terminal import escaped
from pomdptool.formats.files import Kind
from pomdptool.learning.decode import Decoded, Method, decode
from pomdptool.model import Model


@click.command(cls=Command, example="pomdptool decode learned.pomdp data.csv --method viterbi")
@click.argument("model", type=EXISTING)
@data_argument
@click.option(
    "--method",
    type=Choice(["posterior", "viterbi", "filter"]),
    default="posterior",
    show_default=True,
    help="posterior: smoothed, given the whole episode; viterbi: the most likely path; filter: "
    "given "
    "the data up to each step.",
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
@json_option
@from_option
@data_options
@quiet_option
@nothing_more_option
def command(
    model: str,
    data: str,
    method: Method,
    show: str,
    as_json: bool,
    kind: Kind | None,
    quiet: bool,
    **columns: Any,
) -> None:
    """State estimates for each step of DATA under MODEL, as CSV: the state after the step."""
    read, episodes = open_both(model, kind, data, quiet=quiet, **columns)
    found = zip(episodes.labels, decode(read, episodes, method), strict=True)
    if as_json:
        document = {
            "method": method,
            "what": show,
            "columns": _columns(read, show),
            "episodes": [_document(read, e, one, show) for e, one in found],
        }
        write_json(document, indent=None)
        return
    import csv

    if sys.stdout.isatty():
        read = escaped(read, "states", "observations")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["episode", "step", "best", *_columns(read, show)])
    for e, one in found:
        best = [read.states[s] for s in one.path]
        for t, row in enumerate(_rows(one, show)):
            writer.writerow([e, t, best[t], *row.tolist()])


def _columns(model: Model, what: str) -> list[str]:
    if what == "transitions":
        return [f"{s}->{s2}" for s, s2 in itertools.product(model.states, repeat=2)]
    return list(model.states if what == "states" else model.observations)


def _rows(one: Decoded, what: str) -> Iterator[np.ndarray]:
    table = {"states": lambda: one.states, "transitions": lambda: one.transitions}
    chosen = table.get(what, lambda: one.outputs)()
    yield from chosen.reshape(len(chosen), -1)


def _document(model: Model, e: int, one: Decoded, what: str) -> dict[str, Any]:
    return {
        "episode": e,
        "log_probability": one.log_probability,
        "best": [model.states[s] for s in one.path],
        "probabilities": list(_rows(one, what)),
    }
