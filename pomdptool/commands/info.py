"""`pomdptool info`: the sizes and structure of a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click
import numpy as np

from pomdptool.analysis.info import ModelInfo, info
from pomdptool.commands.click_help import Command
from pomdptool.commands.models import read_text, write_json
from pomdptool.commands.options import (
    from_option,
    json_option,
    model_argument,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.policy_rows import policy_document, policy_rows
from pomdptool.commands.tables import show_tables
from pomdptool.commands.terminal import plural, say_wrapped, show_pairs
from pomdptool.errors import FormatError
from pomdptool.formats.models import Kind, read_model
from pomdptool.formats.policy.read import is_policy, read_policy
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.printable import printable

WIDTH = 56
"""Maximum length of a list of names without `-v`."""


@click.command(
    cls=Command, example="pomdptool info tiger.pomdp\npomdptool info tiger.pomdp --tables"
)
@model_argument
@click.option("--tables", is_flag=True, help="Also show T, O and R, cut to the size of the screen.")
@from_option
@json_option
@quiet_option
@verbose_option
def command(
    path: str, tables: bool, kind: Kind | None, as_json: bool, quiet: bool, verbose: bool
) -> None:
    """Show a model's sizes, density, initial belief, terminal states and rewards.

    Of a policy (JSON) it shows what `policy` shows.

    Belief blocks partition the states: after the first step, the support of every belief lies in
    one block. If each block is one state, the state is fully observed.
    """
    if tables and as_json:
        raise click.UsageError("--tables cannot be combined with --json; use `convert --to json`.")
    text, file = read_text(path)
    if kind is None and is_policy(text):
        if tables:
            raise click.UsageError("--tables is for models; this is a policy.")
        _show_policy(read_policy(text, file), as_json=as_json)
        return
    model, findings = read_model(text, file, kind=kind)
    if model is None:
        raise FormatError(findings)
    described = info(model, findings)
    if as_json:
        write_json(asdict(described))
        return
    show_pairs(_rows(model, described, 10**9 if verbose else WIDTH), sys.stdout)
    if tables:
        show_tables(model, sys.stdout, everything=verbose)
    if not quiet:
        for warning in described.warnings:
            say_wrapped(warning)


def _show_policy(policy: SolvedPolicy, *, as_json: bool) -> None:
    from pomdptool.analysis.ask import policy_info

    described = policy_info(policy)
    if as_json:
        write_json(policy_document(policy, described))
    else:
        show_pairs(policy_rows(policy, described), sys.stdout)


def _rows(model: Model, described: ModelInfo, width: int) -> list[tuple[str, str]]:
    d, A, S, Z = described, model.n_actions, model.n_states, model.n_observations
    rewards = f"{d.reward_min:g} to {d.reward_max:g}, {_reward_axes(model)}"
    rows = [
        ("states", _counted(model.states, width)),
        ("actions", _counted(model.actions, width)),
        ("observations", "the state" if model.mdp else _counted(model.observations, width)),
        ("discount", f"{d.discount:g}"),
        ("values", d.values),
        ("start", _start(model, width)),
        ("T", _density(d.nonzero_T, A * S, S)),
        ("O", _density(d.nonzero_O, A * S, Z)),
        (f"{d.values}s", rewards),
        ("terminal states", _terminal(d.terminal_states, width)),
        ("belief blocks", f"{d.blocks}, largest of {plural(d.largest_block, 'state')}"),
    ]
    for table, off in d.renormalised.items():
        changed = f"{plural(off.rows, 'row')} of {table}"
        rows.append(("renormalised", f"{changed}, sums off by at most {off.worst:.1e}"))
    return rows


def _counted(names: tuple[str, ...], width: int) -> str:
    if names[-1] == str(len(names) - 1):
        return str(len(names))
    return f"{len(names)}: {_some(names, width)}"


def _some(names: Sequence[str], width: int) -> str:
    """As many names as fit into the width."""
    text = ""
    for k, name in enumerate(map(printable, names)):
        if len(text) + len(name) > width:
            return f"{text}... ({len(names) - k} more)"
        text += f"{name} "
    return text.rstrip()


def _start(model: Model, width: int) -> str:
    (support,) = np.nonzero(model.start)
    names = [model.states[s] for s in support]
    if len(support) == 1:
        return names[0]
    p = model.start[support]
    kind = "uniform" if np.ptp(p) < 1e-5 else "non-uniform"
    if len(support) == model.n_states:
        return f"{kind} over all states"
    return f"{kind} over {len(support)} states: {_some(names, width)}"


def _density(nonzeros: int, rows: int, columns: int) -> str:
    per_row = nonzeros / rows
    return f"{nonzeros} nonzero, {per_row:.3g} per row (density {per_row / columns:.3g})"


def _reward_axes(model: Model) -> str:
    """The variables that the rewards depend on."""
    rewards, names = model.rewards, ("action", "state", "next state", "observation")
    if rewards.table is None:
        return f"by {', '.join(names if rewards.by_observation else names[:3])}"
    used = [name for name, n in zip(names, rewards.table.shape, strict=True) if n > 1]
    return f"by {', '.join(used)}" if used else "constant"


def _terminal(names: tuple[str, ...], width: int) -> str:
    return f"{len(names)}: {_some(names, width)}" if names else "none"
