"""Upper bounds from one-step beliefs: fast and tighter informed bound (FIB, TIB).

A one-step belief is the belief after one action and observation from a known state. With upper
bounds Q[u, a] at each one-step belief u, any belief b has the upper bound

    Q[b, a] = r[b, a] + g sum over o of
                          max over a' of sum over s of b[s] P(o | s, a) Q[u(s, a, o), a']

(Krale, Simao and Jansen 2025). FIB (Hauskrecht 2000) interpolates Q[u] between the states, Q[u, a]
= sum over s of u[s] q[s, a]; TIB is the fixed point of the equation itself. Equal one-step beliefs
are merged: with deterministic transitions there are as few as states.

Value iteration starts from the MDP's values and is stopped early, with MacQueen's (1966) bound on
the fixed point (see `observed.policy_iteration`). The number of sweeps depends on the model alone,
unless a time limit is near. The least likely one-step beliefs keep FIB's values, where sweeps over
all of them would be slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray, ragged

TOLERANCE = 1e-4
"""Width of the fixed point's enclosure at which sweeps stop, relative to the span of values."""

MAX_SWEEPS, MAX_WORK = 500, 500_000_000
"""Limits of one bound's iteration, in sweeps and multiplications; at least one sweep is made."""

MAX_PRODUCTS = 4_000_000
"""Products in one sweep of TIB; the least likely one-step beliefs beyond that keep FIB's values."""

HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier of a multiplicative hash."""

HASH_RESOLUTION = 1e-12
"""Resolution of the projections that are hashed."""

MERGE_DISTANCE = 1e-14
"""L1 distance up to which beliefs are merged: no more than rounding accounts for."""


class InformedBound(NamedTuple):
    """Upper bounds before the search.

    Action a in slot i has the steps step_first[i * A + a]:step_first[i * A + a + 1], each with its
    edge (as in `BlockArrays`), the number of the next one-step belief, and its probability.
    Upper bounds: `belief_q` (n_beliefs, A) of Q at one-step beliefs, `slot_q` (n_slots, A) of Q and
    `corners` (n_slots,) of V in states, `value_bound` of |V*|. `drift` is the largest L1 distance
    between a one-step belief and the one it was merged with.
    """

    step_first: IntArray
    step_edge: IntArray
    step_belief: IntArray
    step_weight: FloatArray
    belief_q: FloatArray
    slot_q: FloatArray
    corners: FloatArray
    value_bound: float
    drift: float


def compute_informed_bound(
    blocks: BlockModel,
    mdp: FloatArray,
    blind: FloatArray,
    monitor: Monitor,
    deadline: float = np.inf,
) -> InformedBound:
    """Compute TIB, or the bound reached when the monitor's clock shows `deadline` seconds.

    `mdp` and `blind`, shape (A, S), are Q-values of the MDP and lower bounds of blind policies.
    Raises LimitReached.
    """
    from scipy.sparse import csr_matrix

    model, arrays = blocks.model, blocks.arrays
    q = np.ascontiguousarray(mdp.T[blocks.state_of_slot])
    row, edge, weight, belief, B, drift = _one_step_beliefs(blocks, monitor)
    A, g, n_slots = model.n_actions, model.discount, blocks.n_slots
    weight_of_step = csr_matrix((weight, (row, belief)), shape=(n_slots * A, B.shape[0]))

    def backup(values: FloatArray) -> FloatArray:
        future: FloatArray = (weight_of_step @ values).reshape(n_slots, A)
        return arrays.rewards + g * future

    def fib(q: FloatArray) -> FloatArray:
        return backup((B @ q).max(axis=1))

    q = _iterate(q, fib, g, A * (B.nnz + B.shape[0]) + len(weight), monitor, deadline)
    Q = np.asarray(B @ q)
    if monitor.seconds < deadline and B.nnz > B.shape[0]:  # otherwise TIB equals FIB
        improved, tib, cost = _tib(blocks, B, Q, (row, edge, weight, belief))
        Q[improved] = _iterate(Q[improved], tib, g, cost, monitor, deadline)
    slot_q = np.minimum(q, backup(Q.max(axis=1)))
    corners = slot_q.max(axis=1)
    return InformedBound(
        step_first=np.searchsorted(row, np.arange(n_slots * A + 1)),
        step_edge=edge,
        step_belief=belief,
        step_weight=weight,
        belief_q=Q,
        slot_q=slot_q,
        corners=corners,
        value_bound=max(abs(float(corners.max())), abs(float(blind.min(axis=1).max()))),
        drift=drift,
    )


Sweep = Callable[[FloatArray], FloatArray]


def _iterate(
    Q: FloatArray, sweep: Sweep, g: float, cost: int, monitor: Monitor, deadline: float
) -> FloatArray:
    """Iterate an upper bound towards its fixed point; the result is still an upper bound.

    `cost` is the number of multiplications in a sweep.
    """
    if not Q.size:
        return Q
    x, span = Q, max(1e-9, float(np.ptp(Q.max(axis=1))))
    for _ in range(min(MAX_SWEEPS, 1 + MAX_WORK // cost)):
        monitor.check()
        before, x = x, sweep(x)
        change = x - before
        width = g / (1.0 - g) * float(np.ptp(change))
        if width <= TOLERANCE * span or monitor.seconds > deadline:
            break
    return np.minimum(Q, x + g / (1.0 - g) * float(change.max()))


def _one_step_beliefs(
    blocks: BlockModel, monitor: Monitor
) -> tuple[IntArray, IntArray, FloatArray, IntArray, Any, float]:
    """List the one-step beliefs after each slot, action and edge.

    Returns
    -------
    row, edge, weight, belief, B, drift
        For each step: slot * A + action, the edge, the probability, and the number of the one-step
        belief, a row of the sparse B (n_beliefs, n_slots); and the drift of merged beliefs.
    """
    from scipy.sparse import csr_matrix

    arrays, A = blocks.arrays, blocks.model.n_actions
    count = np.diff(arrays.entry_first)
    row = np.repeat(np.arange(len(count)), count)
    edge = arrays.entry_edge.astype(np.int64)
    first = np.flatnonzero((np.diff(row, prepend=-1) != 0) | (np.diff(edge, prepend=-1) != 0))
    weight = np.add.reduceat(arrays.weights, first)
    size = np.diff(np.append(first, len(row)))
    share = arrays.weights / np.repeat(weight, size)
    row, edge = row[first], edge[first]
    monitor.check()
    block = blocks.block_of_slot[row // A]
    target = arrays.edge_target[arrays.edge_first[block * A + row % A] + edge]
    slot = np.repeat(arrays.block_first[target], size) + arrays.entry_slot
    belief, examples, drift = _merge_equal(first, size, slot, share)
    monitor.check()
    starts = np.concatenate([[0], np.cumsum(size[examples])])
    entries = ragged(first[examples], first[examples] + size[examples])[1]
    B = csr_matrix((share[entries], slot[entries], starts), shape=(len(examples), blocks.n_slots))
    return row, edge, weight, belief, B, drift


def _merge_equal(
    first: IntArray, size: IntArray, slot: IntArray, share: FloatArray
) -> tuple[IntArray, IntArray, float]:
    """Number the beliefs, equal ones alike.

    Returns the number of each belief, an example belief for each number, and the drift. Beliefs
    concentrated in one state are numbered by it. The others are hashed by two random projections;
    each is compared, entry by entry, with the first belief of the same hash and merged with it only
    if their L1 distance is at most `MERGE_DISTANCE`. A hash collision therefore prevents a merge
    but never invalidates a bound, and `rounding` allows for the drift.
    """
    single = np.flatnonzero(size == 1)
    _, examples, number = np.unique(slot[first[single]], return_index=True, return_inverse=True)
    belief = np.empty(len(size), dtype=np.int64)
    belief[single], examples = number, single[examples]
    mixed = np.flatnonzero(size > 1)
    if not len(mixed):
        return belief, examples, 0.0
    rng = np.random.default_rng(0)
    weights = rng.random((2, int(slot.max()) + 1))
    projections = np.add.reduceat(weights[:, slot] * share, first, axis=1)[:, mixed]
    hash_a, hash_b = np.round(projections / HASH_RESOLUTION).astype(np.uint64)
    key = (hash_a * HASH_MULTIPLIER + hash_b) * HASH_MULTIPLIER + size[mixed].astype(np.uint64)
    _, leader, number = np.unique(key, return_index=True, return_inverse=True)
    candidate = mixed[leader][number]
    candidate = np.where(size[candidate] == size[mixed], candidate, mixed)
    item, entry = ragged(first[mixed], first[mixed] + size[mixed])
    other = first[candidate][item] + entry - first[mixed][item]
    difference = np.where(slot[entry] == slot[other], np.abs(share[entry] - share[other]), 1.0)
    distance = np.bincount(item, difference)
    equal = distance <= MERGE_DISTANCE
    others, number = np.unique(np.where(equal, candidate, mixed), return_inverse=True)
    belief[mixed] = len(examples) + number
    drift = float(distance[equal].max(initial=0.0))
    return belief, np.concatenate([examples, others]), drift


def _tib(
    blocks: BlockModel,
    B: Any,
    Q: FloatArray,
    steps: tuple[IntArray, IntArray, FloatArray, IntArray],
) -> tuple[IntArray, Sweep, int]:
    """Return the one-step beliefs to improve, a sweep of TIB over them, and its cost."""
    from scipy.sparse import csr_matrix

    row, edge, weight, belief = steps
    arrays, A, g = blocks.arrays, blocks.model.n_actions, blocks.model.discount
    first = np.searchsorted(row, np.arange(blocks.n_slots * A + 1))
    per_slot = np.add.reduceat(np.diff(first), np.arange(0, blocks.n_slots * A, A))
    cost = B.astype(bool) @ per_slot
    probability = np.zeros(B.shape[0])
    np.maximum.at(probability, belief, weight)
    order = np.argsort(-probability, kind="stable")
    improved = np.sort(order[: np.searchsorted(np.cumsum(cost[order]), MAX_PRODUCTS, "right")])
    part = B[improved]
    # One product for each improved belief u, state in its support, and step from that state.
    u = np.repeat(np.arange(len(improved)), np.diff(part.indptr))
    entry, step = ragged(first[part.indices * A], first[(part.indices + 1) * A])
    u, share = u[entry], part.data[entry]
    n_edges = int(edge.max(initial=0)) + 1
    group = (u * A + row[step] % A) * n_edges + edge[step]
    keys, number = np.unique(group, return_inverse=True)
    products = csr_matrix(
        (share * weight[step], (number, belief[step])), shape=(len(keys), B.shape[0])
    )
    firsts = np.searchsorted(keys // n_edges, np.arange(len(improved) * A))
    rewards = part @ arrays.rewards
    all_q = Q.copy()

    def sweep(q: FloatArray) -> FloatArray:
        all_q[improved] = q
        future = np.add.reduceat((products @ all_q).max(axis=1), firsts)
        swept: FloatArray = rewards + g * future.reshape(len(improved), A)
        return swept

    return improved, sweep, A * products.nnz + part.nnz
