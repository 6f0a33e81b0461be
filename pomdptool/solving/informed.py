"""Upper bounds from one-step beliefs: the fast and the tighter informed bound (FIB, TIB).

A one-step belief is what is known after one action and observation from a known state. Each of
them, u, with Q[u, a] above what action a is worth there, gives at any belief b

    Q[b, a] = r[b, a] + g sum over o of
                          max over a' of sum over s of b[s] P(o | s, a) Q[u(s, a, o), a']

(Krale, Simao and Jansen 2025). For FIB (Hauskrecht 2000) Q[u] is interpolated between the states,
Q[u, a] = sum over s of u[s] q[s, a]; for TIB it is the fixed point of the equation itself. Equal
one-step beliefs are one: where transitions are certain there are as few as states.

Sweeps contract and are stopped early: what they are certain to exceed (MacQueen 1966, see
`bounds`) is returned. One-step beliefs that would make sweeps slow, the least likely ones, keep the
interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pomdptool.solving.blocks import BlockModel
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Watch
from pomdptool.sparse import FloatArray, IntArray

TOLERANCE = 1e-4
"""At which sweeps stop, relative to the span of values."""

MAX_PRODUCTS = 4_000_000
"""Entries of one sweep of TIB; beyond, less likely one-step beliefs are not improved."""

SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier that makes one number of several."""

SAME = 1e-12
"""Beliefs whose projections differ by less are one."""


class Informed(NamedTuple):
    """Upper bounds known before a search.

    Under action a in slot i these happen: step_first[i * A + a]:step_first[i * A + a + 1], each
    with its edge (as of Blocks), the number of the one-step belief arrived in, and its
    probability. Q (n_beliefs, A) bounds what an action is worth there; q (n_slots, A) what it is
    worth in a state, corner (n_slots,) what the state is. No value anywhere is larger than
    `largest`, nor smaller than its negative.
    """

    step_first: IntArray
    step_edge: IntArray
    step_belief: IntArray
    step_weight: FloatArray
    Q: FloatArray
    q: FloatArray
    corner: FloatArray
    largest: float


def informed_bounds(
    blocks: BlockModel, blind: FloatArray, watch: Watch, seconds: float
) -> Informed:
    """Compute TIB's tables, or what is certain of them after some seconds.

    `blind`, shape (A, S), bounds values from below.

    Raises
    ------
    Stopped
        Where the watch says so.
    """
    from scipy.sparse import csr_matrix

    model, arrays = blocks.model, blocks.arrays
    end = watch.seconds + seconds
    mdp = fixed_point(model, "mdp", precision=1.0, horizon=None, watch=watch)
    q = np.ascontiguousarray(mdp.Q.T[blocks.state_of_slot])
    row, edge, weight, belief, B = _one_step_beliefs(blocks)
    A, g, n_slots = model.n_actions, model.discount, blocks.n_slots

    weight_of_step = csr_matrix((weight, (row, belief)), shape=(n_slots * A, B.shape[0]))

    def fib(q: FloatArray) -> FloatArray:
        best = (B @ q).max(axis=1)
        ahead: FloatArray = (weight_of_step @ best).reshape(n_slots, A)
        return arrays.rewards + g * ahead

    q = _lowered(q, fib, g, watch, end)
    Q = np.asarray(B @ q)
    improved, tib = _tib(blocks, B, Q, (row, edge, weight, belief))
    Q[improved] = _lowered(Q[improved], tib, g, watch, end)
    above = Informed(
        step_first=np.searchsorted(row, np.arange(n_slots * A + 1)),
        step_edge=edge,
        step_belief=belief,
        step_weight=weight,
        Q=Q,
        q=q,
        corner=np.empty(n_slots),
        largest=float(max(np.abs(q).max(), np.abs(blind).max())),
    )
    worth = weight_of_step @ Q.max(axis=1)
    better = np.minimum(q, arrays.rewards + g * worth.reshape(n_slots, A))
    above.corner[:] = better.max(axis=1)
    return above._replace(q=better)


Sweep = Callable[[FloatArray], FloatArray]


