"""Policy improvement on faces: evaluate the controller that is greedy at the vectors' beliefs.

Each vector is a node: it takes the greedy action at its belief and, for each projection, moves to
the best vector of the target face. The controller's value is a lower bound of the optimum, usually
far above a single backup (Hansen 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pomdptool.kernels.exact import graph_evaluation as kernel
from pomdptool.kernels.exact.backup import Branches, choices
from pomdptool.kernels.exact.graph_evaluation import Controller
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.faces import Faces
from pomdptool.solving.exact.value_function import FaceValues, VectorSet, project
from pomdptool.solving.observed.policy_iteration import UNIT_ROUNDOFF
from pomdptool.solving.observed.policy_iteration import evaluate_policy as evaluate_greedy_policy
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray, ragged

SWEEPS = 400
"""Sweeps of successive approximation after which the linear system is solved instead."""

MAX_SWEEPS = 4000
"""Sweeps for a linear system that is slow to solve."""

ROUNDING = 1e-13
"""Change of a sweep, relative to the largest value, that counts as converged."""

WORK_PER_CALL = 100_000_000
"""Multiplications of one kernel call, so that limits act in time."""

INWARD = 1e-7
"""How far beliefs are moved towards the centre, to break ties on the boundary."""


@dataclass(frozen=True, eq=False, slots=True)
class EvaluatedController:
    """The value of a controller: a vector for each node, with the node's belief.

    `successors` holds for each face, node and projection a vector's index on the target face.
    """

    V: FaceValues
    successors: list[IntArray]


def evaluate_controller(
    faces: Faces, V: FaceValues, discount: float, monitor: Monitor | None = None
) -> EvaluatedController:
    """Evaluate the controller that is greedy with respect to V at the beliefs of its vectors.

    Raises
    ------
    LimitReached
        If the monitor stops the run.
    """
    monitor = monitor or Monitor()
    controller, actions, successors = _controller(faces, V, monitor)
    values = np.concatenate([nodes.vectors.ravel() for nodes in V])
    change = _iterate(controller, values, monitor)
    if change > ROUNDING * float(np.abs(values).max()):
        values = _solve(controller, values, discount, monitor)
        change = kernel.evaluate(controller, values, 0.0, 1)
    longest = 2 + int(np.diff(controller.row_first).max(initial=0)) * int(
        np.diff(controller.link_first).max()
    )
    change += UNIT_ROUNDOFF * longest * float(np.abs(values).max())
    values -= discount / (1.0 - discount) * change
    value, first = [], 0
    for nodes, action in zip(V, actions, strict=True):
        last = first + nodes.vectors.size
        vectors = values[first:last].reshape(nodes.vectors.shape)
        value.append(VectorSet(vectors, action, nodes.beliefs))
        first = last
    return EvaluatedController(tuple(value), successors)


def _iterate(controller: Controller, values: FloatArray, monitor: Monitor) -> float:
    """Sweep in place until the values converge, or `SWEEPS` times; returns the last change."""
    tolerance = ROUNDING * float(np.abs(values).max())
    entries = np.diff(controller.row_first[controller.branch_first])
    work = len(values) + int(entries[controller.link_branch].sum())
    per_call = min(SWEEPS, max(1, scaled_budget(WORK_PER_CALL) // work))
    change = np.inf
    for _ in range(0, SWEEPS, per_call):
        change = float(kernel.evaluate(controller, values, tolerance, per_call))
        if change <= tolerance:
            break
        monitor.check()
    return change


def _solve(
    controller: Controller, values: FloatArray, discount: float, monitor: Monitor
) -> FloatArray:
    """Solve the controller's linear system, starting from some values."""
    matrix, r = _transitions(controller), controller.rewards
    target = ROUNDING * float(np.abs(values).max())
    values = evaluate_greedy_policy(
        matrix, r, values[np.newaxis], target=target, sweeps=MAX_SWEEPS, monitor=monitor, vectors=0
    )[0]
    change = r + matrix @ values - values
    values += 0.5 * (change.min() + change.max()) / (1.0 - discount)
    return values


def _transitions(c: Controller) -> Any:
    """The transition matrix between nodes' states, times the discount."""
    from scipy.sparse import csr_matrix

    node = np.repeat(np.arange(len(c.link_first) - 1), np.diff(c.link_first))
    link, row = ragged(c.branch_first[c.link_branch], c.branch_first[c.link_branch + 1])
    place, entry = ragged(c.row_first[row], c.row_first[row + 1])
    link = link[place]
    source = c.node_first[node[link]] + c.row_state[row[place]]
    target = c.node_first[c.link_target[link]] + c.columns[entry]
    size = len(c.rewards)
    return csr_matrix((c.weights[entry], (source, target)), shape=(size, size))


def _controller(
    faces: Faces, V: FaceValues, monitor: Monitor
) -> tuple[Controller, list[IntArray], list[IntArray]]:
    """Greedy actions and successors at the beliefs, and the flat arrays of their controller."""
    sizes = [nodes.vectors.shape for nodes in V]
    node_base = np.cumsum([0, *(n for n, _ in sizes)])
    node_first = np.cumsum([0, *(d for n, d in sizes for _ in range(n))])
    branch_base = np.cumsum([0, *(sum(map(len, face.projections)) for face in faces.faces)])
    rewards, actions, branch_of_link, target_of_link, n_links = [], [], [], [], []
    successors: list[IntArray] = []
    for k, (face, nodes) in enumerate(zip(faces.faces, V, strict=True)):
        branches = project(face, V)
        inward = (1.0 - INWARD) * nodes.beliefs + INWARD / face.size
        action, rows = _greedy(branches, inward, monitor)
        targets = np.array([node_base[p.target] for ps in face.projections for p in ps], np.int64)
        taken = branches.actions[np.newaxis, :] == action[:, np.newaxis]
        node, branch = np.nonzero(taken)
        branch_of_link.append(branch_base[k] + branch)
        target_of_link.append(targets[branch] + rows[node, branch])
        n_links.append(taken.sum(axis=1))
        rewards.append(face.rewards[action].ravel())
        actions.append(action)
        successors.append(rows)
    projections = [p for face in faces.faces for ps in face.projections for p in ps]
    lengths = [np.diff(np.append(p.first, len(p.columns))) for p in projections]
    controller = Controller(
        node_first=node_first,
        rewards=np.concatenate(rewards),
        link_first=np.cumsum(np.concatenate([[0], *n_links])),
        link_branch=np.concatenate(branch_of_link),
        link_target=np.concatenate(target_of_link),
        branch_first=np.cumsum([0, *(len(p.rows) for p in projections)]),
        row_state=np.concatenate([p.rows for p in projections]),
        row_first=np.cumsum(np.concatenate([[0], *lengths])),
        columns=np.concatenate([p.columns for p in projections]),
        weights=np.concatenate([p.weights for p in projections]),
    )
    return controller, actions, successors


def _greedy(branches: Branches, beliefs: FloatArray, monitor: Monitor) -> tuple[IntArray, IntArray]:
    """Greedy action at each belief, and the maximising row of every branch."""
    n, work = len(beliefs), max(1, branches.rewards.size + branches.vectors.size)
    action, rows = np.zeros(n, np.int64), np.zeros((n, len(branches.actions)), np.int64)
    step = max(1, scaled_budget(WORK_PER_CALL) // work)
    for i in range(0, n, step):
        choices(beliefs[i : i + step], branches, action[i : i + step], rows[i : i + step])
        monitor.check()
    return action, rows
