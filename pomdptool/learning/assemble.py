"""Assembling the result of learning: rewards, the model, diagnostics and fit statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.learning.diagnostics import diagnose
from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.em import EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.ends import termination_counts, without_terminal_rewards
from pomdptool.learning.likelihood import count_observed_steps
from pomdptool.learning.m_step import n_parameters
from pomdptool.learning.parameters import Parameters, no_rewards
from pomdptool.learning.restarts import SAMPLE_STEPS, MultistartEM
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import (
    LearnedRewards,
    RewardModel,
    learned_rewards,
    rewards_from_parameters,
)
from pomdptool.limits import LimitReached
from pomdptool.model import Model, make_model
from pomdptool.rewards import Rewards
from pomdptool.sparse import FloatArray
from pomdptool.trace import Restart


def assemble(
    episodes: Episodes,
    runs: list[EMRun],
    counts: ExpectedCounts | None,
    em: MultistartEM,
    bin_edges: FloatArray | None,
    warnings: tuple[str, ...],
    make: Callable[[Parameters, LearnedRewards | None], Model],
    reward_model: RewardModel,
) -> Fit:
    """Assemble the result; `counts` is None if no E-step on all data was completed."""
    best = max(runs, key=lambda run: run.log_posterior)
    if best.history and best.loglik == -np.inf:
        raise DataError("the data have probability 0 under the initial model")
    parameters, rewards = best.parameters, None
    if bin_edges is not None and counts is not None:
        rewards = learned_rewards(episodes, em.sequences, counts, reward_model)
    elif bin_edges is not None:
        rewards = rewards_from_parameters(parameters, episodes, bin_edges)
    if rewards is not None and parameters.terminal is not None:
        rewards = without_terminal_rewards(rewards, parameters.terminal)
    model = make(parameters, rewards)
    acted = episodes.actions[episodes.actions != NONE]
    action_counts = np.bincount(acted, minlength=len(episodes.action_names))
    if counts is None:
        more = [f"stopped before a pass over all data: learned from {SAMPLE_STEPS} steps at most"]
    else:
        more = list(diagnose(episodes, counts, action_counts, rewards, model))
    return Fit(
        model=model,
        estimate=parameters,
        loglik=_observation_loglik(parameters, episodes, best, em),
        joint=best.loglik if best.history else np.nan,
        n_steps=episodes.n_steps,
        n_observed=count_observed_steps(episodes),
        n_informative=count_observed_steps(episodes, or_rewarded=True),
        iterations=best.iterations,
        history=tuple(best.history),
        restarts=tuple(
            Restart(run.seed, run.loglik, run.iterations, run.converged)
            for run in runs
            if run.iterations
        ),
        converged=best.converged,
        stop_reason=best.stop_reason,
        parameters=n_parameters(
            parameters, action_counts, em.settings, termination_counts(episodes)
        ),
        warnings=(*warnings, *more),
        rewards=rewards,
        settings=em.settings,
    )


def _observation_loglik(
    parameters: Parameters, episodes: Episodes, best: EMRun, em: MultistartEM
) -> float:
    """Log-likelihood of the observations alone; NaN if a limit is reached."""
    if not best.history:
        return np.nan
    if episodes.rewards is None:
        return best.loglik
    check = em.monitor.last_pass().check
    alone = replace(parameters, W=no_rewards())
    with Threads(em.threads) as threads, contextlib.suppress(LimitReached):
        return expected_counts(alone, encode(episodes), threads, check).loglik
    return np.nan


def learned_model(
    parameters: Parameters,
    rewards: LearnedRewards | None,
    episodes: Episodes,
    discount: float,
    costs: bool,
    init: Model | None,
) -> Model:
    """Make a model of the parameters, with the learned rewards or else those of `init`."""
    R: Rewards | FloatArray | None = None if init is None else init.rewards
    if rewards is not None:
        R = -rewards.R if costs else rewards.R
    return make_model(
        parameters.T,
        parameters.Z[0] if parameters.shared else parameters.Z,
        R,
        discount=discount,
        start=parameters.start,
        states=None if init is None else init.states,
        actions=episodes.action_names,
        observations=episodes.observation_names,
        costs=costs,
    )
