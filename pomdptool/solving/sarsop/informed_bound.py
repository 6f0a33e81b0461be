"""Upper bounds from one-step beliefs: the fast and the tighter informed bound (FIB, TIB).

A one-step belief is what is known after one action and observation from a known state. Each of
them, u, with Q[u, a] above what action a is worth there, gives at any belief b

    Q[b, a] = r[b, a] + g sum over o of
                          max over a' of sum over s of b[s] P(o | s, a) Q[u(s, a, o), a']

(Krale, Simao and Jansen 2025). For FIB (Hauskrecht 2000) Q[u] is interpolated between the states,
Q[u, a] = sum over s of u[s] q[s, a]; for TIB it is the fixed point of the equation itself. Equal
one-step beliefs are one: where transitions are certain there are as few as states.

Sweeps go down from the MDP's values, contract, and are stopped early: what they are certain to
exceed (MacQueen 1966, see `bounds`) is returned. Their number depends on the model alone, unless a
time limit is near. One-step beliefs that would make sweeps slow, the least likely ones, keep the
interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray, ragged

TOLERANCE = 1e-4
"""At which sweeps stop, relative to the span of values."""

MAX_SWEEPS, MAX_WORK = 500, 500_000_000
"""Most sweeps of one of the bounds, and multiplications of all; one sweep is made in any case."""

MAX_PRODUCTS = 4_000_000
"""Entries of one sweep of TIB; beyond, less likely one-step beliefs are not improved."""

SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier that makes one number of several."""

SAME = 1e-12
"""Beliefs whose projections differ by less may be one."""

EQUAL = 1e-14
"""Beliefs that differ by less in L1 norm are one: no more than rounding makes of them."""


class Informed(NamedTuple):
    """Upper bounds known before a search.

    Under action a in slot i these happen: step_first[i * A + a]:step_first[i * A + a + 1], each
    with its edge (as of Blocks), the number of the one-step belief arrived in, and its
    probability. Q (n_beliefs, A) bounds what an action is worth there; q (n_slots, A) what it is
    worth in a state, corner (n_slots,) what the state is. |V*| is nowhere larger than `largest`,
    and no one-step belief taken for another differs from that by more than `drift`, in L1 norm.
    """

    step_first: IntArray
    step_edge: IntArray
    step_belief: IntArray
    step_weight: FloatArray
    Q: FloatArray
    q: FloatArray
    corner: FloatArray
    largest: float
    drift: float


def informed_bounds(
    blocks: BlockModel, mdp: FloatArray, blind: FloatArray, monitor: Monitor, end: float = np.inf
) -> Informed:
    """Compute TIB's tables, or what is certain of them when the monitor shows `end` seconds.

    `mdp` and `blind`, shape (A, S), are the MDP's values and bounds from below.

    Raises
    ------
    LimitReached
        Where the monitor says so.
    """
    from scipy.sparse import csr_matrix

    model, arrays = blocks.model, blocks.arrays
    q = np.ascontiguousarray(mdp.T[blocks.state_of_slot])
    row, edge, weight, belief, B, drift = _one_step_beliefs(blocks, monitor)
    A, g, n_slots = model.n_actions, model.discount, blocks.n_slots

    weight_of_step = csr_matrix((weight, (row, belief)), shape=(n_slots * A, B.shape[0]))

    def fib(q: FloatArray) -> FloatArray:
        best = (B @ q).max(axis=1)
        ahead: FloatArray = (weight_of_step @ best).reshape(n_slots, A)
        return arrays.rewards + g * ahead

    q = _lowered(q, fib, g, A * (B.nnz + B.shape[0]) + len(weight), monitor, end)
    Q = np.asarray(B @ q)
    if monitor.seconds < end and B.nnz > B.shape[0]:  # else TIB is FIB
        improved, tib, work = _tib(blocks, B, Q, (row, edge, weight, belief))
        Q[improved] = _lowered(Q[improved], tib, g, work, monitor, end)
    above = Informed(
        step_first=np.searchsorted(row, np.arange(n_slots * A + 1)),
        step_edge=edge,
        step_belief=belief,
        step_weight=weight,
        Q=Q,
        q=q,
        corner=np.empty(n_slots),
        largest=0.0,
        drift=drift,
    )
    worth = weight_of_step @ Q.max(axis=1)
    better = np.minimum(q, arrays.rewards + g * worth.reshape(n_slots, A))
    above.corner[:] = better.max(axis=1)
    largest = max(abs(float(above.corner.max())), abs(float(blind.min(axis=1).max())))
    return above._replace(q=better, largest=largest)


