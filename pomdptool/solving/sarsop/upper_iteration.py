"""Policy iteration for the upper bounds of the belief graph, instead of backup after backup.

With all other bounds held fixed, the nodes reachable from the initial belief under the actions with
the largest upper bounds form an MDP: an action leads to its children, and a node interpolated
between points leads to these,

    U[n] = max over a of r[n, a] + g sum over o of P(o) U[child],    U[n] = c[n] + sum of w[k] U[k].

The smaller of the two right-hand sides is chosen for each node, and the resulting equations are
solved by policy iteration (Howard 1960). Both right-hand sides preserve upper bounds and contract,
so values that are nowhere below their right-hand sides are upper bounds. Backups alone contract by
g each, so that in a graph with cycles and g near 1 thousands would be needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import BoolArray, FloatArray, IntArray, ragged

MAX_NODES = 3000
"""Maximum number of nodes; a factorisation that fills in completely takes about a second."""

MAX_ROUNDS, MAX_POLICIES = 20, 50
"""Limits on rounds of choosing the equations, and on policy improvements in each."""

MIN_PROGRESS = 1e-3
"""Share of the root's gap that a round must close for another one to follow."""

DAMPING = 1e-6
"""Weight of its old bound in an interpolated node's equation, so that this contracts too."""

CONSISTENCY = 0.01
"""An equation is used if it exceeds the node's bound by at most this share of its gap."""


def solve_upper_bound(
    blocks: BlockModel, search: Search, root: int, check: Callable[[], None] = lambda: None
) -> int:
    """Lower the upper bounds of the graph's nodes; return their number, 0 if there are too many.

    `check` is called before each linear system and may raise.
    """
    bounds = search.bounds
    nodes = _select_nodes(blocks, search, root)
    for _ in range(MAX_ROUNDS if len(nodes) else 0):
        before = bounds[root, layout.UPPER]
        gap = before - bounds[root, layout.LOWER]
        equations = _assemble(blocks, search, nodes)
        U = bounds[nodes, layout.UPPER]
        x = equations.solve(U, blocks.model.discount, check)
        bounds[nodes, layout.UPPER] = np.fmin(U, x)
        if before - bounds[root, layout.UPPER] <= MIN_PROGRESS * gap:
            break
    return len(nodes)


def _select_nodes(blocks: BlockModel, search: Search, root: int) -> IntArray:
    """Nodes expanded or interpolated; if there are too many, only those reachable from the root."""
    some = search.nodes[:, [layout.EXPANSION, layout.N_MIX]] > [layout.NONE, 0]
    nodes = np.flatnonzero(some.any(axis=1))
    return nodes if len(nodes) <= MAX_NODES else _reachable_nodes(blocks, search, root)


def _reachable_nodes(blocks: BlockModel, search: Search, root: int) -> IntArray:
    """Nodes reachable from the root by best actions or interpolation; none if too many."""
    visited = np.zeros(len(search.nodes), dtype=bool)
    frontier, reached = np.array([root]), [np.array([root])]
    visited[root] = True
    count = 1
    while len(frontier):
        expanded = frontier[search.nodes[frontier, layout.EXPANSION] >= 0]
        rows = search.nodes[expanded, layout.EXPANSION]
        q_values = search.q_values.reshape(len(search.q_values), -1, layout.Q_VALUE)
        best = q_values[rows, :, layout.Q_UPPER].argmax(axis=1)
        _, children, _ = _children(blocks, search, expanded, rows, best)
        _, points, _ = _interpolation_points(search, frontier)
        successors = np.unique(np.concatenate([children, points]))
        frontier = successors[~visited[successors]]
        visited[frontier] = True
        reached.append(frontier)
        count += len(frontier)
        if count > MAX_NODES:
            return np.zeros(0, dtype=np.int64)
    return np.concatenate(reached)


