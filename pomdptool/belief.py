"""Beliefs: the exact filter, and the blocks of states that beliefs stay in.

After action a and observation o the belief b becomes
b'[s'] = Z[a, s', o] * sum over s of b[s] T[a, s, s'] / P(o | b, a).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


def update(model: Model, b: FloatArray, a: int, o: int) -> tuple[FloatArray, float]:
    """Belief after action `a` and observation `o`, and the probability of `o`.

    Returns
    -------
    b', probability
        Shape (S,); all zeros where the observation is impossible (probability 0).
    """
    T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
    rows = slice(int(T.indptr[a * S]), int(T.indptr[(a + 1) * S]))
    weight = np.repeat(b, np.diff(T.indptr[a * S : (a + 1) * S + 1])) * T.data[rows]
    arrived = np.bincount(T.indices[rows], weights=weight, minlength=S)
    begin, end = int(Z.indptr[a * S]), int(Z.indptr[(a + 1) * S])
    seen = Z.indices[begin:end] == o
    state = np.repeat(np.arange(S), np.diff(Z.indptr[a * S : (a + 1) * S + 1]))[seen]
    joint = np.zeros(S)
    joint[state] = arrived[state] * Z.data[begin:end][seen]
    probability = float(joint.sum())
    return (joint / probability if probability > 0 else joint), probability


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """A partition of the states that beliefs reach.

    Attributes
    ----------
    label
        Shape (S,): the block of each state, -1 where no belief reaches it after the first step.
    sizes
        Shape (n_blocks,).
    """

    label: IntArray
    sizes: IntArray

    @property
    def count(self) -> int:
        """Number of blocks."""
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """States in the largest block."""
        return int(self.sizes.max())


def belief_blocks(model: Model, *, every_belief: bool = False) -> Blocks:
    """Find the finest blocks such that every belief, after a step, lies inside one of them.

    The successors of the start belief (or, with `every_belief`, of all states) under one action
    and observation share a block; and so do, to a fixpoint, the successors of a block.
    """
    T, S = model.sparse_T, model.n_states
    action, source = np.divmod(T.row_of_entry(), S)
    target = T.indices.astype(np.int64)
    seeds = np.ones(S, dtype=bool) if every_belief else model.start > 0
    seeded = seeds[source]
    everything = np.zeros(S, dtype=np.int64)
    key, state = _arrivals(model, action[seeded], everything[source[seeded]], target[seeded])
    label = _merge(np.arange(S), key, state)
    reached = np.zeros(S, dtype=bool)
    reached[state] = True
    while True:
        live = reached[source]
        key, state = _arrivals(model, action[live], label[source[live]], target[live])
        coarser = _merge(label, key, state)
        grown = reached.copy()
        grown[state] = True
        if np.array_equal(coarser, label) and np.array_equal(grown, reached):
            break
        label, reached = coarser, grown
    names, compact = np.unique(label[reached], return_inverse=True)
    blocks = np.full(S, -1, dtype=np.int64)
    blocks[reached] = compact
    return Blocks(blocks, np.bincount(compact, minlength=len(names)))


def _arrivals(
    model: Model, action: IntArray, block: IntArray, target: IntArray
) -> tuple[IntArray, IntArray]:
    """List the states arrived in from blocks, with a key per action, block and observation."""
    S, Z = model.n_states, model.sparse_Z
    step = np.sort((action * S + block) * S + target)
    step = step[np.append(True, step[1:] != step[:-1])] if len(step) else step
    group, state = np.divmod(step, S)
    row = (group // S) * S + state
    count = np.diff(Z.indptr)[row]
    first = np.repeat(Z.indptr[row] - (np.cumsum(count) - count), count)
    observation = Z.indices[first + np.arange(len(first))].astype(np.int64)
    return np.repeat(group, count) * model.n_observations + observation, np.repeat(state, count)


def _merge(label: IntArray, key: IntArray, state: IntArray) -> IntArray:
    """Merge the blocks of all states that share a key; the smallest label names the block."""
    _, group = np.unique(key, return_inverse=True)
    while True:
        mine = label[state]
        least = np.full(int(group.max(initial=-1)) + 1, len(label), dtype=np.int64)
        np.minimum.at(least, group, mine)
        parent = np.arange(len(label))
        np.minimum.at(parent, mine, least[group])
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
        merged = parent[label]
        if np.array_equal(merged, label):
            return label
        label = merged
