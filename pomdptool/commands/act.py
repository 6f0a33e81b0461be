"""`pomdptool act`: run a policy as a controller."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pomdptool.commands.beliefs import parse_belief
from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import index_of, open_model, open_policy, warn
from pomdptool.commands.options import (
    EXISTING,
    from_option,
    ignored_verbose_option,
    policy_argument,
    quiet_option,
)
from pomdptool.commands.terminal import say
from pomdptool.errors import DataError, PolicyError
from pomdptool.formats.models import Kind
from pomdptool.model import Model
from pomdptool.printable import printable
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from pomdptool.acting.agents import Agent, FiniteAgent

NEW_EPISODE = -1
"""In place of an observation: an empty line."""


@click.command(
    cls=Command,
    example="printf 'hear-left\\nhear-left\\n' | pomdptool act tiger.pomdp tiger.json",
)
@click.argument("path", metavar="MODEL", type=EXISTING)
@policy_argument
@click.option(
    "--at",
    metavar="BELIEF",
    help="Start each episode at this belief instead of the model's: STATE=P,... (other states 0), "
    "probabilities in the order of the states, or one state.",
)
@click.option("--belief", "with_belief", is_flag=True, help="Write the belief after each action.")
@click.option(
    "--on-impossible",
    type=Choice(["error", "reset", "ignore"]),
    default="error",
    show_default=True,
    help="After an observation of probability zero: stop with an error, reset to the initial "
    "belief, or ignore the observation.",
)
@from_option
@quiet_option
@ignored_verbose_option
def command(
    path: str,
    policy_file: str,
    at: str | None,
    with_belief: bool,
    on_impossible: str,
    kind: Kind | None,
    quiet: bool,
) -> None:
    r"""Read observations from standard input and write actions, one per line, unbuffered.

    The first action is written before the first observation is read. An empty line starts a new
    episode. For an MDP the first line of each episode is the initial state. After the last step of
    a finite-horizon policy an empty line is written in place of an action; only an empty line may
    follow. Unprintable characters in names are escaped, as in `\x1b`, in input and output. On a
    terminal, an unknown observation is reported and asked for again; in a pipe it is an error.
    """
    from pomdptool.acting.agents import FiniteAgent, agent_for, impossible_observation
    from pomdptool.belief import update_belief

    model = open_model(path, kind, quiet=quiet)
    start = _start(model, at)
    agent = agent_for(model, open_policy(policy_file, model), start)
    indices = _indices(model.observations)
    belief = _start_episode(model, agent, start, quiet)
    while belief is not None:
        if isinstance(agent, FiniteAgent) and agent.ended:
            again = _new_episode_follows(agent, quiet)
            belief = _start_episode(model, agent, start, quiet) if again else None
            continue
        action = agent.act()
        fields = [printable(model.actions[action])]
        if with_belief:
            support = belief.nonzero()[0].tolist()
            fields += [f"{printable(model.states[s])} {belief[s]:.6g}" for s in support]
        observation = _observation(_answer("\t".join(fields)), indices)
        if observation is None:
            return
        if observation == NEW_EPISODE:
            belief = _start_episode(model, agent, start, quiet)
            continue
        updated, probability = update_belief(model, belief, action, observation)
        try:
            if probability == 0.0:
                raise impossible_observation(model, action, observation)
            agent.observe(action, observation)
        except PolicyError as error:
            if on_impossible == "error":
                raise
            warn([error], quiet=quiet)
            if on_impossible == "reset":
                belief = _start_episode(model, agent, start, quiet)
            continue
        belief = updated


def _start(model: Model, at: str | None) -> FloatArray:
    """The belief at which each episode starts."""
    if at is None:
        return model.start
    if model.mdp:
        raise click.UsageError("--at: the initial state of an MDP is read from standard input.")
    return parse_belief(at, model.states)


def _answer(line: str) -> str:
    """Write a line and read the answer to it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return sys.stdin.readline()


def _observation(line: str, indices: dict[str, int]) -> int | None:
    """Index of the observation in a line, `NEW_EPISODE`, or None at the end of the input.

    On a terminal an unknown name is reported, and another line is read.

    Raises
    ------
    DataError
        If the name is unknown and the input is not a terminal.
    """
    while line.strip():
        try:
            return index_of(line.strip(), "observation", indices)
        except DataError as error:
            if not sys.stdin.isatty():
                raise
            say(f"{error}: type another observation")
            line = sys.stdin.readline()
    return NEW_EPISODE if line else None


def _new_episode_follows(agent: FiniteAgent, quiet: bool) -> bool:
    """Report the end of the horizon; return whether the input starts a new episode.

    Raises
    ------
    PolicyError
        If an observation follows.
    """
    if not quiet:
        say(f"note: {agent.end}; an empty line starts a new episode")
    line = _answer("")
    if line.strip():
        raise PolicyError(f"{agent.end}: expected an empty line, not {line.strip()[:100]!r}")
    return line != ""


def _start_episode(model: Model, agent: Agent, start: FloatArray, quiet: bool) -> FloatArray | None:
    """Start an episode and return its initial belief, or None at the end of an MDP's input."""
    from pomdptool.acting.agents import initial_belief

    if not model.mdp:
        agent.reset()
        return start
    name = sys.stdin.readline().strip()
    if not name:
        return None
    state = index_of(name, "state", _indices(model.states))
    if not model.start[state]:
        warn([PolicyError(f"state {name!r} has initial probability zero")], quiet=quiet)
    agent.reset(state)
    return initial_belief(model, state)


def _indices(names: Sequence[str]) -> dict[str, int]:
    """Index of each name, raw and escaped."""
    escaped = {printable(name): k for k, name in enumerate(names)}
    return escaped | {name: k for k, name in enumerate(names)}
