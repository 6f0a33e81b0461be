"""Episodes as sequences of symbols: what the kernels of learning read.

A symbol is an action, an observation, where these are learned from a level of reward, and whether
the step led to a terminal state, where that is known, that occur together. Episodes with the same
symbols are counted once, with a weight, and episodes are put into chunks that depend on the data
alone: results are summed chunk by chunk, so that they are the same however many threads share the
work.
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
"""Most chunks that episodes are put into."""

CHUNK_STEPS = 10_000
"""Least steps of a chunk but the last."""


@dataclass(frozen=True, eq=False, slots=True)
class Sequences:
    """Episodes for the kernels.

    Attributes
    ----------
    steps
        The distinct episodes; steps without an action are not among their symbols.
    actions, observations, levels
        Shape (n_symbols,): what each symbol stands for; the observation or the level of the reward
        is NONE where it is missing.
    rewards
        Shape (n_symbols,): mean of the rewards of a symbol's steps.
    ends
        Shape (n_symbols,): TERMINATED, TRUNCATED or CUT, whether steps with the symbol led to a
        terminal state, to none, or to any state.
    starts
        Shape (n_kinds,): the observation before the first action, by kind of start; NONE where
        there is none.
    chunks
        Shape (n_chunks + 1,): the distinct episode that each chunk begins with.
    distinct
        Shape (n_episodes,): which of the distinct episodes each episode is.
    early
        Shape (n_episodes,): steps of each episode that come before any action, 0 or 1.
    n_steps
        Steps of all episodes.
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
        """Symbols of the longest episode."""
        return int(np.diff(self.steps.first).max(initial=0))


def encode(
    episodes: Episodes, bin_edges: FloatArray | None = None, *, merge: bool = True
) -> Sequences:
    """Make symbols of episodes, with rewards where `cuts` tell where their levels part.

    Without `merge` every episode is its own, equal or not.

    Raises
    ------
    DataError
        Without any step, with an index out of range, or with a step without an action that is not
        an episode's first.
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
    r, reward_bin, K = bin_rewards(episodes, bin_edges)
    # A symbol's code is its index in a table by action, observation, level and end; an observation
    # or a level that is missing comes after all others.
    table = (A, Z + 1, K + 1, 1 + max(CUT, TERMINATED, TRUNCATED))
    parts = (
        a,
        np.where(o == NONE, Z, o),
        np.where(reward_bin == NONE, K, reward_bin),
        step_ends(episodes),
    )
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
    """How each step ended, shape (n_steps,): TERMINATED only if the episode did, with that step.

    Other steps of episodes that were not cut off are TRUNCATED: they led to no terminal state.
    """
    if episodes.ends is None:
        return np.full(episodes.n_steps, CUT)
    steps = np.repeat(np.where(episodes.ends == CUT, CUT, TRUNCATED), episodes.lengths)
    last = (episodes.first[1:] - 1)[episodes.terminated & (episodes.lengths > 0)]
    steps[last] = TERMINATED
    return np.asarray(steps)


def _number_codes(codes: IntArray, n: int) -> tuple[IntArray, Int32Array]:
    """Number the codes below n that occur, ascending; these codes, and the number of each step.

    A table of all codes is faster than sorting, but there may be millions of millions.
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
    """Rewards of steps, 0 where there are none, their levels, and how many levels there can be."""
    if bin_edges is None or episodes.rewards is None:
        return np.zeros(episodes.n_steps), np.full(episodes.n_steps, NONE), 0
    known = ~np.isnan(episodes.rewards)
    r = np.where(known, episodes.rewards, 0.0)
    return r, np.where(known, np.searchsorted(bin_edges, r, "right"), NONE), len(bin_edges) + 1


def _check(episodes: Episodes) -> None:
    a, o = episodes.actions, episodes.observations
    if not len(a):
        raise DataError("there are no steps to learn from")
    if a.min() < NONE or a.max() >= len(episodes.action_names):
        raise DataError("an action's index has no name")
    if o.min() < NONE or o.max() >= len(episodes.observation_names):
        raise DataError("an observation's index has no name")
    inner = np.ones(len(a), dtype=bool)
    inner[episodes.first[:-1][episodes.lengths > 0]] = False
    wrong = np.flatnonzero(inner & (a == NONE))
    if len(wrong):
        raise DataError(
            f"{episodes.place(int(wrong[0]))}: the action is missing; only the first step of an "
            "episode may be without one"
        )


def _identify_equal(symbols: Int32Array, first: IntArray, kinds: IntArray) -> IntArray:
    """Give equal episodes one number, in order of their first occurrence; shape (n_episodes,)."""
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
    """Keep the first of equal episodes, with their number as its weight."""
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
    """Cut episodes into chunks of about as many steps; shape (n_chunks + 1,)."""
    n = int(first[-1])
    size = max(CHUNK_STEPS, 4 * n_symbols, -(-n // CHUNKS))
    bin_edges = np.searchsorted(first, np.arange(size, n, size))
    return np.unique(np.concatenate([[0], bin_edges, [len(first) - 1]])).astype(np.int64)