def _children(
    blocks: BlockModel, search: Search, nodes: IntArray, rows: IntArray, action: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Children of nodes under an action of each: index in the list, child, probability."""
    A = blocks.model.n_actions
    children, probabilities = search.actions.reshape(-1, A, layout.ACTION)[rows, action].T
    group = search.nodes[nodes, layout.BLOCK] * A + action
    first = blocks.arrays.edge_first
    item, edge = ragged(first[group], first[group + 1])
    place = edge - first[group][item]
    expanded = children[item] >= 0
    item, place = item[expanded], place[expanded]
    child = search.i[children[item] + place]
    p = search.f[probabilities[item] + place]
    possible = child != layout.NONE
    return item[possible], child[possible], p[possible]


def _interpolation_points(search: Search, nodes: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Points that nodes are interpolated between: index in the list, point, weight."""
    n = search.nodes[nodes, layout.N_MIX]
    item, place = ragged(np.zeros_like(n), n)
    node = search.nodes[nodes[item]]
    points = search.i[node[:, layout.MIX_POINTS] + place]
    return item, points, search.f[node[:, layout.MIX_WEIGHTS] + place]


class _BellmanEquations(NamedTuple):
    """x[k] = max over a of constant[k, a] + (matrix x)[k * A + a]; constant -inf: no such a."""

    matrix: Any
    constant: FloatArray

    def right_hand_sides(self, x: FloatArray) -> FloatArray:
        """Right-hand sides, shape (n, A)."""
        sides: FloatArray = self.constant + (self.matrix @ x).reshape(self.constant.shape)
        return sides

    def solve(self, x: FloatArray, discount: float, check: Callable[[], None]) -> FloatArray:
        """Policy iteration; the result lies at or above the fixed point."""
        from scipy.sparse import identity
        from scipy.sparse.linalg import splu

        n, A = self.constant.shape
        policy, unit = None, identity(n, format="csc")
        for _ in range(MAX_POLICIES):
            best = self.right_hand_sides(x).argmax(axis=1)
            if policy is not None and np.array_equal(best, policy):
                break
            policy = best
            check()
            rows = np.arange(n) * A + policy
            factors = splu((unit - self.matrix[rows]).tocsc())
            x = factors.solve(self.constant.ravel()[rows])
        residual = np.maximum(self.right_hand_sides(x).max(axis=1) - x, 0.0)
        x = x + 2.0 * factors.solve(residual)
        rest = float((self.right_hand_sides(x).max(axis=1) - x).max())
        return x + max(rest, 0.0) / min(1.0 - discount, DAMPING)


class _RightHandSides(NamedTuple):
    """Right-hand sides constant[row] + sum of weight * U[node] over the row's entries.

    `owner` is the index in the list of the node that each row belongs to.
    """

    owner: IntArray
    constant: FloatArray
    row: IntArray
    node: IntArray
    weight: FloatArray

    def values(self, U: FloatArray) -> FloatArray:
        """Evaluate for nodes with upper bounds U."""
        sums = np.bincount(self.row, self.weight * U[self.node], len(self.owner))
        values: FloatArray = self.constant + sums
        return values

    def restricted_to(self, kept: BoolArray) -> _RightHandSides:
        """Drop the entries of rows that are not kept, leaving their constants."""
        entries = kept[self.row]
        return self._replace(
            row=self.row[entries], node=self.node[entries], weight=self.weight[entries]
        )


def _backup_equations(blocks: BlockModel, search: Search, nodes: IntArray) -> _RightHandSides:
    """Backups of all actions of expanded nodes; the stored Q-value where that is smaller."""
    A, g = blocks.model.n_actions, blocks.model.discount
    owner = np.flatnonzero(search.nodes[nodes, layout.EXPANSION] >= 0)
    expansion = np.repeat(search.nodes[nodes[owner], layout.EXPANSION], A)
    action = np.tile(np.arange(A), len(owner))
    row, child, p = _children(blocks, search, np.repeat(nodes[owner], A), expansion, action)
    q_values = search.q_values.reshape(-1, A, layout.Q_VALUE)[expansion, action]
    owner = np.repeat(owner, A)
    sides = _RightHandSides(owner, q_values[:, layout.REWARD], row, child, g * p)
    bounds = search.bounds[nodes[owner]]
    near = CONSISTENCY * np.maximum(bounds[:, layout.UPPER] - bounds[:, layout.LOWER], 0.0)
    above = q_values[:, layout.Q_UPPER]
    consistent = np.bincount(row, minlength=len(owner)) > 0
    consistent &= sides.values(search.bounds[:, layout.UPPER]) <= above + near
    constant = np.where(consistent, sides.constant, above)
    return sides.restricted_to(consistent)._replace(constant=constant)


def _interpolation_equations(search: Search, nodes: IntArray) -> _RightHandSides:
    """Interpolations of nodes between points."""
    base, slack = search.bounds[:, layout.BASE], search.bounds[:, layout.SLACK]
    owner = np.flatnonzero(search.nodes[nodes, layout.N_MIX] > 0)
    row, point, weight = _interpolation_points(search, nodes[owner])
    constant = (base + slack)[nodes[owner]] - np.bincount(row, weight * base[point], len(owner))
    return _RightHandSides(owner, constant, row, point, weight)


def _assemble(blocks: BlockModel, search: Search, nodes: IntArray) -> _BellmanEquations:
    """Choose the equation of each node: its backup, its interpolation, or its bound, held fixed."""
    from scipy.sparse import csr_matrix

    A, n, U = blocks.model.n_actions, len(nodes), search.bounds[:, layout.UPPER]
    backups = _backup_equations(blocks, search, nodes)
    mixtures = _interpolation_equations(search, nodes)
    own = U[nodes]
    near = own + CONSISTENCY * np.maximum(own - search.bounds[nodes, layout.LOWER], 0.0)
    backup, mixed = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(backup, backups.owner, backups.values(U))
    backup[backup == -np.inf] = np.inf
    mixed[mixtures.owner] = mixtures.values(U)
    by_backup = (backup <= mixed) & (backup <= near)
    by_points = ~by_backup & (mixed <= near)
    backups = backups.restricted_to(by_backup[backups.owner])
    mixtures = mixtures.restricted_to(by_points[mixtures.owner])
    # Row k * A + a holds action a of node k; an interpolation or fixed bound has row k * A.
    constant = np.full((n, A), -np.inf)
    constant[:, 0] = own
    at_points = by_points[mixtures.owner]
    k = mixtures.owner[at_points]
    constant[k, 0] = (1.0 - DAMPING) * mixtures.constant[at_points] + DAMPING * own[k]
    backed = by_backup[backups.owner]
    place = backups.owner * A + np.arange(len(backups.owner)) % A
    constant.ravel()[place[backed]] = backups.constant[backed]
    row = np.concatenate([place[backups.row], mixtures.owner[mixtures.row] * A])
    target = np.concatenate([backups.node, mixtures.node])
    weight = np.concatenate([backups.weight, (1.0 - DAMPING) * mixtures.weight])
    number = np.full(len(U), -1)
    number[nodes] = np.arange(n)
    column, inside = number[target], number[target] >= 0
    outside = weight[~inside] * U[target[~inside]]
    constant += np.bincount(row[~inside], outside, n * A).reshape(n, A)
    entries = (weight[inside], (row[inside], column[inside]))
    return _BellmanEquations(csr_matrix(entries, shape=(n * A, n)), constant)
