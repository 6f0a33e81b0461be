"""Trajectories: what an agent does in a model, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from pomdptool.acting.agents import agent_for, compiled, horizon_of, random_agent, script_agent
from pomdptool.acting.compile_model import simulator_of
from pomdptool.acting.environment import Environment
from pomdptool.acting.runners import AgentRunner, CompiledRunner, Played, Runner
from pomdptool.episodes import CUT, TERMINATED, TRUNCATED, Episodes, joined
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy

SampleEnds = Literal["stop", "continue"]
"""What episodes do in a terminal state."""

INTERPRETED = 100
"""Steps that take about as long to interpret as what `expect` counts takes a solver."""

STEPS_AT_ONCE = 1 << 16
"""Steps of one lot of episodes, where they are not longer."""


def sample(
    model: Model,
    *,
    episodes: int,
    steps: int,
    rng: np.random.Generator,
    policy: SolvedPolicy | None = None,
    actions: Sequence[Sequence[int]] | None = None,
    states: bool = False,
    ends: SampleEnds | None = None,
) -> Episodes:
    """Draw trajectories.

    Parameters
    ----------
    episodes, steps
        Number of episodes, and of steps of each at most; a policy with a horizon ends with that.
    policy
        What acts; actions are uniform at random without it.
    actions
        Sequences of actions to do instead; episodes take them in turn.
    states
        Whether to keep the hidden states.
    ends
        Whether episodes stop in a terminal state, one that every action keeps without reward, or
        continue there. By default they stop, unless the model has no rewards: then each state that
        is never left would be terminal.
    """
    parts = sampled(
        model,
        episodes=episodes,
        steps=steps,
        rng=rng,
        policy=policy,
        actions=actions,
        states=states,
        ends=ends,
    )
    return joined(parts)


def sampled(
    model: Model,
    *,
    episodes: int,
    steps: int,
    rng: np.random.Generator,
    policy: SolvedPolicy | None = None,
    actions: Sequence[Sequence[int]] | None = None,
    states: bool = False,
    ends: SampleEnds | None = None,
) -> Iterator[Episodes]:
    """Draw trajectories as `sample` does, lot by lot."""
    horizon = None if actions else horizon_of(policy)
    steps = steps if horizon is None else min(steps, horizon)
    request_compilation(episodes * steps // INTERPRETED)
    stop = bool(model.rewards.stored.any()) if ends is None else ends == "stop"
    simulator = simulator_of(model, stop=stop)
    runners: list[Runner]
    if actions:
        agents = [script_agent(list(script)) for script in actions]
        runners = [CompiledRunner(model, agent, steps, simulator) for agent in agents]
    elif (agent := random_agent() if policy is None else compiled(model, policy)) is not None:
        runners = [CompiledRunner(model, agent, steps, simulator)]
    else:
        assert policy is not None
        environment = Environment(model, simulator, stop=stop)
        runners = [AgentRunner(environment, agent_for(model, policy), steps)]
    done = 0
    while done < episodes:
        at_once = 1 if len(runners) > 1 else max(1, scaled_budget(STEPS_AT_ONCE) // steps)
        count = min(at_once, episodes - done)
        played = runners[done % len(runners)].play(done, count, rng)
        yield _episodes(model, played, stop, done, states)
        done += count


def _episodes(model: Model, played: Played, stop: bool, begun: int, states: bool) -> Episodes:
    """Make episodes of a log; rewards become costs where the model has those.

    Episodes that do not stop in terminal states are cut off anywhere.
    """
    log, lengths = played.log, played.lengths
    sign = -1.0 if model.costs else 1.0
    return Episodes(
        action_names=model.actions,
        observation_names=model.observations,
        actions=log.actions,
        observations=log.observations,
        first=np.concatenate([[0], np.cumsum(lengths)]),
        rewards=sign * log.rewards + 0.0,
        states=log.states if states else None,
        next_states=log.arrived if states else None,
        state_names=model.states if states else (),
        numbers=begun + np.arange(len(lengths)),
        ends=np.where(played.terminated, TERMINATED, TRUNCATED if stop else CUT),
    )
