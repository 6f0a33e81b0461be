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
from pomdptool.learning.diagnostics import remarks
from pomdptool.learning.e_step import Expected, Threads, expected
from pomdptool.learning.em import Run
from pomdptool.learning.encoding import sequences_of
from pomdptool.learning.ends import terminal_of, terminating, unpaid, with_end, without_end
from pomdptool.learning.initialisation import Drafts, given_tables, with_rewards
from pomdptool.learning.likelihood import observed_steps
from pomdptool.learning.m_step import PSEUDO_COUNT, Settings, n_parameters
from pomdptool.learning.parameters import Tables, no_rewards
from pomdptool.learning.progress import LearningMonitor, OnLearned
from pomdptool.learning.relabel import in_terms_of
from pomdptool.learning.restarts import SAMPLE_STEPS, Race
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import (
    CLEAR,
    LearnedRewards,
    RewardModel,
    cuts_of,
    learned_rewards,
    level_frequencies,
    rewards_of_tables,
)
from pomdptool.learning.sizes import SIDE_BY_SIDE, check_memory
from pomdptool.learning.subsets import sample_of
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
    settings = Settings(*priors, frozenset(fix), damping, prior_reward)
    settings.check()
    ended = bool(episodes.terminated.any())
    _check(states, ended, restarts, max_iter, tol, observation_model, reward_model)
    if init is None:
        _check_without_init(states, settings)
    else:
        episodes, restarts = in_terms_of(episodes, init), 1
    shared = observation_model == "shared"
    warnings: list[str] = []
    cuts = cuts_of(episodes)
    often = level_frequencies(episodes, cuts)
    sequences = sequences_of(episodes, cuts)
    n = init.n_states if init is not None else states or 0
    bytes_of_run = check_memory(
        (len(episodes.action_names), n, len(episodes.observation_names)),
        len(sequences.actions),
        often.shape[1],
        shared=shared,
        restarts=restarts,
    )
    side_by_side = max(1, SIDE_BY_SIDE // bytes_of_run)
    race = Race(sequences, n, settings, monitor, threads or cores(), side_by_side, accelerate)

    def learned(model: RewardModel) -> Fit:
        if init is not None:
            tables = given_tables(init, states, shared, warnings)
            tables = replace(tables, terminal=terminal_of(init, episodes))
            runs = [Run(0, None, with_rewards(tables, often, cuts, model))]
        else:
            drafts = Drafts(
                without_end(episodes),
                *(n - ended, shared, settings, cuts, often, model, monitor.check),
            )
            seeds = [int(rng.integers(2**32)) for _ in range(restarts)]
            sample = sequences_of(sample_of(episodes, SAMPLE_STEPS, rng), cuts)
            ending = partial(with_end, episodes=episodes, model=model)
            runs = race.chosen(seeds, lambda seed: map(ending, drafts.of(seed)), sample)
        counts = race.run(runs, tol, max_iter).counts
        made = partial(_model, episodes=episodes, discount=discount, costs=costs, init=init)
        return _result(episodes, runs, counts, race, cuts, tuple(warnings), made, model)

    return _with_either(learned, monitor) if reward_model == "auto" else learned(reward_model)


def _with_either(learned: Callable[[RewardModel], Fit], monitor: LearningMonitor) -> Fit:
    """Rewards of states; where they depend on more, the better by BIC of these and transitions."""
    fitted = learned("state")
    if fitted.rewards is None or fitted.rewards.excess < CLEAR or monitor.reason is not None:
        return fitted
    try:
        return min(fitted, learned("transition"), key=lambda one: one.bic)
    except ModelError as error:
        more = "rewards depend on the next state or the observation, which is not learned"
        return replace(fitted, warnings=(*fitted.warnings, f"{more}: {error}"))


def _check_without_init(states: int | None, settings: Settings) -> None:
    if states is None:
        raise DataError("give the number of states, or a model to start from")
    if settings.fix - {"start"}:
        raise DataError(f"to fix {min(settings.fix - {'start'})} takes a model to start from")


def _check(
    states: int | None,
    ended: bool,
    restarts: int,
    max_iter: int,
    tol: float,
    observation_model: str,
    reward_model: str,
) -> None:
    if states is not None and states < 1:
        raise DataError(f"the number of states must be above 0, not {states}")
    if states == 1 and ended:
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
    runs: list[Run],
    counts: Expected | None,
    race: Race,
    cuts: FloatArray | None,
    warnings: tuple[str, ...],
    made: Callable[[Tables, LearnedRewards | None], Model],
    reward_model: RewardModel,
) -> Fit:
    """Put together what was learned; without counts no pass over the data was completed."""
    best = max(runs, key=lambda run: run.log_posterior)
    if best.history and best.loglik == -np.inf:
        raise DataError("the data are impossible under the model that learning starts from")
    tables, rewards = best.tables, None
    if cuts is not None and counts is not None:
        rewards = learned_rewards(episodes, race.sequences, counts, reward_model)
    elif cuts is not None:
        rewards = rewards_of_tables(tables, episodes, cuts)
    if rewards is not None and tables.terminal is not None:
        rewards = unpaid(rewards, tables.terminal)
    model = made(tables, rewards)
    acted = episodes.actions[episodes.actions != NONE]
    tried = np.bincount(acted, minlength=len(episodes.action_names))
    if counts is None:
        said = [f"stopped before a pass over all data: learned from {SAMPLE_STEPS} steps at most"]
    else:
        said = list(remarks(episodes, counts, tried, rewards, model))
    return Fit(
        model=model,
        tables=tables,
        loglik=_of_observations(tables, episodes, best, race),
        joint=best.loglik if best.history else np.nan,
        n_steps=episodes.n_steps,
        n_observed=observed_steps(episodes),
        n_informative=observed_steps(episodes, or_rewarded=True),
        iterations=best.iterations,
        history=tuple(best.history),
        restarts=tuple(
            Restart(run.seed, run.loglik, run.iterations, run.converged)
            for run in runs
            if run.iterations
        ),
        converged=best.converged,
        stop_reason=best.stop_reason,
        parameters=n_parameters(tables, tried, race.settings, terminating(episodes)),
        warnings=(*warnings, *said),
        rewards=rewards,
        settings=race.settings,
    )


def _of_observations(tables: Tables, episodes: Episodes, best: Run, race: Race) -> float:
    """Log-likelihood without that of the rewards; NaN where there is no time to compute it."""
    if not best.history:
        return np.nan
    if episodes.rewards is None:
        return best.loglik
    check = race.monitor.last_pass().check
    alone = replace(tables, W=no_rewards())
    with Threads(race.threads) as threads, contextlib.suppress(LimitReached):
        return expected(alone, sequences_of(episodes), threads, check).loglik
    return np.nan


def _model(
    tables: Tables,
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
        tables.T,
        tables.Z[0] if tables.shared else tables.Z,
        R,
        discount=discount,
        start=tables.start,
        states=None if init is None else init.states,
        actions=episodes.action_names,
        observations=episodes.observation_names,
        costs=costs,
    )
