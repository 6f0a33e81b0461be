"""Episodes encoded as sequences of symbols, the input of the E-step kernels.

A symbol is a combination of action, observation, reward bin (if rewards are learned) and whether
the step reached a terminal state (if known). Identical episodes are processed once, with a weight.
Episodes are grouped into chunks that depend only on the data, and results are summed by chunk, so
that they do not depend on the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pomdptool.episodes import CUT, NONE, TERMINATED, TRUNCATED, Episodes
from pomdptool.errors import DataError
from pomdptool.kernels.hmm.em import Steps
from pomdptool.sparse import FloatArray, Int32Array, IntArray

CHUNKS = 32
"""Maximum number of chunks."""

CHUNK_STEPS = 10_000
"""Minimum number of steps in a chunk, except the last."""


@dataclass(frozen=True, eq=False, slots=True)
class Sequences:
    """Encoded episodes.

    Attributes
    ----------
    steps
        The distinct episodes; observations before the first action have no symbol.
    actions, observations, reward_bins
        Shape (n_symbols,): components of each symbol; NONE for a missing observation or reward.
    rewards
        Shape (n_symbols,): mean reward of the steps with each symbol.
    ends
        Shape (n_symbols,): TERMINATED, TRUNCATED or CUT: the step reached a terminal state, a
        non-terminal one, or either.
    starts
        Shape (n_kinds,): the distinct observations before the first action; NONE for no
        observation.
    chunks
        Shape (n_chunks + 1,): first distinct episode of each chunk.
    distinct
        Shape (n_episodes,): index of each episode among the distinct ones.
    early
        Shape (n_episodes,): 1 if the episode has an observation before its first action, else 0.
    n_steps
        Total number of steps.
    """

    steps: Steps
    actions: IntArray
    observations: IntArray
    reward_bins: IntArray
    rewards: FloatArray
    ends: IntArray
    starts: IntArray
    chunks: IntArray
    distinct: IntArray
    early: IntArray
    n_steps: int

    @property
    def longest(self) -> int:
        """Number of symbols in the longest episode."""
        return int(np.diff(self.steps.first).max(initial=0))


def encode(
    episodes: Episodes, bin_edges: FloatArray | None = None, *, merge: bool = True
) -> Sequences:
    """Encode episodes; rewards are included if `bin_edges` are passed.

    With `merge=False` identical episodes are kept apart. Raises DataError if there are no steps, an
    index is out of range, or an action is missing after the first step of an episode.
    """
    _check(episodes)
    A, Z = len(episodes.action_names), len(episodes.observation_names)
    a, o = episodes.actions, episodes.observations
    first = episodes.first
    full = episodes.lengths > 0
    early = np.zeros(episodes.n_episodes, dtype=np.int64)
    early[full] = a[first[:-1][full]] == NONE
    kind = np.full(episodes.n_episodes, NONE, dtype=np.int64)
    kind[early > 0] = o[first[:-1][early > 0]]
    acted = a != NONE
    r, k, K = bin_rewards(episodes, bin_edges)
    # The code of a symbol is its flat index by action, observation, reward bin and end; a missing
    # observation or reward takes the last index of its axis.
    table = (A, Z + 1, K + 1, 1 + max(CUT, TERMINATED, TRUNCATED))
    parts = (a, np.where(o == NONE, Z, o), np.where(k == NONE, K, k), step_ends(episodes))
    codes = np.ravel_multi_index([part[acted] for part in parts], table)
    occurs, symbols = _number_codes(codes, math.prod(table))
    times = np.bincount(symbols, minlength=len(occurs))
    rewards = np.bincount(symbols, r[acted], len(occurs)) / times
    starts, kinds = np.unique(kind, return_inverse=True)
    first = np.concatenate([[0], np.cumsum(episodes.lengths - early)]).astype(np.int64)
    steps = Steps(symbols, first, kinds, np.ones(len(kinds)))
    distinct = _identify_equal(symbols, first, kinds) if merge else np.arange(episodes.n_episodes)
    steps = _merge(steps, distinct)
    actions, observations, reward_bins, ends = np.unravel_index(occurs, table)
    return Sequences(
        steps,
        actions,
        np.where(observations == Z, NONE, observations),
        np.where(reward_bins == K, NONE, reward_bins),
        rewards,
        ends,
        starts,
        _chunks(steps.first, len(occurs)),
        distinct,
        early,
        episodes.n_steps,
    )


def step_ends(episodes: Episodes) -> IntArray:
    """Terminality of each step, shape (n_steps,): TERMINATED for the last step of such an episode.

    Other steps are TRUNCATED (no terminal state was reached), or CUT (unknown) in cut-off episodes.
    """
    if episodes.ends is None:
        return np.full(episodes.n_steps, CUT)
    steps = np.repeat(np.where(episodes.ends == CUT, CUT, TRUNCATED), episodes.lengths)
    last = (episodes.first[1:] - 1)[episodes.terminated & (episodes.lengths > 0)]
    steps[last] = TERMINATED
    return np.asarray(steps)


def _number_codes(codes: IntArray, n: int) -> tuple[IntArray, Int32Array]:
    """Return the distinct codes (all below n), ascending, and the index of each step's code.

    Counting is faster than sorting, unless n is huge.
    """
    if n > 4 * len(codes) + (1 << 16):
        occurs, numbers = np.unique(codes, return_inverse=True)
        return occurs, np.asarray(numbers, dtype=np.int32)
    occurs = np.flatnonzero(np.bincount(codes, minlength=n))
    number = np.zeros(n, dtype=np.int32)
    number[occurs] = np.arange(len(occurs))
    return occurs, number[codes]


def bin_rewards(
    episodes: Episodes, bin_edges: FloatArray | None
) -> tuple[FloatArray, IntArray, int]:
    """Return rewards (0 if missing), their bins (NONE if missing) and the number of bins."""
    if bin_edges is None or episodes.rewards is None:
        return np.zeros(episodes.n_steps), np.full(episodes.n_steps, NONE), 0
    known = ~np.isnan(episodes.rewards)
    r = np.where(known, episodes.rewards, 0.0)
    return r, np.where(known, np.searchsorted(bin_edges, r, "right"), NONE), len(bin_edges) + 1


def _check(episodes: Episodes) -> None:
    a, o = episodes.actions, episodes.observations
    if not len(a):
        raise DataError("the data contain no steps")
    if a.min() < NONE or a.max() >= len(episodes.action_names):
        raise DataError("action index out of range")
    if o.min() < NONE or o.max() >= len(episodes.observation_names):
        raise DataError("observation index out of range")
    inner = np.ones(len(a), dtype=bool)
    inner[episodes.first[:-1][episodes.lengths > 0]] = False
    wrong = np.flatnonzero(inner & (a == NONE))
    if len(wrong):
        raise DataError(
            f"{episodes.place(int(wrong[0]))}: the action is missing; only the first step of an "
            "episode may have no action"
        )


def _identify_equal(symbols: Int32Array, first: IntArray, kinds: IntArray) -> IntArray:
    """Number the distinct episodes by first occurrence; shape (n_episodes,)."""
    lengths = np.diff(first)
    same = np.arange(len(lengths))
    sizes, counts = np.unique(lengths, return_counts=True)
    for n in sizes[counts > 1]:
        members = np.flatnonzero(lengths == n)
        rows = symbols[first[members][:, np.newaxis] + np.arange(n)]
        rows = np.ascontiguousarray(np.column_stack([kinds[members], rows]), dtype=np.int32)
        text = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        _, at, inverse = np.unique(text, return_index=True, return_inverse=True)
        same[members] = members[at[inverse]]
    return np.asarray(np.unique(same, return_inverse=True)[1])


def _merge(steps: Steps, distinct: IntArray) -> Steps:
    """Keep one of each set of identical episodes, weighted by their number."""
    weights = np.bincount(distinct).astype(np.float64)
    if len(weights) == len(distinct):
        return steps
    _, kept = np.unique(distinct, return_index=True)
    lengths = np.diff(steps.first)
    keep = np.zeros(len(lengths), dtype=bool)
    keep[kept] = True
    symbols = steps.symbols[np.repeat(keep, lengths)]
    first = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int64)
    return Steps(symbols, first, steps.kinds[keep], weights)


def _chunks(first: IntArray, n_symbols: int) -> IntArray:
    """Group episodes into chunks with about equal numbers of steps; shape (n_chunks + 1,)."""
    n = int(first[-1])
    size = max(CHUNK_STEPS, 4 * n_symbols, -(-n // CHUNKS))
    bin_edges = np.searchsorted(first, np.arange(size, n, size))
    return np.unique(np.concatenate([[0], bin_edges, [len(first) - 1]])).astype(np.int64)
