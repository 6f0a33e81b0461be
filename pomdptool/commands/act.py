"""`pomdptool act`: run a policy as a controller."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

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
from pomdptool.errors import PolicyError
from pomdptool.formats.models import Kind
from pomdptool.model import Model
from pomdptool.printable import printable
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from pomdptool.acting.agents import Agent, FiniteAgent


@click.command(
    cls=Command,
    example="printf 'hear-left\\nhear-left\\n' | pomdptool act tiger.pomdp tiger.json",
)
@click.argument("path", metavar="MODEL", type=EXISTING)
@policy_argument
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
    with_belief: bool,
    on_impossible: str,
    kind: Kind | None,
    quiet: bool,
) -> None:
    r"""Read observations from standard input and write actions, one per line, unbuffered.

    The first action is written before the first observation is read. An empty line starts a new
    episode. For an MDP the first line of each episode is the initial state. After the last step of
    a finite-horizon policy an empty line is written in place of an action; only an empty line may
    follow. Unprintable characters in names are escaped, as in `\x1b`, in input and output.
    """
    from pomdptool.acting.agents import FiniteAgent, agent_for, impossible_observation
    from pomdptool.belief import update_belief

    model = open_model(path, kind, quiet=quiet)
    agent = agent_for(model, open_policy(policy_file, model))
    indices = _indices(model.observations)
    belief = _start_episode(model, agent, quiet)
    while belief is not None:
        if isinstance(agent, FiniteAgent) and agent.ended:
            belief = (
                _start_episode(model, agent, quiet) if _new_episode_follows(agent, quiet) else None
            )
            continue
        action = agent.act()
        fields = [printable(model.actions[action])]
        if with_belief:
            support = belief.nonzero()[0].tolist()
            fields += [f"{printable(model.states[s])} {belief[s]:.6g}" for s in support]
        line = _answer("\t".join(fields))
        if not line:
            return
        if not line.strip():
            belief = _start_episode(model, agent, quiet)
            continue
        observation = index_of(line.strip(), "observation", indices)
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
                belief = _start_episode(model, agent, quiet)
            continue
        belief = updated


def _answer(line: str) -> str:
    """Write a line and read the answer to it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    return sys.stdin.readline()


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


def _start_episode(model: Model, agent: Agent, quiet: bool) -> FloatArray | None:
    """Start an episode and return its initial belief, or None at the end of an MDP's input."""
    from pomdptool.acting.agents import initial_belief

    if not model.mdp:
        agent.reset()
        return model.start
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
