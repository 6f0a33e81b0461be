"""Learn a model from episodes: many starts, a race between them, and the best one to the end.

Each start is the best of a few drafts on a sample. All starts climb until they gain little; a third
of them, the best, go on to the tolerance. What came of each is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError, ModelError
from pomdptool.kernels.jit import cores
from pomdptool.learning.diagnostics import diagnose
from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.em import EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.ends import (
    terminal_mask,
    termination_counts,
    with_terminal_state,
    without_terminal_observations,
    without_terminal_rewards,
)
from pomdptool.learning.initialisation import Initialiser, parameters_of_init, with_reward_bins
from pomdptool.learning.likelihood import count_observed_steps
from pomdptool.learning.m_step import PSEUDO_COUNT, MStepSettings, n_parameters
from pomdptool.learning.parameters import Parameters, no_rewards
from pomdptool.learning.progress import LearningMonitor, OnLearned
from pomdptool.learning.relabel import relabel
from pomdptool.learning.restarts import SAMPLE_STEPS, MultistartEM
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import (
    CLEAR,
    LearnedRewards,
    RewardModel,
    bin_frequencies,
    learned_rewards,
    reward_bin_edges,
    rewards_from_parameters,
)
from pomdptool.learning.sizes import CONCURRENT_BYTES, check_memory
from pomdptool.learning.subsets import random_subset
from pomdptool.limits import LimitReached
from pomdptool.model import Model, make_model
from pomdptool.rewards import Rewards
from pomdptool.sparse import FloatArray
from pomdptool.trace import Restart

ObservationModel = Literal["per-action", "shared"]


def fit(
    episodes: Episodes,
    states: int | None = None,
    *,
    rng: np.random.Generator,
    restarts: int = 10,
    observation_model: ObservationModel = "per-action",
    reward_model: RewardModel | Literal["auto"] = "auto",
    init: Model | None = None,
    max_iter: int = 1000,
    tol: float = 1e-6,
    prior_transition: float = PSEUDO_COUNT,
    prior_observation: float = PSEUDO_COUNT,
    prior_start: float = PSEUDO_COUNT,
    prior_reward: float = PSEUDO_COUNT,
    damping: float = 0.0,
    fix: Collection[str] = (),
    discount: float = 0.95,
    costs: bool | None = None,
    accelerate: bool = True,
    threads: int | None = None,
    time_limit: float | None = None,
    on_step: OnLearned | None = None,
    interrupted: Callable[[], bool] | None = None,
) -> Fit:
    """Learn a POMDP by expectation and maximisation (Baum and Welch, with actions).

    Parameters
    ----------
    episodes
        The data. With an observation before the first action, observations must be shared.
    states
        Number of hidden states; by default those of `init`. Where episodes terminated, one of them
        is the terminal state, the last.
    rng
        Draws the starts. The same generator gives the same model, whatever the threads.
    restarts
        Number of starts; one where `init` is given.
    observation_model
        "per-action", Z[a, s', o], or "shared", Z[s', o].
    reward_model
        "state", R[a, s], or "transition", R[a, s, s', o]. Where the data have rewards, these tell
        states apart as observations do. "auto" is "state", and where rewards are then seen to
        depend on more, the better of both by BIC.
    init
        Start from this model's tables, with the names of the data; its zeros stay zero.
    max_iter, tol
        Passes over the data of each start; gain of the log-posterior per step at which it stops.
    prior_transition, prior_observation, prior_start, prior_reward
        Pseudo-counts of Dirichlet priors, added to each entry that is not zero.
    damping
        D: new tables are (1 - D) times what maximises and D times the old ones.
    fix
        Which of "T", "O" and "start" keep what `init` has (a start also without, uniform).
    discount
        Of the model; learning does not need it.
    costs
        Whether the rewards of the data are costs, which the model then minimises; by default as
        `init` has it.
    accelerate
        Whether to take longer steps than EM does, where these pay.
    threads
        By default the cores at hand.
    time_limit, on_step, interrupted
        Seconds, compiling apart, after which the best so far is returned; called after each pass;
        asked several times a second whether to stop.

    Raises
    ------
    DataError
        Where the data are empty or do not fit the model, or the options do not go together.
    ModelError
        Where tables would be too large for the memory.
    """
    monitor = LearningMonitor(time_limit, interrupted, on_step=on_step)
    costs = costs if costs is not None else init is not None and init.costs
    priors = (prior_transition, prior_observation, prior_start)
    settings = MStepSettings(*priors, frozenset(fix), damping, prior_reward)
    settings.check()
    terminated = bool(episodes.terminated.any())
    _check(states, terminated, restarts, max_iter, tol, observation_model, reward_model)
    if init is None:
        _check_without_init(states, settings)
    else:
        episodes, restarts = relabel(episodes, init), 1
    shared = observation_model == "shared"
    warnings: list[str] = []
    bin_edges = reward_bin_edges(episodes)
    frequencies = bin_frequencies(episodes, bin_edges)
    sequences = encode(episodes, bin_edges)
    n = init.n_states if init is not None else states or 0
    bytes_of_run = check_memory(
        (len(episodes.action_names), n, len(episodes.observation_names)),
        len(sequences.actions),
        frequencies.shape[1],
        shared=shared,
        restarts=restarts,
    )
    max_concurrent = max(1, CONCURRENT_BYTES // bytes_of_run)
    multistart = MultistartEM(
        sequences, n, settings, monitor, threads or cores(), max_concurrent, accelerate
    )

    def learned(model: RewardModel) -> Fit:
        if init is not None:
            parameters = parameters_of_init(init, states, shared, warnings)
            parameters = replace(parameters, terminal=terminal_mask(init, episodes))
            runs = [EMRun(0, None, with_reward_bins(parameters, frequencies, bin_edges, model))]
        else:
            drafts = Initialiser(
                without_terminal_observations(episodes),
                *(n - terminated, shared, settings, bin_edges, frequencies, model, monitor.check),
            )
            seeds = [int(rng.integers(2**32)) for _ in range(restarts)]
            sample = encode(random_subset(episodes, SAMPLE_STEPS, rng), bin_edges)
            ending = partial(with_terminal_state, episodes=episodes, model=model)
            runs = multistart.initialise(seeds, lambda seed: map(ending, drafts.of(seed)), sample)
        counts = multistart.run(runs, tol, max_iter).counts
        made = partial(_model, episodes=episodes, discount=discount, costs=costs, init=init)
        return _result(episodes, runs, counts, multistart, bin_edges, tuple(warnings), made, model)

    return (
        _select_reward_model(learned, monitor) if reward_model == "auto" else learned(reward_model)
    )


def _select_reward_model(learned: Callable[[RewardModel], Fit], monitor: LearningMonitor) -> Fit:
    """Rewards of states; where they depend on more, the better by BIC of these and transitions."""
    result = learned("state")
    if result.rewards is None or result.rewards.excess < CLEAR or monitor.reason is not None:
        return result
    try:
        return min(result, learned("transition"), key=lambda one: one.bic)
    except ModelError as error:
        more = "rewards depend on the next state or the observation, which is not learned"
        return replace(result, warnings=(*result.warnings, f"{more}: {error}"))


def _check_without_init(states: int | None, settings: MStepSettings) -> None:
    if states is None:
        raise DataError("give the number of states, or a model to start from")
    if settings.fix - {"start"}:
        raise DataError(f"to fix {min(settings.fix - {'start'})} takes a model to start from")


def _check(
    states: int | None,
    terminated: bool,
    restarts: int,
    max_iter: int,
    tol: float,
    observation_model: str,
    reward_model: str,
) -> None:
    if states is not None and states < 1:
        raise DataError(f"the number of states must be above 0, not {states}")
    if states == 1 and terminated:
        raise DataError("episodes terminated: there must be at least two states, one terminal")
    if restarts < 1 or max_iter < 1:
        raise DataError("there must be at least one start and one iteration")
    if not tol >= 0.0:
        raise DataError(f"the tolerance must not be negative, not {tol}")
    if observation_model not in ("per-action", "shared"):
        raise DataError(f"the observation model is per-action or shared, not {observation_model!r}")
    if reward_model not in ("auto", "state", "transition"):
        raise DataError(f"the reward model is auto, state or transition, not {reward_model!r}")


def _result(
    episodes: Episodes,
    runs: list[EMRun],
    counts: ExpectedCounts | None,
    multistart: MultistartEM,
    bin_edges: FloatArray | None,
    warnings: tuple[str, ...],
    made: Callable[[Parameters, LearnedRewards | None], Model],
    reward_model: RewardModel,
) -> Fit:
    """Put together what was learned; without counts no pass over the data was completed."""
    best = max(runs, key=lambda run: run.log_posterior)
    if best.history and best.loglik == -np.inf:
        raise DataError("the data are impossible under the model that learning starts from")
    parameters, rewards = best.parameters, None
    if bin_edges is not None and counts is not None:
        rewards = learned_rewards(episodes, multistart.sequences, counts, reward_model)
    elif bin_edges is not None:
        rewards = rewards_from_parameters(parameters, episodes, bin_edges)
    if rewards is not None and parameters.terminal is not None:
        rewards = without_terminal_rewards(rewards, parameters.terminal)
    model = made(parameters, rewards)
    acted = episodes.actions[episodes.actions != NONE]
    action_counts = np.bincount(acted, minlength=len(episodes.action_names))
    if counts is None:
        said = [f"stopped before a pass over all data: learned from {SAMPLE_STEPS} steps at most"]
    else:
        said = list(diagnose(episodes, counts, action_counts, rewards, model))
    return Fit(
        model=model,
        estimate=parameters,
        loglik=_observation_loglik(parameters, episodes, best, multistart),
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
            parameters, action_counts, multistart.settings, termination_counts(episodes)
        ),
        warnings=(*warnings, *said),
        rewards=rewards,
        settings=multistart.settings,
    )


def _observation_loglik(
    parameters: Parameters, episodes: Episodes, best: EMRun, multistart: MultistartEM
) -> float:
    """Log-likelihood without that of the rewards; NaN where there is no time to compute it."""
    if not best.history:
        return np.nan
    if episodes.rewards is None:
        return best.loglik
    check = multistart.monitor.last_pass().check
    alone = replace(parameters, W=no_rewards())
    with Threads(multistart.threads) as threads, contextlib.suppress(LimitReached):
        return expected_counts(alone, encode(episodes), threads, check).loglik
    return np.nan


def _model(
    parameters: Parameters,
    rewards: LearnedRewards | None,
    episodes: Episodes,
    discount: float,
    costs: bool,
    init: Model | None,
) -> Model:
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