Sweep = Callable[[FloatArray], FloatArray]


def _lowered(
    Q: FloatArray, sweep: Sweep, g: float, work: int, monitor: Monitor, end: float
) -> FloatArray:
    """Sweep an upper bound towards its fixed point; what is returned lies above that.

    A sweep costs `work` multiplications.
    """
    if not Q.size:
        return Q
    now, span = Q, max(1e-9, float(np.ptp(Q.max(axis=1))))
    for _ in range(min(MAX_SWEEPS, 1 + MAX_WORK // work)):
        monitor.check()
        before, now = now, sweep(now)
        change = now - before
        width = g / (1.0 - g) * float(np.ptp(change))
        if width <= TOLERANCE * span or monitor.seconds > end:
            break
    return np.minimum(Q, now + g / (1.0 - g) * float(change.max()))


def _one_step_beliefs(
    blocks: BlockModel, monitor: Monitor
) -> tuple[IntArray, IntArray, FloatArray, IntArray, Any, float]:
    """Group the entries of each slot, action and edge; number the beliefs arrived in.

    Returns
    -------
    row, edge, weight, belief, B, drift
        Of each group: slot * A + action, the edge, the probability, and the number of the belief,
        a row of the sparse B (n_beliefs, n_slots); by how much beliefs of one number differ.
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
    belief, examples, drift = _numbered(first, size, slot, share)
    monitor.check()
    starts = np.concatenate([[0], np.cumsum(size[examples])])
    entries = ragged(first[examples], first[examples] + size[examples])[1]
    B = csr_matrix((share[entries], slot[entries], starts), shape=(len(examples), blocks.n_slots))
    return row, edge, weight, belief, B, drift


def _numbered(
    first: IntArray, size: IntArray, slot: IntArray, share: FloatArray
) -> tuple[IntArray, IntArray, float]:
    """Number equal beliefs alike, name a group for each number, and say how equal they are.

    Beliefs in one state are numbered by it. The others have a key each, a hash of two random
    projections, which only proposes: a belief is compared, entry by entry, with the first one of
    its key, and takes that one's number only where they differ by no more than `EQUAL`. Else it
    keeps a number of its own, so that a collision of keys costs a merge, never a bound. What
    merged beliefs differ by is the drift, which the error of the bounds allows for (`rounding`).
    """
    single = np.flatnonzero(size == 1)
    _, examples, number = np.unique(slot[first[single]], return_index=True, return_inverse=True)
    belief = np.empty(len(size), dtype=np.int64)
    belief[single], examples = number, single[examples]
    several = np.flatnonzero(size > 1)
    if not len(several):
        return belief, examples, 0.0
    rng = np.random.default_rng(0)
    weights = rng.random((2, int(slot.max()) + 1))
    projections = np.add.reduceat(weights[:, slot] * share, first, axis=1)[:, several]
    rounded = np.round(projections / SAME).astype(np.uint64)
    key = (rounded[0] * SPREAD + rounded[1]) * SPREAD + size[several].astype(np.uint64)
    _, leader, number = np.unique(key, return_index=True, return_inverse=True)
    alike = several[leader][number]
    alike = np.where(size[alike] == size[several], alike, several)
    item, entry = ragged(first[several], first[several] + size[several])
    other = first[alike][item] + entry - first[several][item]
    apart = np.where(slot[entry] == slot[other], np.abs(share[entry] - share[other]), 1.0)
    distance = np.bincount(item, apart)
    equal = distance <= EQUAL
    others, number = np.unique(np.where(equal, alike, several), return_inverse=True)
    belief[several] = len(examples) + number
    drift = float(distance[equal].max(initial=0.0))
    return belief, np.concatenate([examples, others]), drift


def _tib(
    blocks: BlockModel,
    B: Any,
    Q: FloatArray,
    steps: tuple[IntArray, IntArray, FloatArray, IntArray],
) -> tuple[IntArray, Sweep, int]:
    """Which one-step beliefs are improved, the sweep of TIB over them, and its multiplications."""
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
    everywhere = Q.copy()

    def sweep(now: FloatArray) -> FloatArray:
        everywhere[improved] = now
        ahead = np.add.reduceat((products @ everywhere).max(axis=1), firsts)
        after: FloatArray = rewards + g * ahead.reshape(len(improved), A)
        return after

    return improved, sweep, A * products.nnz + part.nnz
