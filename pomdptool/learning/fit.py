"""Learn a POMDP from episodes: initialisation, EM with restarts, and the resulting model."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from pomdptool.arguments import as_episodes
from pomdptool.episodes import Episodes
from pomdptool.errors import DataError, ModelError
from pomdptool.kernels.jit import cores
from pomdptool.learning.assemble import assemble, learned_model
from pomdptool.learning.em import EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.ends import (
    terminal_mask,
)
from pomdptool.learning.initialisation import Initialiser, parameters_of_init, with_reward_bins
from pomdptool.learning.m_step import PSEUDO_COUNT, MStepSettings
from pomdptool.learning.progress import LearningMonitor, OnLearned
from pomdptool.learning.relabel import relabel
from pomdptool.learning.restarts import SAMPLE_STEPS, MultistartEM
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import (
    CLEAR,
    RewardModel,
    bin_frequencies,
    reward_bin_edges,
)
from pomdptool.learning.sizes import CONCURRENT_BYTES, check_memory
from pomdptool.learning.subsets import random_subset
from pomdptool.model import Model
from pomdptool.randomness import generator

ObservationModel = Literal["per-action", "shared"]


def fit(
    episodes: Episodes,
    states: int | None = None,
    *,
    rng: np.random.Generator | int,
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
    """Learn a POMDP by EM (Baum-Welch with actions).

    Parameters
    ----------
    episodes
        The data. An observation before the first action requires shared observations.
    states
        Number of hidden states; default that of `init`. If episodes terminated, the last state is
        terminal.
    rng
        Random generator of the initialisations, or its seed. Results do not depend on the number
        of threads.
    restarts
        Number of random restarts; 1 with `init`.
    observation_model
        "per-action", Z[a, s', o], or "shared", Z[s', o].
    reward_model
        "state", R[a, s], or "transition", R[a, s, s', o]. If the data have rewards, these identify
        states as observations do. "auto" fits "state", and if rewards then turn out to depend on
        the next state or the observation, also "transition", and takes the better by BIC.
    init
        Initial model, with the names of the data; its zeros stay zero.
    max_iter, tol
        Maximum number of iterations (passes over the data) per restart; tolerance: gain of the
        log-posterior per step of data and iteration.
    prior_transition, prior_observation, prior_start, prior_reward
        Dirichlet pseudo-counts, added to each nonzero entry.
    damping
        D: new parameters are (1 - D) times those of the M-step plus D times the old ones.
    fix
        Parameters that keep the values of `init`: "T", "O", "start" (without `init`, a uniform
        initial belief).
    discount
        Discount factor of the model; learning does not use it.
    costs
        Whether the rewards of the data are costs, which the model minimises; default as in `init`.
    accelerate
        Whether to accelerate EM by SQUAREM.
    threads
        Worker threads; default all cores.
    time_limit, on_step, interrupted
        Limit in seconds, without compilation, after which the best model so far is returned;
        callback after each iteration; function that returns True to stop, called several times a
        second.

    Raises
    ------
    DataError
        If the data are empty or contradict the model, or for invalid options.
    ModelError
        If the parameters do not fit into memory.
    """
    generate, episodes = generator(rng), as_episodes(episodes)
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
    limit = max(1, CONCURRENT_BYTES // bytes_of_run)
    em = MultistartEM(sequences, n, settings, monitor, threads or cores(), limit, accelerate)
    initial = None if init is None else parameters_of_init(init, states, shared, warnings)

    def learned(model: RewardModel) -> Fit:
        if init is not None and initial is not None:
            parameters = with_reward_bins(initial, frequencies, bin_edges, model)
            parameters = replace(parameters, terminal=terminal_mask(init, episodes))
            runs = [EMRun(0, None, parameters)]
        else:
            initialiser = Initialiser(
                *(episodes, n - terminated, shared, settings, bin_edges, frequencies, model),
                monitor.check,
            )
            seeds = [int(generate.integers(2**32)) for _ in range(restarts)]
            sample = encode(random_subset(episodes, SAMPLE_STEPS, generate), bin_edges)
            runs = em.initialise(seeds, initialiser.candidates, sample)
        counts = em.run(runs, tol, max_iter).counts
        make = partial(learned_model, episodes=episodes, discount=discount, costs=costs, init=init)
        return assemble(episodes, runs, counts, em, bin_edges, tuple(warnings), make, model)

    return learned(reward_model) if reward_model != "auto" else _best_by_bic(learned, monitor)


def _best_by_bic(learned: Callable[[RewardModel], Fit], monitor: LearningMonitor) -> Fit:
    """Fit R[a, s], and R[a, s, s', o] if rewards depend on s' or o; the better of both by BIC."""
    result = learned("state")
    if result.rewards is None or result.rewards.excess < CLEAR or monitor.reason is not None:
        return result
    try:
        return min(result, learned("transition"), key=lambda one: one.bic)
    except ModelError as error:
        more = "rewards depend on the next state or the observation, but only R(a, s) was learned"
        return replace(result, warnings=(*result.warnings, f"{more}: {error}"))


def _check_without_init(states: int | None, settings: MStepSettings) -> None:
    if states is None:
        raise DataError("either the number of states or an initial model is required")
    if settings.fix - {"start"}:
        raise DataError(f"fixing {min(settings.fix - {'start'})} requires an initial model")


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
        raise DataError("episodes terminated: at least two states are needed, one of them terminal")
    if restarts < 1 or max_iter < 1:
        raise DataError("at least one restart and one iteration are needed")
    if not tol >= 0.0:
        raise DataError(f"the tolerance must not be negative, not {tol}")
    if observation_model not in ("per-action", "shared"):
        raise DataError(f"the observation model is per-action or shared, not {observation_model!r}")
    if reward_model not in ("auto", "state", "transition"):
        raise DataError(f"the reward model is auto, state or transition, not {reward_model!r}")
