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

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import BoolArray, FloatArray, IntArray, ragged

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


def solve_upper(
    blocks: BlockModel, search: Search, root: int, check: Callable[[], None] = lambda: None
) -> int:
    """Lower the bounds of the graph's nodes; how many, 0 where they are too many to solve for.

    `check` is called before each linear system, and may raise.
    """
    bounds = search.bounds
    nodes = _chosen(blocks, search, root)
    for _ in range(MAX_ROUNDS if len(nodes) else 0):
        before = bounds[root, kernel.UPPER]
        gap = before - bounds[root, kernel.LOWER]
        equations = _equations(blocks, search, nodes)
        U = bounds[nodes, kernel.UPPER]
        x = equations.solution(U, blocks.model.discount, check)
        bounds[nodes, kernel.UPPER] = np.fmin(U, x)
        if before - bounds[root, kernel.UPPER] <= WORTHWHILE * gap:
            break
    return len(nodes)


def _chosen(blocks: BlockModel, search: Search, root: int) -> IntArray:
    """All nodes that are expanded or interpolated; those that matter where they are too many."""
    some = search.nodes[:, [kernel.EXPANSION, kernel.N_MIX]] > [kernel.NONE, 0]
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
        above = search.q_values.reshape(len(search.q_values), -1, kernel.Q_VALUE)[
            rows, :, kernel.Q_UPPER
        ]
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
    first = blocks.arrays.edge_first
    item, edge = ragged(first[group], first[group + 1])
    place = edge - first[group][item]
    known = children[item] >= 0
    item, place = item[known], place[known]
    child = search.i[children[item] + place]
    p = search.f[chances[item] + place]
    there = child != kernel.NONE
    return item[there], child[there], p[there]


