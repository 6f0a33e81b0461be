"""Inference of the hidden states of episodes: filtering, smoothing and the Viterbi path.

Filtered posterior: P(s_t | data up to step t); smoothed: P(s_t | the whole episode); most likely
path: Viterbi (1967). s_t is the state after step t, or the initial state for an observation before
the first action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from pomdptool.arguments import as_episodes, as_model
from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.kernels.hmm import decode as kernels
from pomdptool.kernels.jit import request_compilation
from pomdptool.learning.e_step import kernel_tables
from pomdptool.learning.encoding import Sequences, encode
from pomdptool.learning.ends import terminal_mask
from pomdptool.learning.likelihood import describe_step
from pomdptool.learning.parameters import Parameters, parameters_of
from pomdptool.learning.relabel import relabel
from pomdptool.model import Model
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray

Method = Literal["posterior", "filter", "viterbi"]


@dataclass(frozen=True, eq=False, repr=False)
class Decoded(Readable):
    """Inferred states of one episode with n steps; S states, O observations.

    Attributes
    ----------
    states
        Posterior of the state after each step, shape (n, S); 0 or 1 for "viterbi".
    path
        Most likely state of each step, shape (n,); for "viterbi" the most likely path.
    log_probability
        Log-likelihood of the episode; for "viterbi" the joint one of path and data.
    """

    states: FloatArray
    path: IntArray
    log_probability: float
    _episode: _Episode
    _method: Method

    @cached_property
    def transitions(self) -> FloatArray:
        """Joint posterior of the states before and after each step, shape (n, S, S).

        Zeros for an observation before the first action. With "filter" it depends on the data up to
        the step.
        """
        return self.transitions_at(np.arange(len(self.states)))

    def transitions_at(self, steps: IntArray) -> FloatArray:
        """Compute `transitions` for some steps only."""
        episode, early = self._episode, self._episode.early
        S = self.states.shape[1]
        joint = np.zeros((len(steps), S, S))
        acted = np.flatnonzero(steps >= early)
        t = steps[acted] - early
        if self._method == "viterbi":
            path = episode.whole_path
            joint[acted, path[t], path[t + 1]] = 1.0
            return joint
        joint[acted] = (
            episode.alpha[t, :S, np.newaxis]
            * episode.M[episode.symbols[t]][:, :S, :S]
            * episode.onward[t + 1, np.newaxis, :S]
        )
        return joint

    @cached_property
    def outputs(self) -> FloatArray:
        """Probability of each observation at each step, shape (n, O).

        With "filter" the one-step prediction, before the observation is made; otherwise that of the
        inferred states.
        """
        episode, early = self._episode, self._episode.early
        table, a = episode.parameters, episode.actions
        if self._method == "filter":
            S = self.states.shape[1]
            arrived = np.empty_like(self.states)
            arrived[early:] = np.einsum("ts,tsx->tx", episode.alpha[:-1, :S], table.T[a[early:]])
            arrived[:early] = table.start
        else:
            arrived = self.states
        if table.shared:
            return np.asarray(arrived @ table.Z[0])
        return np.asarray(np.einsum("ts,tso->to", arrived, table.Z[a]))


@dataclass(frozen=True, eq=False, slots=True)
class _Episode:
    """One episode with the arrays of the kernels.

    Row t + 1 of `onward` is N beta after symbol t; `whole_path` includes the initial state.
    """

    parameters: Parameters
    M: FloatArray
    symbols: IntArray
    actions: IntArray
    early: int
    alpha: FloatArray
    onward: FloatArray
    whole_path: IntArray


def decode(model: Model, episodes: Episodes, method: Method = "posterior") -> Iterator[Decoded]:
    """Infer the states of each episode.

    Raises
    ------
    DataError
        For an unknown method or a step with probability 0, and as `loglik`.
    """
    if method not in ("posterior", "filter", "viterbi"):
        raise DataError(f"the method is posterior, filter or viterbi, not {method!r}")
    episodes = relabel(as_episodes(episodes), as_model(model))
    parameters = replace(parameters_of(model), terminal=terminal_mask(model, episodes))
    decoder = _Decoder(parameters, encode(episodes, merge=False), episodes)
    for e in range(episodes.n_episodes):
        yield decoder.path(e) if method == "viterbi" else decoder.posterior(e, method)


def posteriors(
    parameters: Parameters, sequences: Sequences, episodes: Episodes
) -> Iterator[Decoded]:
    """Smooth each episode, with rewards if parameters and sequences include them.

    Raises DataError for a step with probability 0.
    """
    decoder = _Decoder(parameters, sequences, episodes)
    for e in range(episodes.n_episodes):
        yield decoder.posterior(e, "posterior")


class _Decoder:
    """Runs the kernels for a model and encoded episodes."""

    def __init__(self, parameters: Parameters, sequences: Sequences, episodes: Episodes) -> None:
        self.parameters, self.sequences, self.episodes = parameters, sequences, episodes
        self.arrays = kernel_tables(parameters, sequences)
        request_compilation(sequences.n_steps * self.arrays.M.shape[1] ** 2)

    @cached_property
    def log_M(self) -> FloatArray:
        """Logarithms of M."""
        S = self.parameters.n_states
        with np.errstate(divide="ignore"):
            return np.ascontiguousarray(np.log(self.arrays.M[:, :S, :S]))

    def of(self, e: int, alpha: FloatArray, onward: FloatArray, path: IntArray) -> _Episode:
        """Assemble the arrays of an episode."""
        return _Episode(
            self.parameters,
            self.arrays.M,
            self.symbols(e),
            self.episodes.actions[self.episodes.episode(e)],
            int(self.sequences.early[e]),
            alpha,
            onward,
            path,
        )

    def symbols(self, e: int) -> IntArray:
        """Symbols of an episode."""
        first = self.sequences.steps.first
        return self.sequences.steps.symbols[first[e] : first[e + 1]]

    def start(self, e: int) -> FloatArray:
        """Initial distribution of an episode."""
        return np.asarray(self.arrays.starts[self.sequences.steps.kinds[e]])

    def posterior(self, e: int, method: Method) -> Decoded:
        """Filter an episode, and smooth it for the method "posterior"."""
        symbols, start, S = self.symbols(e), self.start(e), self.parameters.n_states
        n, early = len(symbols), int(self.sequences.early[e])
        alpha, scale = np.empty((n + 1, self.arrays.M.shape[1])), np.empty(n)
        t = kernels.filter_episode(symbols, start, self.arrays.Mt, alpha, scale)
        if t < n:
            raise DataError(describe_step(self.episodes, self.sequences, e, t, self.parameters))
        onward = np.empty_like(alpha)
        if method == "posterior":
            kernels.smooth_episode(symbols, self.arrays.M, alpha, scale, onward)
            after = alpha[1:] * onward[1:] / scale[:, np.newaxis]
            states = np.concatenate([alpha[:early] * onward[:early], after])
        else:
            onward[1:] = scale[:, np.newaxis]
            states = alpha[1 - early :]
        states = np.ascontiguousarray(states[:, :S])
        loglik = float(np.log(start.sum()) - np.log(scale).sum())
        episode = self.of(e, alpha, onward, np.empty(0, dtype=np.int64))
        return Decoded(states, states.argmax(axis=1), loglik, episode, method)

    def path(self, e: int) -> Decoded:
        """Find the most likely path of an episode."""
        symbols, S = self.symbols(e), self.parameters.n_states
        n, early = len(symbols), int(self.sequences.early[e])
        with np.errstate(divide="ignore"):
            log_start = np.log(self.start(e)[:S])
        came_from, path = np.empty((n, S), dtype=np.int32), np.empty(n + 1, dtype=np.int64)
        value = float(kernels.best_path(symbols, log_start, self.log_M, came_from, path))
        if value == -np.inf:
            self.posterior(e, "filter")  # raises DataError for the impossible step
        after = path[1 - early :]
        none = np.empty((0, S))
        return Decoded(np.eye(S)[after], after, value, self.of(e, none, none, path), "viterbi")
