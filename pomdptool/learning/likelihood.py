"""Likelihood of episodes under a model, by the forward algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pomdptool.arguments import as_episodes, as_model
from pomdptool.episodes import CUT, NONE, TERMINATED, TRUNCATED, Episodes
from pomdptool.kernels.hmm.decode import measure_episodes
from pomdptool.kernels.jit import cores, request_compilation
from pomdptool.learning.criteria import aic, bic
from pomdptool.learning.e_step import MIN_STATES, Threads, kernel_tables
from pomdptool.learning.encoding import Sequences, encode, step_ends
from pomdptool.learning.ends import terminal_mask, termination_counts
from pomdptool.learning.m_step import MStepSettings, n_parameters
from pomdptool.learning.parameters import Parameters, parameters_of
from pomdptool.learning.relabel import relabel
from pomdptool.model import Model
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray

BLOCK = 1024
"""Steps per block of the forward pass."""

POSSIBLE = -2
"""Takes the place of the first impossible symbol of a possible episode."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Likelihood(Readable):
    """Log-likelihood of episodes under a model.

    Attributes
    ----------
    loglik
        Sum over episodes; minus infinity if one has probability 0.
    per_episode
        Log-likelihood of each episode, shape (n_episodes,).
    impossible
        Description of the first step with probability 0, "" if there is none.
    n_steps, n_observed
        Number of steps, and of those with an observation.
    parameters
        Number of free parameters, for `bic` and `aic`: nonzero entries less one per row, of actions
        that occur.
    """

    loglik: float
    per_episode: FloatArray
    impossible: str
    n_steps: int
    n_observed: int
    parameters: int

    def __float__(self) -> float:
        return self.loglik

    @property
    def loglik_per_step(self) -> float:
        """Log-likelihood per observation."""
        return self.loglik / max(1, self.n_observed)

    @property
    def perplexity(self) -> float:
        """Perplexity of an observation, exp(-loglik_per_step)."""
        return float(np.exp(-self.loglik_per_step))

    @property
    def bic(self) -> float:
        """BIC, with n the number of observations."""
        return bic(self.parameters, self.loglik, self.n_observed)

    @property
    def aic(self) -> float:
        """AIC."""
        return aic(self.parameters, self.loglik)


def loglik(model: Model, episodes: Episodes, *, threads: int | None = None) -> Likelihood:
    """Compute the log-likelihood of episodes, the sum over steps of log P(o | history).

    Likelihoods of a step below 1e-280 count as 0. Missing observations are marginalised. Whether an
    episode terminated, or was truncated in a non-terminal state, is part of the data.

    Raises
    ------
    DataError
        If there are no steps, an action or observation is not in the model, or an observation
        precedes the first action but observations depend on the action.
    ModelError
        If the parameters do not fit into memory.
    """
    model, episodes = as_model(model), as_episodes(episodes)
    episodes = relabel(episodes, model)
    parameters = replace(parameters_of(model), terminal=terminal_mask(model, episodes))
    sequences = encode(episodes)
    values, stopped = episode_logliks(parameters, sequences, threads or cores())
    each = values[sequences.distinct]
    failed = np.flatnonzero(stopped[sequences.distinct] != POSSIBLE)
    where = ""
    if len(failed):
        e = int(failed[0])
        symbol = int(stopped[sequences.distinct[e]])
        where = describe_step(episodes, sequences, e, symbol, parameters)
    action_counts = np.bincount(sequences.actions, minlength=model.n_actions)
    return Likelihood(
        float(values @ sequences.steps.weights),
        each,
        where,
        episodes.n_steps,
        count_observed_steps(episodes),
        n_parameters(parameters, action_counts, MStepSettings(), termination_counts(episodes)),
    )


def count_observed_steps(episodes: Episodes, *, or_rewarded: bool = False) -> int:
    """Count steps with an observation, or with an observation or a reward."""
    known = episodes.observations != NONE
    if or_rewarded and episodes.rewards is not None:
        known |= ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    return int(np.count_nonzero(known))


def episode_logliks(
    parameters: Parameters,
    sequences: Sequences,
    threads: int,
    check: Callable[[], None] | None = None,
) -> tuple[FloatArray, IntArray]:
    """Log-likelihood of each distinct episode, and its first impossible symbol or POSSIBLE.

    `check` is called before each chunk of episodes; it may raise `LimitReached`.
    """
    arrays = kernel_tables(parameters, sequences)
    n = max(parameters.n_states, MIN_STATES)
    request_compilation(sequences.n_steps * n * n)
    values = np.zeros(len(sequences.steps.kinds))
    stopped = np.full(len(values), POSSIBLE, dtype=np.int64)

    def measure(chunk: tuple[int, int]) -> None:
        if check is not None:
            check()
        alpha, scale = np.empty((BLOCK + 1, n)), np.empty(BLOCK)
        measure_episodes(*chunk, sequences.steps, arrays, alpha, scale, values, stopped)

    chunks = zip(sequences.chunks[:-1].tolist(), sequences.chunks[1:].tolist(), strict=True)
    with Threads(threads) as pool:
        for _ in pool.map(measure, chunks):
            pass
    return values, stopped


def describe_step(
    episodes: Episodes, sequences: Sequences, e: int, symbol: int, parameters: Parameters
) -> str:
    """Describe an impossible step: the symbol-th action of an episode, or -1 for its beginning."""
    at = int(episodes.first[e] + sequences.early[e]) + symbol
    a, o = int(episodes.actions[at]), int(episodes.observations[at])
    after = f" after action {episodes.action_names[a]!r}" if a >= 0 else ""
    event = f"observation {episodes.observation_names[o]!r}" if o >= 0 else "any observation"
    end = CUT if parameters.terminal is None else int(step_ends(episodes)[at])
    where = {TERMINATED: " in a terminal state", TRUNCATED: " in a non-terminal state"}
    event += where.get(end, "")
    hint = "" if end == CUT else " (--ends cut ignores how episodes ended)"
    return f"{episodes.place(at)}: {event}{after} is impossible{hint}"