def _mixed(search: Search, nodes: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Points that nodes were interpolated between: number in the list, point, share."""
    n = search.nodes[nodes, kernel.N_MIX]
    item, place = ragged(np.zeros_like(n), n)
    of = search.nodes[nodes[item]]
    points = search.i[of[:, kernel.MIX_POINTS] + place]
    return item, points, search.f[of[:, kernel.MIX_WEIGHTS] + place]


class _Equations(NamedTuple):
    """x[k] = max over a of constant[k, a] + (matrix x)[k * A + a]; -inf where there is no a."""

    matrix: Any
    constant: FloatArray

    def sides(self, x: FloatArray) -> FloatArray:
        """Right-hand sides, shape (n, A)."""
        sides: FloatArray = self.constant + (self.matrix @ x).reshape(self.constant.shape)
        return sides

    def solution(self, x: FloatArray, discount: float, check: Callable[[], None]) -> FloatArray:
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
            check()
            rows = np.arange(n) * A + policy
            factors = splu((unit - self.matrix[rows]).tocsc())
            x = factors.solve(self.constant.ravel()[rows])
        short = np.maximum(self.sides(x).max(axis=1) - x, 0.0)
        x = x + 2.0 * factors.solve(short)
        rest = float((self.sides(x).max(axis=1) - x).max())
        return x + max(rest, 0.0) / min(1.0 - discount, OLD)


class _Sides(NamedTuple):
    """Right-hand sides of a kind: constant[row] + sum of weight * U[node] over the row's entries.

    `holder` is the node, numbered in the list, that each row is for.
    """

    holder: IntArray
    constant: FloatArray
    row: IntArray
    node: IntArray
    weight: FloatArray

    def values(self, U: FloatArray) -> FloatArray:
        """Their values where nodes have the bounds U."""
        ahead = np.bincount(self.row, self.weight * U[self.node], len(self.holder))
        values: FloatArray = self.constant + ahead
        return values

    def only(self, kept: BoolArray) -> _Sides:
        """Rows that are not kept are their constants alone."""
        entries = kept[self.row]
        return self._replace(
            row=self.row[entries], node=self.node[entries], weight=self.weight[entries]
        )


def _backups(blocks: BlockModel, search: Search, nodes: IntArray) -> _Sides:
    """All actions of the nodes that are expanded; a known bound where it is smaller."""
    A, g = blocks.model.n_actions, blocks.model.discount
    holder = np.flatnonzero(search.nodes[nodes, kernel.EXPANSION] >= 0)
    expansion = np.repeat(search.nodes[nodes[holder], kernel.EXPANSION], A)
    action = np.tile(np.arange(A), len(holder))
    row, child, p = _steps(blocks, search, np.repeat(nodes[holder], A), expansion, action)
    worths = search.q_values.reshape(-1, A, kernel.Q_VALUE)[expansion, action]
    holder = np.repeat(holder, A)
    sides = _Sides(holder, worths[:, kernel.REWARD], row, child, g * p)
    bounds = search.bounds[nodes[holder]]
    near = NEAR * np.maximum(bounds[:, kernel.UPPER] - bounds[:, kernel.LOWER], 0.0)
    above = worths[:, kernel.Q_UPPER]
    holds = np.bincount(row, minlength=len(holder)) > 0
    holds &= sides.values(search.bounds[:, kernel.UPPER]) <= above + near
    return sides.only(holds)._replace(constant=np.where(holds, sides.constant, above))


def _interpolations(search: Search, nodes: IntArray) -> _Sides:
    """The nodes that were interpolated between points, from these."""
    base, slack = search.bounds[:, kernel.BASE], search.bounds[:, kernel.SLACK]
    holder = np.flatnonzero(search.nodes[nodes, kernel.N_MIX] > 0)
    row, point, share = _mixed(search, nodes[holder])
    constant = (base + slack)[nodes[holder]] - np.bincount(row, share * base[point], len(holder))
    return _Sides(holder, constant, row, point, share)


def _equations(blocks: BlockModel, search: Search, nodes: IntArray) -> _Equations:
    """Settle which equation holds for each node: its backup, its interpolation, or neither."""
    from scipy.sparse import csr_matrix

    A, n, U = blocks.model.n_actions, len(nodes), search.bounds[:, kernel.UPPER]
    backups, mixtures = _backups(blocks, search, nodes), _interpolations(search, nodes)
    own = U[nodes]
    near = own + NEAR * np.maximum(own - search.bounds[nodes, kernel.LOWER], 0.0)
    backup, mixed = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(backup, backups.holder, backups.values(U))
    backup[backup == -np.inf] = np.inf
    mixed[mixtures.holder] = mixtures.values(U)
    by_backup = (backup <= mixed) & (backup <= near)
    by_points = ~by_backup & (mixed <= near)
    backups = backups.only(by_backup[backups.holder])
    mixtures = mixtures.only(by_points[mixtures.holder])
    # Row k * A + a: the actions of node k, or one row for its interpolation or its own bound.
    constant = np.full((n, A), -np.inf)
    constant[:, 0] = own
    at_points = by_points[mixtures.holder]
    k = mixtures.holder[at_points]
    constant[k, 0] = (1.0 - OLD) * mixtures.constant[at_points] + OLD * own[k]
    backed = by_backup[backups.holder]
    place = backups.holder * A + np.arange(len(backups.holder)) % A
    constant.ravel()[place[backed]] = backups.constant[backed]
    row = np.concatenate([place[backups.row], mixtures.holder[mixtures.row] * A])
    target = np.concatenate([backups.node, mixtures.node])
    weight = np.concatenate([backups.weight, (1.0 - OLD) * mixtures.weight])
    number = np.full(len(U), -1)
    number[nodes] = np.arange(n)
    column, inside = number[target], number[target] >= 0
    outside = weight[~inside] * U[target[~inside]]
    constant += np.bincount(row[~inside], outside, n * A).reshape(n, A)
    entries = (weight[inside], (row[inside], column[inside]))
    return _Equations(csr_matrix(entries, shape=(n * A, n)), constant)
