"""`pomdptool info`: the sizes and structure of a model."""

from __future__ import annotations

import sys
from typing import Any

import click
import numpy as np

from pomdptool.belief import Blocks, belief_blocks
from pomdptool.commands.click_help import Command
from pomdptool.commands.models import examine_model, write_json
from pomdptool.commands.options import (
    from_option,
    json_option,
    model_argument,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.tables import show_tables
from pomdptool.commands.terminal import say, show_pairs
from pomdptool.errors import Finding, FormatError
from pomdptool.formats.files import Kind
from pomdptool.model import Model
from pomdptool.printable import printable

WIDTH = 56
"""Characters of names that are shown without `-v`."""


@click.command(
    cls=Command, example="pomdptool info tiger.pomdp\npomdptool info tiger.pomdp --tables"
)
@model_argument
@click.option("--tables", is_flag=True, help="Also show T, O and R, as far as they fit the screen.")
@from_option
@json_option
@quiet_option
@verbose_option
def command(
    path: str, tables: bool, kind: Kind | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Show a model's sizes, density, initial belief, terminal states and rewards.

    Belief blocks are groups of states: after the first step the support of every belief lies in one
    block. With one state per block the state is fully observed.
    """
    if tables and as_json:
        raise click.UsageError("--tables are for people; --json: convert --to json has them.")
    model, findings, _ = examine_model(path, kind)
    if model is None:
        raise FormatError(findings)
    blocks = belief_blocks(model)
    if as_json:
        write_json(_document(model, blocks, findings))
        return
    show_pairs(_lines(model, blocks, 10**9 if verbose else WIDTH), sys.stdout)
    if tables:
        show_tables(model, sys.stdout, everything=verbose)
    if not quiet:
        for finding in findings:
            say(str(finding))


def _reward_range(model: Model) -> tuple[float, float]:
    """Least and largest reward, or cost in a cost model."""
    sign = -1.0 if model.costs else 1.0
    ends = sign * float(model.rewards.stored.min()), sign * float(model.rewards.stored.max())
    return min(ends) + 0.0, max(ends) + 0.0


def _document(model: Model, blocks: Blocks, findings: tuple[Finding, ...]) -> dict[str, Any]:
    low, high = _reward_range(model)
    return {
        "states": model.n_states,
        "actions": model.n_actions,
        "observations": model.n_observations,
        "discount": model.discount,
        "values": "cost" if model.costs else "reward",
        "start": model.start.tolist(),
        "nonzero_T": model.sparse_T.nonzeros,
        "nonzero_O": model.sparse_Z.nonzeros,
        "terminal_states": [model.states[s] for s in model.terminal_states],
        "blocks": blocks.count,
        "largest_block": blocks.largest,
        "reward_min": low,
        "reward_max": high,
        "warnings": [str(f) for f in findings],
        "renormalised": {
            table: {"rows": off.rows, "worst": off.worst}
            for table, off in model.renormalised.items()
            if off.rows
        },
    }


def _lines(model: Model, blocks: Blocks, width: int) -> list[tuple[str, str]]:
    low, high = _reward_range(model)
    A, S, Z = model.n_actions, model.n_states, model.n_observations
    lines = [
        ("states", _counted(model.states, width)),
        ("actions", _counted(model.actions, width)),
        ("observations", "the state" if model.mdp else _counted(model.observations, width)),
        ("discount", f"{model.discount:g}"),
        ("values", "cost" if model.costs else "reward"),
        ("start", _start(model, width)),
        ("T", _density(model.sparse_T.nonzeros, A * S, S)),
        ("O", _density(model.sparse_Z.nonzeros, A * S, Z)),
        ("costs" if model.costs else "rewards", f"{low:g} to {high:g}, by {_reward_axes(model)}"),
        ("terminal states", _terminal(model, width)),
        ("belief blocks", f"{blocks.count}, the largest of {blocks.largest}"),
    ]
    lines += [
        ("renormalised", f"{table}: {off.rows} rows, the worst sum off by {off.worst:.1e}")
        for table, off in model.renormalised.items()
        if off.rows
    ]
    return lines


def _counted(names: tuple[str, ...], width: int) -> str:
    if names[-1] == str(len(names) - 1):
        return str(len(names))
    return f"{len(names)}: {_some(names, width)}"


def _some(names: tuple[str, ...] | list[str], width: int) -> str:
    """As many names as fit."""
    shown = ""
    for k, name in enumerate(map(printable, names)):
        if len(shown) + len(name) > width:
            return f"{shown}... ({len(names) - k} more)"
        shown += f"{name} "
    return shown.rstrip()


def _start(model: Model, width: int) -> str:
    (support,) = np.nonzero(model.start)
    names = [model.states[s] for s in support]
    if len(support) == 1:
        return names[0]
    p = model.start[support]
    kind = "uniform" if np.ptp(p) < 1e-5 else "a distribution"
    if len(support) == model.n_states:
        return f"{kind} over all states"
    return f"{kind} over {len(support)} states: {_some(names, width)}"


def _density(nonzeros: int, rows: int, columns: int) -> str:
    per_row = nonzeros / rows
    return f"{nonzeros} nonzero, {per_row:.3g} a row ({per_row / columns:.3g} of all)"


def _reward_axes(model: Model) -> str:
    table = model.rewards.table
    if table is None:
        names = ["action", "state", "next state"]
        return ", ".join([*names, "observation"] if model.rewards.by_observation else names)
    used = [
        name
        for name, n in zip(
            ("action", "state", "next state", "observation"), table.shape, strict=True
        )
        if n > 1
    ]
    return ", ".join(used) or "nothing: it is constant"


def _terminal(model: Model, width: int) -> str:
    terminal = [model.states[s] for s in model.terminal_states]
    return f"{len(terminal)}: {_some(terminal, width)}" if terminal else "none"
