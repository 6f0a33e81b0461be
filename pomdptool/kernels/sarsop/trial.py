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
from pomdptool.kernels.sarsop import layout as at
from pomdptool.kernels.sarsop.belief_graph import expand
from pomdptool.kernels.sarsop.interpolation import LP_STATES, interpolate
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
        s.i[at.N_NODES] + aims.nodes < s.i[at.NODES_CAPACITY]
        and s.i[at.N_EXPANDED] + 1 < s.i[at.EXPANDED_CAPACITY]
        and s.i[at.N_VECTORS] + 1 < s.i[at.VECTORS_CAPACITY]
        and s.i[at.N_INTEGERS] + aims.integers + 8 * at.POINT_ELEMENT * s.i[at.LONGEST_LIST]
        < s.i[at.INTEGERS_CAPACITY]
        and s.i[at.N_FLOATS] + aims.floats < s.i[at.FLOATS_CAPACITY]
        and aims.scratch + (LP_STATES + 2) * s.i[at.LONGEST_LIST] < s.i[at.SCRATCH_CAPACITY]
    )


@kernel(inner=True, inline="always")
def next_child(m, s, n, action, aim):
    """The successor of largest weighted excess gap; NONE if no gap exceeds the aim."""
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    row = s.i[at.ACTIONS_AT] + (s.i[node + at.EXPANSION] * n_actions + action) * at.ACTION
    edge = m.i[at.EDGE_FIRST] + s.i[node + at.BLOCK] * n_actions + action
    most, best_child = 0.0, at.NONE
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[row + at.CHILDREN] + e]
        if child != at.NONE:
            gap = update_upper(m, s, child) - update_lower(m, s, child)
            excess = s.f[s.i[row + at.PROBABILITIES] + e] * (gap - aim)
            if excess > most:
                most, best_child = excess, child
    return best_child


@kernel(inner=True)
def is_closed(s, root, aims):
    """Whether the root's gap is as small as requested, or smaller than the error of the bounds."""
    bounds = s.i[at.BOUNDS_AT] + root * at.BOUND
    error = aims.error + aims.per_drift * s.f[at.DRIFT]
    gap = s.f[bounds + at.UPPER] - s.f[bounds + at.LOWER]
    wanted = aims.precision * max(1.0, abs(s.f[bounds + at.LOWER]) - error)
    return gap <= max(wanted - 1.01 * error, error)


@kernel(inner=True)
def begin_trial(s, root):
    """Start a trial at the root, with the next of the shares."""
    kind, bounds = s.i[at.N_TRIALS] % len(SHARES), s.i[at.BOUNDS_AT] + root * at.BOUND
    s.i[at.N_TRIALS] += 1
    s.i[at.DEPTH], s.i[at.STEP], s.i[at.BY_LOWER] = 0, 1, int(kind == len(SHARES) - 1)
    s.f[at.AIM] = SHARES[kind] * (s.f[bounds + at.UPPER] - s.f[bounds + at.LOWER])


@kernel
def run(m, s, nodes, position, path, aims):
    """Run trials, or a sweep over given nodes, backing them up in turn from number `position`.

    The root is path[0]. `path` holds the nodes of the current trial, which resumes where the last
    call ended; how trials are split into calls changes nothing. Returns a status, DONE when all
    nodes are backed up or the root's gap is closed, and the number of the next node.
    """
    end = s.i[at.N_BACKUPS] + aims.budget
    n_actions, sweeping = m.i[at.N_ACTIONS], nodes.shape[0] > 0
    while True:
        if not has_capacity(s, aims):
            return FULL, position
        if sweeping and position == nodes.shape[0]:
            return DONE, position
        if s.i[at.N_BACKUPS] >= end or s.i[at.N_VECTORS] > aims.vectors:
            return BUDGET, position
        if sweeping:
            n = nodes[position]
            bounds = s.i[at.BOUNDS_AT] + n * at.BOUND
            position += 1
            if s.f[bounds + at.UPPER] - s.f[bounds + at.LOWER] <= aims.gain:
                continue
            if s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] == at.NONE:
                expand(m, s, n)
                interpolate(m, s, n, aims.gain)
        else:
            if is_closed(s, path[0], aims):
                return DONE, position
            if s.i[at.DEPTH] == at.NONE:
                begin_trial(s, path[0])
            n = path[s.i[at.DEPTH]]
            if s.i[at.STEP] == 1:
                if s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] == at.NONE:
                    expand(m, s, n)
                interpolate(m, s, n, aims.gain)
        top = backup_upper(m, s, n, aims.gain)
        low = backup_lower(m, s, n, aims.gain)
        s.i[at.N_BACKUPS] += 1
        if sweeping:
            continue
        if s.i[at.STEP] == 1:
            s.f[at.AIM] = s.f[at.AIM] / m.f[at.DISCOUNT] if m.f[at.DISCOUNT] > 0.0 else np.inf
            row = s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] * n_actions + low
            if s.i[s.i[at.ACTIONS_AT] + row * at.ACTION + at.CHILDREN] < 0:
                s.i[at.BY_LOWER] = 0
            child = next_child(m, s, n, low if s.i[at.BY_LOWER] == 1 else top, s.f[at.AIM])
            if child == at.NONE or s.i[at.DEPTH] + 1 == path.shape[0]:
                s.i[at.STEP] = -1
            else:
                path[s.i[at.DEPTH] + 1] = child
        s.i[at.DEPTH] += s.i[at.STEP]
