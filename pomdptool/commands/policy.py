"""`pomdptool policy`: what a policy is, and what it does at a belief."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import click

from pomdptool.certificates import interval
from pomdptool.commands.beliefs import parse_belief, parse_history, read_beliefs
from pomdptool.commands.click_help import Command
from pomdptool.commands.models import (
    open_model,
    read_text,
    result_stream,
    write_json,
    write_result,
)
from pomdptool.commands.options import (
    EXISTING,
    EXISTING_OR_INPUT,
    from_option,
    json_option,
    output_option,
    quiet_option,
)
from pomdptool.commands.policy_rows import policy_document, policy_rows
from pomdptool.commands.terminal import say, show_pairs
from pomdptool.formats.models import Kind
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from pomdptool.analysis.ask import Asked, PolicyAt

MAX_STATES = 8
"""Maximum number of states of a belief that a table lists."""


@click.command(
    cls=Command,
    example="pomdptool policy tiger.json\n"
    "pomdptool policy tiger.json --at tiger-left=0.3,tiger-right=0.7\n"
    "pomdptool policy tiger.json --model tiger.pomdp --after listen:hear-left",
    sections={"Question": ("at", "after", "beliefs")},
)
@click.argument("policy_file", metavar="POLICY", type=EXISTING_OR_INPUT)
@click.option(
    "--model",
    "model_file",
    metavar="MODEL",
    type=EXISTING,
    help="The model that was solved: for values of actions, bounds, --after, and policies that do "
    "not name their model (.alpha, .policy).",
)
@click.option(
    "--at",
    metavar="BELIEF",
    help="Belief: STATE=P,... (other states 0), probabilities in the order of the states, or one "
    "state.",
)
@click.option(
    "--after",
    metavar="HISTORY",
    help="ACTION:OBSERVATION,...: ask after this history; it begins at the initial belief, or at "
    "--at.",
)
@click.option(
    "--beliefs",
    metavar="FILE",
    type=EXISTING_OR_INPUT,
    help="CSV whose columns named by states are beliefs, such as the output of decode; the answer "
    "is CSV too, and keeps the other columns.",
)
@output_option("Write the answer to this file.")
@from_option
@json_option
@quiet_option
def command(
    policy_file: str,
    model_file: str | None,
    at: str | None,
    after: str | None,
    beliefs: str | None,
    output: str | None,
    kind: Kind | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show what a policy is; at a belief: its action, its value, those of all actions, bounds.

    The value is that of the policy's alpha vectors, whose meaning is named (a lower bound, for
    example). The values of the actions are one step of look-ahead on them. The bounds enclose the
    optimal value at the belief.
    """
    from pomdptool.analysis.ask import Asked, policy_at, policy_info
    from pomdptool.formats.policy.read import read_policy

    if beliefs is not None and (at is not None or after is not None):
        raise click.UsageError("--beliefs cannot be combined with --at or --after.")
    model = None if model_file is None else open_model(model_file, kind, quiet=quiet)
    policy = read_policy(*read_text(policy_file), model)
    if beliefs is not None:
        write_result(_table(Asked(policy, model), *read_text(beliefs)), output)
        return
    info = policy_info(policy)
    document, rows = policy_document(policy, info), policy_rows(policy, info)
    if at is not None or after is not None:
        problem = policy.problem
        belief = None if at is None else parse_belief(at, problem.states)
        history = parse_history(after, problem.actions, problem.observations) if after else []
        answer = policy_at(policy, belief, model, history=history)
        if model is not None and not quiet:
            _note_other_actions(model, policy, belief, history)
        document["at"] = _document(policy, answer)
        rows += _rows(policy, answer, model)
    if as_json:
        write_json(document, output)
        return
    with result_stream(output) as stream:
        show_pairs(rows, stream)


def _note_other_actions(
    model: Model, policy: SolvedPolicy, belief: FloatArray | None, history: list[tuple[int, int]]
) -> None:
    """Say at which step a history first has an action that is not the policy's."""
    from pomdptool.acting.agents import agent_for

    if belief is not None and policy.horizon is not None and not policy.stages:
        return  # the policy's actions at later steps are unknown
    agent = agent_for(model, policy, belief)
    start = model.start if belief is None else belief
    agent.reset(int(start.argmax()) if model.mdp else None)
    for step, (action, observation) in enumerate(history):
        if (own := agent.act()) != action:
            names = model.actions
            say(f"note: at step {step} the policy takes {names[own]!r}, not {names[action]!r}")
            return
        agent.observe(action, observation)


def _document(policy: SolvedPolicy, answer: PolicyAt) -> dict[str, Any]:
    """The answer for JSON, as costs if the model has costs."""
    problem = policy.problem
    sign = -1.0 if problem.costs else 1.0
    low, high = sorted(sign * x for x in answer.bounds)
    q = answer.action_values
    support = answer.belief.nonzero()[0].tolist()
    return {
        "belief": {problem.states[s]: answer.belief[s] for s in support},
        "action": answer.action,
        "value": None if answer.value is None else sign * answer.value,
        "action_values": None
        if q is None
        else dict(zip(problem.actions, (sign * q).tolist(), strict=True)),
        "bounds": {"lower": low, "upper": high},
    }


def _rows(policy: SolvedPolicy, answer: PolicyAt, model: Model | None) -> list[tuple[str, str]]:
    """The answer as a table."""
    from pomdptool.certificates import value_name

    d, kind = _document(policy, answer), "cost" if policy.problem.costs else "value"
    belief = [f"{name} {p:.6g}" for name, p in list(d["belief"].items())[:MAX_STATES]]
    if more := len(d["belief"]) - MAX_STATES:
        belief += [f"... ({more} more)"] if more > 0 else []
    value = "not in the file: solve with --all-horizons"
    if d["value"] is not None:
        value = f"{d['value']:.6g} ({value_name(policy)})"
    rows = [("belief", ", ".join(belief)), ("action", d["action"]), (kind, value)]
    low, high = d["bounds"]["lower"], d["bounds"]["upper"]
    if abs(low) != float("inf") and abs(high) != float("inf"):
        rows.append((f"optimal {kind}", f"{interval(low, high)} (certified)"))
    if model is None:
        return [*rows, ("of all actions", "needs the model: --model MODEL")]
    values = d["action_values"] or {}
    best = (min if policy.problem.costs else max)(values.values(), default=None)
    for name, x in values.items():
        rows.append((f"Q({name})", f"{x:.6g}" + (" (best)" if x == best else "")))
    return rows


def _table(asked: Asked, text: str, file: str) -> str:
    """Answers at the beliefs of a file as CSV."""
    problem = asked.policy.problem
    table = read_beliefs(text, file, problem.states)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    q_names = [f"Q({name})" for name in problem.actions] if asked.model is not None else []
    writer.writerow([*table.header, "action", "value", "lower", "upper", *q_names])
    for row, belief in zip(table.rows, table.beliefs, strict=True):
        d = _document(asked.policy, asked.at(belief))
        q = list((d["action_values"] or dict.fromkeys(q_names, "")).values()) if q_names else []
        bounds = [d["bounds"][key] for key in ("lower", "upper")]
        known = ["" if abs(x) == float("inf") else x for x in bounds]
        writer.writerow([*row, d["action"], d["value"], *known, *q])
    return out.getvalue()
