"""The upper bound of the belief graph, solved at once instead of backed up step by step.

With the bounds of all other nodes held fixed, the nodes that the initial belief leads to by the
actions that look best form a Markov decision process: an action leads to its children, and a node
that was interpolated between points leads to these,

    U[n] = max over a of r[n, a] + g sum over o of P(o) U[child],    U[n] = c[n] + sum of w[k] U[k].

Which of the two holds for a node is settled first: the smaller one. The rest is policy iteration
(Howard 1960). Each right-hand side of upper bounds is an upper bound, and both contract, so values
that are nowhere below their right-hand sides are upper bounds. Backups alone come closer by a
factor g in every step where the graph has loops: where g is near 1 they need thousands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pomdptool.kernels import search as kernel
from pomdptool.kernels.search import Search
from pomdptool.solving.blocks import BlockModel
from pomdptool.sparse import FloatArray, IntArray, entries_of

MAX_NODES = 3000
"""Most nodes whose equations are solved; a factorisation of as many, dense, takes a second."""

MAX_ROUNDS, MAX_POLICIES = 20, 50
"""Most times that the equations are settled anew, and that the policy is improved."""

WORTHWHILE = 1e-3
"""Share of the root's gap that a round must close for another one."""

OLD = 1e-6
"""Share of its old bound that an interpolated node keeps, so that its equation contracts too."""

NEAR = 0.01
"""By how much, as a share of its gap, an equation may exceed a node's bound and yet hold for it."""


def solve_upper(blocks: BlockModel, search: Search, root: int) -> int:
    """Lower the bounds of the graph's nodes; how many, 0 where they are too many to solve for."""
    bounds = search.bounds
    nodes = _chosen(blocks, search, root)
    for _ in range(MAX_ROUNDS if len(nodes) else 0):
        before = bounds[root, kernel.UPPER]
        gap = before - bounds[root, kernel.LOWER]
        equations = _equations(blocks, search, nodes)
        U = bounds[nodes, kernel.UPPER]
        x = equations.solution(U, blocks.model.discount)
        bounds[nodes, kernel.UPPER] = np.minimum(U, x)
        if before - bounds[root, kernel.UPPER] <= WORTHWHILE * gap:
            break
    return len(nodes)


def _chosen(blocks: BlockModel, search: Search, root: int) -> IntArray:
    """All nodes that are expanded or interpolated; those that matter where they are too many."""
    some = search.nodes[:, [kernel.EXPANSION, kernel.N_MIXED]] > [kernel.NONE, 0]
    nodes = np.flatnonzero(some.any(axis=1))
    return nodes if len(nodes) <= MAX_NODES else _reachable(blocks, search, root)


def _reachable(blocks: BlockModel, search: Search, root: int) -> IntArray:
    """Nodes that the root leads to, by the best actions or interpolation; none: too many."""
    seen = np.zeros(len(search.nodes), dtype=bool)
    fresh, found = np.array([root]), [np.array([root])]
    seen[root] = True
    count = 1
    while len(fresh):
        expanded = fresh[search.nodes[fresh, kernel.EXPANSION] >= 0]
        rows = search.nodes[expanded, kernel.EXPANSION]
        above = search.worths.reshape(len(search.worths), -1, kernel.WORTH)[rows, :, kernel.ABOVE]
        _, children, _ = _steps(blocks, search, expanded, rows, above.argmax(axis=1))
        _, points, _ = _mixed(search, fresh)
        after = np.unique(np.concatenate([children, points]))
        fresh = after[~seen[after]]
        seen[fresh] = True
        found.append(fresh)
        count += len(fresh)
        if count > MAX_NODES:
            return np.zeros(0, dtype=np.int64)
    return np.concatenate(found)


