"""Policy evaluation of a finite-state controller by Gauss-Seidel sweeps over flat arrays.

The value of node i in state s is V_i[s] = r_i[s] + sum over links l and entries of weight *
V_target(l)[column]. Sweeps stop when no value changes by more than a tolerance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel


class Controller(NamedTuple):
    """A finite-state controller on faces of the simplex, as flat arrays.

    Node i has the values of its face's states in node_first[i]:node_first[i + 1] of any array
    over all nodes, such as `rewards`. It has the links link_first[i]:link_first[i + 1]; link l
    takes branch link_branch[l] to node link_target[l]. Branch j has the rows
    branch_first[j]:branch_first[j + 1]; row k is state row_state[k] of the node and has the
    entries row_first[k]:row_first[k + 1], each a column and a weight.
    """

    node_first: np.ndarray
    rewards: np.ndarray
    link_first: np.ndarray
    link_branch: np.ndarray
    link_target: np.ndarray
    branch_first: np.ndarray
    row_state: np.ndarray
    row_first: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


@kernel
def evaluate(controller, values, tolerance, max_sweeps):
    """Update `values` in place until none changes by more than the tolerance; the last change."""
    c = controller
    n_nodes = c.node_first.shape[0] - 1
    change = np.inf
    for _ in range(max_sweeps):
        change = 0.0
        for i in range(n_nodes):
            first, size = c.node_first[i], c.node_first[i + 1] - c.node_first[i]
            after = c.rewards[first : first + size].copy()
            for link in range(c.link_first[i], c.link_first[i + 1]):
                j, target = c.link_branch[link], c.node_first[c.link_target[link]]
                for k in range(c.branch_first[j], c.branch_first[j + 1]):
                    x = 0.0
                    for e in range(c.row_first[k], c.row_first[k + 1]):
                        x += c.weights[e] * values[target + c.columns[e]]
                    after[c.row_state[k]] += x
            for s in range(size):
                change = max(change, abs(after[s] - values[first + s]))
                values[first + s] = after[s]
        if change <= tolerance:
            break
    return change
