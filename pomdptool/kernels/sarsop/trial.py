"""SARSOP's trial loop, and sweeps: the order in which nodes are backed up.

A trial descends from the root by the action with the largest upper bound, to the successor with the
largest weighted excess gap

    P(o | b, a) (upper(b_ao) - lower(b_ao) - aim)

until no successor has an excess, and returns to the root; nodes are backed up on both ways (Smith
and Simmons 2005; Kurniawati, Hsu and Lee 2008). The aim is a share of the root's gap, divided by
the discount at each step. The share changes from trial to trial, because small ones favour the
lower bound and large ones the upper. Trials end when the root's gap is closed (`is_closed`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.belief_graph import expand
from pomdptool.kernels.sarsop.interpolation import LP_STATES, interpolate
from pomdptool.kernels.sarsop.layout import (
    ACTION,
    ACTIONS_AT,
    AIM,
    BLOCK,
    BOUND,
    BOUNDS_AT,
    BY_LOWER,
    CHILDREN,
    DEPTH,
    DISCOUNT,
    DRIFT,
    EDGE_FIRST,
    EXPANDED_CAPACITY,
    EXPANSION,
    FLOATS_CAPACITY,
    INTEGERS_CAPACITY,
    LONGEST_LIST,
    LOWER,
    N_ACTIONS,
    N_BACKUPS,
    N_EXPANDED,
    N_FLOATS,
    N_INTEGERS,
    N_NODES,
    N_TRIALS,
    N_VECTORS,
    NODE,
    NODES_AT,
    NODES_CAPACITY,
    NONE,
    POINT_ELEMENT,
    PROBABILITIES,
    SCRATCH_CAPACITY,
    STEP,
    UPPER,
    VECTORS_CAPACITY,
)
from pomdptool.kernels.sarsop.lower_bound import backup_lower, update_lower
from pomdptool.kernels.sarsop.upper_bound import backup_upper, update_upper

SHARES = (0.3, 0.95, 0.6, 0.9, 0.1)
"""Shares of the root's gap that trials aim for, in turn. Trials of the last kind follow the best
actions by lower bound, not upper, and so improve the current policy."""

# Statuses.
DONE, BUDGET, FULL = range(3)


class Aims(NamedTuple):
    """Goals and limits of a call, and the space that a backup needs.

    The root's gap at which to stop, relative to max(1, |lower bound|); the error of the bounds,
    its constant part and that for each unit of drift; the least gain of a vector; the most vectors,
    and backups of this call; and the most nodes, integers, floats and scratch of one backup.
    """

    precision: float
    error: float
    per_drift: float
    gain: float
    vectors: int
    budget: int
    nodes: int
    integers: int
    floats: int
    scratch: int


@kernel(inner=True, inline="always")
def has_capacity(s, aims):
    """Whether the arrays have space for one more backup."""
    return (
        s.i[N_NODES] + aims.nodes < s.i[NODES_CAPACITY]
        and s.i[N_EXPANDED] + 1 < s.i[EXPANDED_CAPACITY]
        and s.i[N_VECTORS] + 1 < s.i[VECTORS_CAPACITY]
        and s.i[N_INTEGERS] + aims.integers + 8 * POINT_ELEMENT * s.i[LONGEST_LIST]
        < s.i[INTEGERS_CAPACITY]
        and s.i[N_FLOATS] + aims.floats < s.i[FLOATS_CAPACITY]
        and aims.scratch + (LP_STATES + 2) * s.i[LONGEST_LIST] < s.i[SCRATCH_CAPACITY]
    )


@kernel(inner=True, inline="always")
def next_child(m, s, n, action, aim):
    """The successor of largest weighted excess gap; NONE if no gap exceeds the aim."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    row = s.i[ACTIONS_AT] + (s.i[node + EXPANSION] * n_actions + action) * ACTION
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + action
    most, at = 0.0, NONE
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[row + CHILDREN] + e]
        if child != NONE:
            gap = update_upper(m, s, child) - update_lower(m, s, child)
            excess = s.f[s.i[row + PROBABILITIES] + e] * (gap - aim)
            if excess > most:
                most, at = excess, child
    return at