def _steps(
    blocks: BlockModel, search: Search, nodes: IntArray, rows: IntArray, action: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Children of an expanded action of each node: number in the list, child, probability."""
    A = blocks.model.n_actions
    children, chances = search.actions.reshape(-1, A, kernel.ACTION)[rows, action].T
    group = search.nodes[nodes, kernel.BLOCK] * A + action
    item, edge = entries_of(blocks.arrays.edge_first, group)
    place = edge - blocks.arrays.edge_first[group][item]
    known = children[item] >= 0
    item, place = item[known], place[known]
    child = search.i[children[item] + place]
    p = search.f[chances[item] + place]
    there = child != kernel.NONE
    return item[there], child[there], p[there]


def _mixed(search: Search, nodes: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Points that nodes were interpolated between: number in the list, point, share."""
    n = search.nodes[nodes, kernel.N_MIXED]
    item = np.repeat(np.arange(len(nodes)), n)
    place = np.arange(len(item)) - np.repeat(np.cumsum(n) - n, n)
    of = search.nodes[nodes[item]]
    points = search.i[of[:, kernel.POINTS_MIXED] + place]
    return item, points, search.f[of[:, kernel.WEIGHTS_MIXED] + place]


class _Equations(NamedTuple):
    """x[k] = max over a of constant[k, a] + (matrix x)[k * A + a]; -inf where there is no a."""

    matrix: Any
    constant: FloatArray

    def sides(self, x: FloatArray) -> FloatArray:
        """Right-hand sides, shape (n, A)."""
        sides: FloatArray = self.constant + (self.matrix @ x).reshape(self.constant.shape)
        return sides

    def solution(self, x: FloatArray, discount: float) -> FloatArray:
        """The fixed point, from above, by policy iteration."""
        from scipy.sparse import identity
        from scipy.sparse.linalg import splu

        n, A = self.constant.shape
        policy, unit = None, identity(n, format="csc")
        for _ in range(MAX_POLICIES):
            best = self.sides(x).argmax(axis=1)
            if policy is not None and np.array_equal(best, policy):
                break
            policy = best
            rows = np.arange(n) * A + policy
            factors = splu((unit - self.matrix[rows]).tocsc())
            x = factors.solve(self.constant.ravel()[rows])
        short = np.maximum(self.sides(x).max(axis=1) - x, 0.0)
        x = x + 2.0 * factors.solve(short)
        rest = float((self.sides(x).max(axis=1) - x).max())
        return x + max(rest, 0.0) / min(1.0 - discount, OLD)


def _equations(blocks: BlockModel, search: Search, nodes: IntArray) -> _Equations:
    """Settle which equation holds for each node: its backup, interpolation, or neither."""
    from scipy.sparse import csr_matrix

    A, g = blocks.model.n_actions, blocks.model.discount
    U, n = search.bounds[:, kernel.UPPER], len(nodes)
    own, gap = U[nodes], U[nodes] - search.bounds[nodes, kernel.LOWER]
    near = own + NEAR * np.maximum(gap, 0.0)
    # Backups: rows k * A + a, which stand where they are no worse than the action's bound.
    k = np.flatnonzero(search.nodes[nodes, kernel.EXPANSION] >= 0)
    expansion = np.repeat(search.nodes[nodes[k], kernel.EXPANSION], A)
    action = np.tile(np.arange(A), len(k))
    item, child, p = _steps(blocks, search, np.repeat(nodes[k], A), expansion, action)
    worths = search.worths.reshape(-1, A, kernel.WORTH)[expansion, action]
    backed = worths[:, kernel.REWARD] + g * np.bincount(item, p * U[child], len(action))
    stands = np.bincount(item, minlength=len(action)) > 0
    stands &= backed <= worths[:, kernel.ABOVE] + np.repeat(near[k] - own[k], A)
    value = np.where(stands, backed, worths[:, kernel.ABOVE])
    backup = np.full(n, np.inf)
    backup[k] = value.reshape(-1, A).max(axis=1)
    # Interpolation.
    point_item, point, share = _mixed(search, nodes)
    base = search.bounds[:, kernel.BASE]
    rest = base[nodes] + search.bounds[nodes, kernel.SLACK]
    rest = rest - np.bincount(point_item, share * base[point], n)
    mixed = np.where(np.bincount(point_item, minlength=n) > 0, rest, np.inf)
    mixed = mixed + np.bincount(point_item, share * U[point], n)
    by_backup = (backup <= mixed) & (backup <= near)
    by_points = ~by_backup & (mixed <= near)
    constant = np.full((n, A), -np.inf)
    constant[:, 0] = own
    constant[by_points, 0] = (1.0 - OLD) * rest[by_points] + OLD * own[by_points]
    rows = (k[:, None] * A + np.arange(A)).ravel()
    reward = np.where(stands, worths[:, kernel.REWARD], worths[:, kernel.ABOVE])
    held = by_backup[np.repeat(k, A)]
    constant.reshape(-1)[rows[held]] = reward[held]
    used = held[item] & stands[item]
    mixing = by_points[point_item]
    row = np.concatenate([rows[item[used]], point_item[mixing] * A])
    target = np.concatenate([child[used], point[mixing]])
    weight = np.concatenate([g * p[used], (1.0 - OLD) * share[mixing]])
    number = np.full(len(U), -1)
    number[nodes] = np.arange(n)
    inside = number[target] >= 0
    constant += np.bincount(row[~inside], weight[~inside] * U[target[~inside]], n * A).reshape(n, A)
    entries = (weight[inside], (row[inside], number[target[inside]]))
    return _Equations(csr_matrix(entries, shape=(n * A, n)), constant)
