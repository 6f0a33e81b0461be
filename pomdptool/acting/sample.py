"""Trajectories sampled from a model under a policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from pomdptool.acting.agents import (
    agent_for,
    compiled_agent,
    horizon_of,
    random_agent,
    script_agent,
)
from pomdptool.acting.compile_model import compile_model
from pomdptool.acting.environment import Environment
from pomdptool.acting.runners import AgentRunner, Batch, CompiledRunner, Runner
from pomdptool.arguments import as_model, as_policy
from pomdptool.episodes import CUT, TERMINATED, TRUNCATED, Episodes, joined
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.randomness import generator

SampleEnds = Literal["stop", "continue"]
"""Whether episodes stop in a terminal state, or continue."""

STEPS_PER_MULTIPLICATION = 100
"""Interpreted steps that cost as much as one of `request_compilation`'s multiplications."""

BATCH_STEPS = 1 << 16
"""Steps of a batch of episodes, which has one episode at least."""


def sample(
    model: Model,
    *,
    episodes: int,
    steps: int,
    rng: np.random.Generator | int,
    policy: SolvedPolicy | None = None,
    actions: Sequence[Sequence[int]] | None = None,
    states: bool = False,
    ends: SampleEnds | None = None,
) -> Episodes:
    """Sample trajectories.

    Parameters
    ----------
    episodes, steps
        Number of episodes, and maximum number of steps of each (at most the policy's horizon).
    policy
        Policy; default uniformly random actions.
    actions
        Sequences of actions to follow instead of a policy; episodes use them in turn.
    states
        Whether to record the hidden states.
    ends
        Whether episodes "stop" in terminal states (absorbing, with reward 0) or "continue". The
        default is "stop" unless the model has no rewards, because then every absorbing state would
        be terminal.
    """
    model, policy = as_model(model), None if policy is None else as_policy(policy)
    options: dict[str, Any] = {"policy": policy, "actions": actions, "states": states, "ends": ends}
    return joined(
        sample_batches(model, episodes=episodes, steps=steps, rng=generator(rng), **options)
    )


def sample_batches(
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
    """Sample trajectories as `sample` does, in batches."""
    horizon = None if actions else horizon_of(policy)
    steps = steps if horizon is None else min(steps, horizon)
    request_compilation(episodes * steps // STEPS_PER_MULTIPLICATION)
    stop = bool(model.rewards.stored.any()) if ends is None else ends == "stop"
    simulator = compile_model(model, stop=stop)
    runners: list[Runner]
    if actions:
        agents = [script_agent(list(script)) for script in actions]
        runners = [CompiledRunner(model, agent, steps, simulator) for agent in agents]
    elif (agent := random_agent() if policy is None else compiled_agent(model, policy)) is not None:
        runners = [CompiledRunner(model, agent, steps, simulator)]
    else:
        assert policy is not None
        environment = Environment(model, simulator, stop=stop)
        runners = [AgentRunner(environment, agent_for(model, policy), steps)]
    done = 0
    while done < episodes:
        size = 1 if len(runners) > 1 else max(1, scaled_budget(BATCH_STEPS) // steps)
        count = min(size, episodes - done)
        batch = runners[done % len(runners)].run(done, count, rng)
        yield _episodes(model, batch, stop, done, states)
        done += count


def _episodes(model: Model, batch: Batch, stop: bool, first: int, states: bool) -> Episodes:
    """Convert a batch to Episodes, with costs instead of rewards if the model has costs.

    Episodes that continue in terminal states end in any state (CUT).
    """
    log, lengths = batch.log, batch.lengths
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
        numbers=first + np.arange(len(lengths)),
        ends=np.where(batch.terminated, TERMINATED, TRUNCATED if stop else CUT),
    )
