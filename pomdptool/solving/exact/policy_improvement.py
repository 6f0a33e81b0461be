"""Policy improvement on faces: the controller that a stage describes, and what it earns.

Each vector is a node: at its belief it takes the best action and, for each branch, the best vector
ahead. What the controller earns is the value of a policy, so its vectors bound the optimum from
below, and they are usually far above one backup (Hansen 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pomdptool.kernels.exact import graph_evaluation as kernel
from pomdptool.kernels.exact.backup import Branches, choices
from pomdptool.kernels.exact.graph_evaluation import Controller
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.faces import Faces, Source
from pomdptool.solving.exact.value_function import Part, Stage
from pomdptool.solving.observed.policy_iteration import UNIT_ROUNDOFF
from pomdptool.solving.observed.policy_iteration import evaluate_policy as evaluate_greedy_policy
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray, ragged

SWEEPS = 400
"""Sweeps of a controller after which its linear system is solved instead."""

MAX_SWEEPS = 4000
"""Sweeps where that takes long too."""

ROUNDING = 1e-13
"""Change of a sweep, relative to the largest value, that may be rounding."""

WORK_PER_CALL = 100_000_000
"""Multiplications after which a kernel returns, so that limits act in time."""

INWARD = 1e-7
"""How far beliefs are moved towards the centre, where vectors that tie at the rim differ."""


@dataclass(frozen=True, eq=False, slots=True)
class Improved:
    """What a controller earns: a vector for each one of a stage, with the same beliefs.

    `rows` holds for each face, node and branch the vector that follows, of the branch's face.
    """

    stage: Stage
    rows: list[IntArray]


def evaluated(
    faces: Faces, stage: Stage, discount: float, monitor: Monitor | None = None
) -> Improved:
    """Value of the controller that a stage describes.

    Raises
    ------
    LimitReached
        Where the monitor says so.
    """
    monitor = monitor or Monitor()
    controller, actions, rows = _controller(faces, stage, monitor)
    values = np.concatenate([part.vectors.ravel() for part in stage])
    change = _settled(controller, values, monitor)
    if change > ROUNDING * float(np.abs(values).max()):
        values = _solved(controller, values, discount, monitor)
        change = kernel.evaluate(controller, values, 0.0, 1)
    longest = 2 + int(np.diff(controller.row_first).max(initial=0)) * int(
        np.diff(controller.link_first).max()
    )
    change += UNIT_ROUNDOFF * longest * float(np.abs(values).max())
    values -= discount / (1.0 - discount) * change
    parts, first = [], 0
    for part, action in zip(stage, actions, strict=True):
        last = first + part.vectors.size
        parts.append(Part(values[first:last].reshape(part.vectors.shape), action, part.beliefs))
        first = last
    return Improved(tuple(parts), rows)


def _settled(controller: Controller, values: FloatArray, monitor: Monitor) -> float:
    """Sweep the values in place until they stay, up to rounding, or long enough; the last change.

    Raises
    ------
    LimitReached
        Where the monitor says so.
    """
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


def _solved(
    controller: Controller, values: FloatArray, discount: float, monitor: Monitor
) -> FloatArray:
    """Solve the controller's linear system, from some values on."""
    matrix, r = _transitions(controller), controller.rewards
    values = evaluate_greedy_policy(
        matrix,
        r,
        values[np.newaxis],
        target=ROUNDING * float(np.abs(values).max()),
        sweeps=MAX_SWEEPS,
        monitor=monitor,
        vectors=0,
    )[0]
    change = r + matrix @ values - values
    values += 0.5 * (change.min() + change.max()) / (1.0 - discount)
    return values


def _transitions(c: Controller) -> Any:
    """The controller's states after a step, times the discount, as a sparse matrix."""
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
    faces: Faces, stage: Stage, monitor: Monitor
) -> tuple[Controller, list[IntArray], list[IntArray]]:
    """Choose actions and successors at the beliefs, and lay the controller out flat."""
    sizes = [part.vectors.shape for part in stage]
    node_base = np.cumsum([0, *(n for n, _ in sizes)])
    node_first = np.cumsum([0, *(d for n, d in sizes for _ in range(n))])
    branch_base = np.cumsum([0, *(sum(map(len, source.branches)) for source in faces.faces)])
    rewards, actions, branch_of_link, target_of_link, n_links = [], [], [], [], []
    followed: list[IntArray] = []
    for k, (source, part) in enumerate(zip(faces.faces, stage, strict=True)):
        raw = unpruned(source, stage)
        inward = (1.0 - INWARD) * part.beliefs + INWARD / source.size
        action, rows = _best(raw, inward, monitor)
        targets = np.array([node_base[b.target] for bs in source.branches for b in bs], np.int64)
        taken = raw.actions[np.newaxis, :] == action[:, np.newaxis]
        node, branch = np.nonzero(taken)
        branch_of_link.append(branch_base[k] + branch)
        target_of_link.append(targets[branch] + rows[node, branch])
        n_links.append(taken.sum(axis=1))
        rewards.append(source.rewards[action].ravel())
        actions.append(action)
        followed.append(rows)
    branches = [b for source in faces.faces for bs in source.branches for b in bs]
    lengths = [np.diff(np.append(b.first, len(b.columns))) for b in branches]
    controller = Controller(
        node_first=node_first,
        rewards=np.concatenate(rewards),
        link_first=np.cumsum(np.concatenate([[0], *n_links])),
        link_branch=np.concatenate(branch_of_link),
        link_target=np.concatenate(target_of_link),
        branch_first=np.cumsum([0, *(len(b.rows) for b in branches)]),
        row_state=np.concatenate([b.rows for b in branches]),
        row_first=np.cumsum(np.concatenate([[0], *lengths])),
        columns=np.concatenate([b.columns for b in branches]),
        weights=np.concatenate([b.weights for b in branches]),
    )
    return controller, actions, followed


def _best(raw: Branches, beliefs: FloatArray, monitor: Monitor) -> tuple[IntArray, IntArray]:
    """Best action at some beliefs, and for every branch the row that is largest there."""
    n, work = len(beliefs), max(1, raw.rewards.size + raw.vectors.size)
    action, rows = np.zeros(n, np.int64), np.zeros((n, len(raw.actions)), np.int64)
    step = max(1, scaled_budget(WORK_PER_CALL) // work)
    for i in range(0, n, step):
        choices(beliefs[i : i + step], raw, action[i : i + step], rows[i : i + step])
        monitor.check()
    return action, rows


def unpruned(source: Source, stage: Stage) -> Branches:
    """Project a stage through a source's branches, row for row."""
    projected: list[FloatArray] = []
    actions: list[int] = []
    for a, branches in enumerate(source.branches):
        for branch in branches:
            projected.append(branch.project(stage[branch.target].vectors, source.size))
            actions.append(a)
    starts = np.cumsum([0, *map(len, projected)])
    stacked = np.ascontiguousarray(np.vstack(projected))
    return Branches(source.rewards, starts, stacked, np.array(actions, np.int64))