@kernel(inner=True)
def is_closed(s, root, aims):
    """Whether the root's gap is as small as requested, or smaller than the error of the bounds."""
    bounds = s.i[BOUNDS_AT] + root * BOUND
    error = aims.error + aims.per_drift * s.f[DRIFT]
    gap = s.f[bounds + UPPER] - s.f[bounds + LOWER]
    wanted = aims.precision * max(1.0, abs(s.f[bounds + LOWER]) - error)
    return gap <= max(wanted - 1.01 * error, error)


@kernel(inner=True)
def begin_trial(s, root):
    """Start a trial at the root, with the next of the shares."""
    kind, bounds = s.i[N_TRIALS] % len(SHARES), s.i[BOUNDS_AT] + root * BOUND
    s.i[N_TRIALS] += 1
    s.i[DEPTH], s.i[STEP], s.i[BY_LOWER] = 0, 1, int(kind == len(SHARES) - 1)
    s.f[AIM] = SHARES[kind] * (s.f[bounds + UPPER] - s.f[bounds + LOWER])


@kernel
def run(m, s, nodes, at, path, aims):
    """Sweep: back up the listed nodes in turn, from number `at`. Without any, run trials.

    The root is path[0]. `path` holds the nodes of the current trial, which resumes where the last
    call ended; how trials are split into calls changes nothing. Returns a status, DONE when all
    nodes are backed up or the root's gap is closed, and the number of the next node.
    """
    end = s.i[N_BACKUPS] + aims.budget
    n_actions, sweeping = m.i[N_ACTIONS], nodes.shape[0] > 0
    while True:
        if not has_capacity(s, aims):
            return FULL, at
        if sweeping and at == nodes.shape[0]:
            return DONE, at
        if s.i[N_BACKUPS] >= end or s.i[N_VECTORS] > aims.vectors:
            return BUDGET, at
        if sweeping:
            n = nodes[at]
            bounds = s.i[BOUNDS_AT] + n * BOUND
            at += 1
            if s.f[bounds + UPPER] - s.f[bounds + LOWER] <= aims.gain:
                continue
            if s.i[s.i[NODES_AT] + n * NODE + EXPANSION] == NONE:
                expand(m, s, n)
                interpolate(m, s, n, aims.gain)
        else:
            if is_closed(s, path[0], aims):
                return DONE, at
            if s.i[DEPTH] == NONE:
                begin_trial(s, path[0])
            n = path[s.i[DEPTH]]
            if s.i[STEP] == 1:
                if s.i[s.i[NODES_AT] + n * NODE + EXPANSION] == NONE:
                    expand(m, s, n)
                interpolate(m, s, n, aims.gain)
        top = backup_upper(m, s, n, aims.gain)
        low = backup_lower(m, s, n, aims.gain)
        s.i[N_BACKUPS] += 1
        if sweeping:
            continue
        if s.i[STEP] == 1:
            s.f[AIM] = s.f[AIM] / m.f[DISCOUNT] if m.f[DISCOUNT] > 0.0 else np.inf
            row = s.i[s.i[NODES_AT] + n * NODE + EXPANSION] * n_actions + low
            if s.i[s.i[ACTIONS_AT] + row * ACTION + CHILDREN] < 0:
                s.i[BY_LOWER] = 0
            child = next_child(m, s, n, low if s.i[BY_LOWER] == 1 else top, s.f[AIM])
            if child == NONE or s.i[DEPTH] + 1 == path.shape[0]:
                s.i[STEP] = -1
            else:
                path[s.i[DEPTH] + 1] = child
        s.i[DEPTH] += s.i[STEP]