def _lowered(Q: FloatArray, sweep: Sweep, g: float, watch: Watch, end: float) -> FloatArray:
    """Sweep an upper bound towards its fixed point; what is returned lies above that."""
    if not Q.size:
        return Q
    now, span = Q, max(1e-9, float(np.ptp(Q)))
    while True:
        watch.check()
        before, now = now, sweep(now)
        change = now - before
        width = g / (1.0 - g) * float(np.ptp(change))
        if width <= TOLERANCE * span or watch.seconds > end:
            break
    return np.minimum(Q, now + g / (1.0 - g) * float(change.max()))


def _one_step_beliefs(
    blocks: BlockModel,
) -> tuple[IntArray, IntArray, FloatArray, IntArray, Any]:
    """Group the entries of each slot, action and edge; number the beliefs arrived in.

    Returns
    -------
    row, edge, weight, belief, B
        Of each group: slot * A + action, the edge, the probability, and the number of the belief,
        a row of the sparse B (n_beliefs, n_slots).
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
    block = blocks.block_of_slot[row // A]
    target = arrays.edge_target[arrays.edge_first[block * A + row % A] + edge]
    slot = np.repeat(arrays.block_first[target], size) + arrays.entry_slot
    belief, examples = _numbered(first, size, slot, share)
    entries = np.concatenate([np.arange(first[i], first[i] + size[i]) for i in examples.tolist()])
    starts = np.cumsum([0, *size[examples].tolist()])
    B = csr_matrix((share[entries], slot[entries], starts), shape=(len(examples), blocks.n_slots))
    return row, edge, weight, belief, B


def _numbered(
    first: IntArray, size: IntArray, slot: IntArray, share: FloatArray
) -> tuple[IntArray, IntArray]:
    """Number equal beliefs alike, by two random projections; and a group for each number."""
    rng = np.random.default_rng(0)
    weights = rng.random((2, int(slot.max()) + 1))
    projections = np.add.reduceat(weights[:, slot] * share, first, axis=1)
    rounded = np.round(projections / SAME).astype(np.uint64)
    key = (rounded[0] * SPREAD + rounded[1]) * SPREAD + size.astype(np.uint64)
    _, examples, belief = np.unique(key, return_index=True, return_inverse=True)
    return belief, examples


def _tib(
    blocks: BlockModel,
    B: Any,
    Q: FloatArray,
    steps: tuple[IntArray, IntArray, FloatArray, IntArray],
) -> tuple[IntArray, Sweep]:
    """Which one-step beliefs are improved, and the sweep of TIB over them."""
    from scipy.sparse import csr_matrix

    row, edge, weight, belief = steps
    arrays, A, g = blocks.arrays, blocks.model.n_actions, blocks.model.discount
    first = np.searchsorted(row, np.arange(blocks.n_slots * A + 1))
    per_slot = np.add.reduceat(np.diff(first), np.arange(0, blocks.n_slots * A, A))
    cost = B.astype(bool) @ per_slot
    likely = np.zeros(B.shape[0])
    np.maximum.at(likely, belief, weight)
    order = np.argsort(-likely, kind="stable")
    improved = np.sort(order[: np.searchsorted(np.cumsum(cost[order]), MAX_PRODUCTS, "right")])
    part = B[improved]
    # A product for each improved belief u, state in its support, and step of that state.
    u = np.repeat(np.arange(len(improved)), np.diff(part.indptr))
    begins, ends = first[part.indices * A], first[(part.indices + 1) * A]
    n = ends - begins
    step = np.repeat(begins - (np.cumsum(n) - n), n) + np.arange(int(n.sum()))
    u, share = np.repeat(u, n), np.repeat(part.data, n)
    n_edges = int(edge.max(initial=0)) + 1
    group = (u * A + row[step] % A) * n_edges + edge[step]
    keys, number = np.unique(group, return_inverse=True)
    products = csr_matrix(
        (share * weight[step], (number, belief[step])), shape=(len(keys), B.shape[0])
    )
    firsts = np.searchsorted(keys // n_edges, np.arange(len(improved) * A))
    rewards = part @ arrays.rewards
    everywhere = Q.copy()

    def sweep(now: FloatArray) -> FloatArray:
        everywhere[improved] = now
        ahead = np.add.reduceat((products @ everywhere).max(axis=1), firsts)
        after: FloatArray = rewards + g * ahead.reshape(len(improved), A)
        return after

    return improved, sweep
