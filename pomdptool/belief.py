"""Exact belief updates, and blocks: sets of states that contain the support of every belief.

The update itself is in `pomdptool.filtering`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.filtering import arrivals, posterior
from pomdptool.model import Model
from pomdptool.sparse import BoolArray, FloatArray, IntArray


def update_belief(model: Model, b: FloatArray, a: int, o: int) -> tuple[FloatArray, float]:
    """Belief after action `a` and observation `o`, and the probability of `o`.

    Returns
    -------
    b', probability
        Shape (S,); all zeros if the observation is impossible (probability 0).
    """
    state, observation, chance = arrivals(model.sparse_T, model.sparse_Z, b, a)
    return posterior(model.n_states, state, chance, observation == o)


def successors(model: Model, b: FloatArray, a: int) -> Iterator[tuple[int, FloatArray, float]]:
    """Every possible observation after action `a`, the updated belief, and its probability."""
    state, observation, chance = arrivals(model.sparse_T, model.sparse_Z, b, a)
    for o in np.unique(observation[chance > 0.0]).tolist():
        yield o, *posterior(model.n_states, state, chance, observation == o)


def action_values(model: Model, b: FloatArray, value: Callable[[FloatArray], float]) -> FloatArray:
    """Q(b, a) of every action, shape (A,), with the value function `value` after the step."""
    q = model.expected_rewards @ b
    for a in range(model.n_actions):
        for _, after, probability in successors(model, b, a):
            q[a] += model.discount * probability * value(after)
    return q


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """A partition of the reachable states.

    Attributes
    ----------
    label
        Shape (S,): block of each state, -1 for states that no belief contains after a step.
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
        """Number of states in the largest block."""
        return int(self.sizes.max())


def belief_blocks(
    model: Model, *, every_belief: bool = False, check: Callable[[], None] = lambda: None
) -> Blocks:
    """Find the finest blocks such that the support of every belief after a step lies in one.

    The successors of the initial belief (with `every_belief`, of all states) under one action and
    observation share a block; so do, to a fixed point, the successors of a block. `check` is called
    between passes over the model, and may raise.
    """
    S = model.n_states
    seeds = np.ones(S, dtype=bool) if every_belief else model.start > 0
    reached = _reached(model, seeds)
    check()
    action, source, target = _steps_from(model, np.flatnonzero(seeds))
    key, state = _arrivals(model, action, np.zeros_like(source), target)
    label = _merge(np.arange(S), key, state)
    changed = reached
    while changed.any():
        check()
        action, source, target = _steps_from(model, np.flatnonzero(changed))
        key, state = _arrivals(model, action, label[source], target)
        coarser = _merge(label, key, state)
        merged = np.zeros(S, dtype=bool)
        merged[coarser[coarser != label]] = True
        changed, label = reached & merged[coarser], coarser
    names, compact = np.unique(label[reached], return_inverse=True)
    blocks = np.full(S, -1, dtype=np.int64)
    blocks[reached] = compact
    return Blocks(blocks, np.bincount(compact, minlength=len(names)))


def _reached(model: Model, seeds: BoolArray) -> BoolArray:
    """States reachable from some states in one or more steps, shape (S,)."""
    reached = np.zeros(model.n_states, dtype=bool)
    fresh = np.flatnonzero(seeds)
    while len(fresh):
        target = _steps_from(model, fresh)[2]
        new = np.zeros_like(reached)
        new[target] = True
        fresh = np.flatnonzero(new & ~reached)
        reached[fresh] = True
    return reached


def _steps_from(model: Model, states: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Action, source and target of every possible transition from some states."""
    T, A, S = model.sparse_T, model.n_actions, model.n_states
    row = (np.arange(A)[:, np.newaxis] * S + states).ravel()
    item, entry = T.take(row)
    action, source = np.divmod(row[item], S)
    return action, source, T.indices[entry].astype(np.int64)


def _arrivals(
    model: Model, action: IntArray, block: IntArray, target: IntArray
) -> tuple[IntArray, IntArray]:
    """A key for each action, block and observation, and each next state that it can lead to."""
    S, Z = model.n_states, model.sparse_Z
    step = np.sort((action * S + block) * S + target)
    step = step[np.append(True, step[1:] != step[:-1])] if len(step) else step
    group, state = np.divmod(step, S)
    item, entry = Z.take((group // S) * S + state)
    observation = Z.indices[entry].astype(np.int64)
    return group[item] * model.n_observations + observation, state[item]


def _merge(label: IntArray, key: IntArray, state: IntArray) -> IntArray:
    """Merge the blocks of all states that share a key; a block is named by its smallest label.

    These are connected components; `scipy.sparse.csgraph` is slower.
    """
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
