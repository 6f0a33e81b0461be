"""Trials and sweeps: in which order nodes are backed up.

A trial goes down from the root, to the best action from above and the child whose excess of the
gap, weighted by its probability, is the largest, until no child has an excess; then back up, with
backups on both ways (Smith and Simmons 2005; Kurniawati, Hsu and Lee 2008). The gap it aims for is
a share of the root's, divided by the discount at each step; the share changes from trial to trial,
for small ones favour the lower and large ones the upper bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.belief_graph import expand
from pomdptool.kernels.sarsop.layout import (
    ACTION,
    ACTIONS_AT,
    AIM,
    BLOCK,
    BOUND,
    BOUNDS_AT,
    BY_LOWER,
    CHANCES,
    CHILDREN,
    DEPTH,
    DISCOUNT,
    DRIFT,
    EDGE_FIRST,
    EXPANDED_ROOM,
    EXPANSION,
    FLOATS_ROOM,
    INTEGERS_ROOM,
    LONGEST,
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
    NODES_ROOM,
    NONE,
    POINT_ELEMENT,
    SCRATCH_ROOM,
    STEP,
    UPPER,
    VECTORS_ROOM,
)
from pomdptool.kernels.sarsop.lower_bound import backup_lower, update_lower
from pomdptool.kernels.sarsop.upper_bound import LP_STATES, backup_upper, interpolate, update_upper

SHARES = (0.3, 0.95, 0.6, 0.9, 0.1)
"""Of the root's gap, at which trials stop, in turn. In the last kind of trial the best actions from
below are followed, in place of those from above: the policy found so far is made better."""

# What a kernel returns.
DONE, BUDGET, FULL = range(3)


class Aims(NamedTuple):
    """What is worked for, and what a backup needs.

    The root's gap at which to stop, relative to max(1, |lower bound|); the error that the gap has
    besides, its constant part and that for each unit of drift; the least gain of a vector; a number
    of vectors, and of backups; and the most nodes, integers, floats and scratch of one backup.
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
def has_room(s, aims):
    """Whether there is room for what a backup may make."""
    return (
        s.i[N_NODES] + aims.nodes < s.i[NODES_ROOM]
        and s.i[N_EXPANDED] + 1 < s.i[EXPANDED_ROOM]
        and s.i[N_VECTORS] + 1 < s.i[VECTORS_ROOM]
        and s.i[N_INTEGERS] + aims.integers + 8 * POINT_ELEMENT * s.i[LONGEST] < s.i[INTEGERS_ROOM]
        and s.i[N_FLOATS] + aims.floats < s.i[FLOATS_ROOM]
        and aims.scratch + (LP_STATES + 2) * s.i[LONGEST] < s.i[SCRATCH_ROOM]
    )


@kernel(inner=True, inline="always")
def next_child(m, s, n, action, aim):
    """The child whose gap exceeds the aim most, weighted by its probability; NONE: no one's."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    row = s.i[ACTIONS_AT] + (s.i[node + EXPANSION] * n_actions + action) * ACTION
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + action
    most, at = 0.0, NONE
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[row + CHILDREN] + e]
        if child != NONE:
            gap = update_upper(m, s, child) - update_lower(m, s, child)
            excess = s.f[s.i[row + CHANCES] + e] * (gap - aim)
            if excess > most:
                most, at = excess, child
    return at


@kernel(inner=True)
def is_closed(s, root, aims):
    """Whether the root's gap is as wanted, or so small that the errors exceed it."""
    bounds = s.i[BOUNDS_AT] + root * BOUND
    error = aims.error + aims.per_drift * s.f[DRIFT]
    gap = s.f[bounds + UPPER] - s.f[bounds + LOWER]
    wanted = aims.precision * max(1.0, abs(s.f[bounds + LOWER]) - error)
    return gap <= max(wanted - 1.01 * error, error)


@kernel(inner=True)
def begin_trial(s, root):
    """Go to the root, with the next of the shares."""
    kind, bounds = s.i[N_TRIALS] % len(SHARES), s.i[BOUNDS_AT] + root * BOUND
    s.i[N_TRIALS] += 1
    s.i[DEPTH], s.i[STEP], s.i[BY_LOWER] = 0, 1, int(kind == len(SHARES) - 1)
    s.f[AIM] = SHARES[kind] * (s.f[bounds + UPPER] - s.f[bounds + LOWER])


@kernel
def run(m, s, nodes, at, path, aims):
    """Back some nodes up in turn, from number `at`; where there are none, run trials.

    Trials end as soon as the root's gap is closed, in whatever parts they are run.
    The root is path[0]. A trial under way goes on where it was left; which nodes it goes through is
    in `path`. Returns a status, and the number to go on with.
    """
    end = s.i[N_BACKUPS] + aims.budget
    n_actions, sweeping = m.i[N_ACTIONS], nodes.shape[0] > 0
    while True:
        if not has_room(s, aims):
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
