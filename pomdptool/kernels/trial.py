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

from pomdptool.kernels import kernel
from pomdptool.kernels.nodes import expand
from pomdptool.kernels.points import backup_upper, interpolate, update_upper
from pomdptool.kernels.search import (
    BLOCK,
    CHANCES,
    CHILDREN,
    EXPANSION,
    LONGEST,
    LOWER,
    N_BACKUPS,
    N_EXPANDED,
    N_FLOATS,
    N_INTEGERS,
    N_NODES,
    N_TRIALS,
    N_VECTORS,
    NONE,
    UPPER,
)
from pomdptool.kernels.vectors import backup_lower, update_lower

SHARES = (0.3, 0.95, 0.6, 0.9, 0.1)
"""Of the root's gap, at which trials stop, in turn. In the last kind of trial the best actions from
below are followed, in place of those from above: the policy found so far is made better."""

# What a kernel returns.
DONE, BUDGET, FULL = range(3)


class Aims(NamedTuple):
    """What is worked for.

    The root's gap at which to stop, relative to max(1, |lower bound|), and the error that each
    bound has besides; the least gain of a vector; and a number of backups.
    """

    precision: float
    error: float
    gain: float
    budget: int


@kernel(inner=True)
def has_room(search, margin):
    """Whether a backup, which makes at most `margin` of anything, has room for it."""
    counts = search.counts
    return (
        counts[N_NODES] + margin[0] < search.node_i.shape[0]
        and 2 * (counts[N_NODES] + margin[0]) < search.table.shape[0]
        and (counts[N_EXPANDED] + 1) * margin[3] < search.action_i.shape[0]
        and counts[N_VECTORS] + 1 < search.vector_i.shape[0]
        and counts[N_FLOATS] + margin[1] < search.floats.shape[0]
        and counts[N_INTEGERS] + margin[2] + 8 * counts[LONGEST] < search.integers.shape[0]
    )


@kernel(inner=True)
def back_up(blocks, above, search, n, gain):
    """Back up both bounds of a node; the best actions from above and from below."""
    top = backup_upper(blocks, above, search, n)
    low = backup_lower(blocks, search, n, gain)
    search.counts[N_BACKUPS] += 1
    return top, low


@kernel(inner=True)
def next_child(blocks, search, n, action, aim):
    """The child whose gap exceeds the aim most, weighted by its probability; NONE: no one's."""
    n_actions = blocks.rewards.shape[1]
    row = search.node_i[n, EXPANSION] * n_actions + action
    edges = search.node_i[n, BLOCK] * n_actions + action
    most, at = 0.0, NONE
    for e in range(blocks.edge_first[edges + 1] - blocks.edge_first[edges]):
        child = search.integers[search.action_i[row, CHILDREN] + e]
        if child != NONE:
            gap = update_upper(search, child) - update_lower(blocks, search, child)
            excess = search.floats[search.action_i[row, CHANCES] + e] * (gap - aim)
            if excess > most:
                most, at = excess, child
    return at


@kernel(inner=True)
def trial(blocks, above, search, path, aim, below, gain, margin):
    """Go down from the root, path[0], and back up; whether there was room."""
    depth, n = 0, path[0]
    while depth < path.shape[0] and has_room(search, margin):
        if search.node_i[n, EXPANSION] == NONE:
            expand(blocks, above, search, n)
        path[depth] = n
        depth += 1
        interpolate(blocks, above, search, n)
        top, low = back_up(blocks, above, search, n, gain)
        aim = aim / blocks.discount if blocks.discount > 0.0 else np.inf
        children = search.action_i[search.node_i[n, EXPANSION] * blocks.rewards.shape[1] + low]
        below = below and children[CHILDREN] >= 0
        n = next_child(blocks, search, n, low if below else top, aim)
        if n == NONE:
            break
    for i in range(depth - 1, -1, -1):
        if not has_room(search, margin):
            return False
        back_up(blocks, above, search, path[i], gain)
    return depth > 0 and has_room(search, margin)


@kernel(inner=True)
def is_closed(search, root, aims):
    """Whether the root's gap is as wanted."""
    lower = search.node_f[root, LOWER] - aims.error
    gap = search.node_f[root, UPPER] + aims.error - lower
    return gap <= aims.precision * max(1.0, abs(lower))


@kernel(inner=True)
def trials(blocks, above, search, path, aims, margin, end):
    """Run trials until the root's gap is as wanted, or for some backups."""
    root = path[0]
    while not is_closed(search, root, aims):
        if search.counts[N_BACKUPS] >= end:
            return BUDGET
        kind = search.counts[N_TRIALS] % len(SHARES)
        aim = SHARES[kind] * (search.node_f[root, UPPER] - search.node_f[root, LOWER])
        search.counts[N_TRIALS] += 1
        below = kind == len(SHARES) - 1
        if not trial(blocks, above, search, path, aim, below, aims.gain, margin):
            return FULL
    return DONE


@kernel
def run(blocks, above, search, nodes, at, path, aims, margin):
    """Back some nodes up in turn, from number `at`; where there are none, run trials.

    Returns a status, and the number to go on with.
    """
    end = search.counts[N_BACKUPS] + aims.budget
    if nodes.shape[0] == 0:
        return trials(blocks, above, search, path, aims, margin, end), 0
    while at < nodes.shape[0]:
        if not has_room(search, margin):
            return FULL, at
        if search.counts[N_BACKUPS] >= end:
            return BUDGET, at
        n = nodes[at]
        if search.node_f[n, UPPER] - search.node_f[n, LOWER] > aims.gain:
            back_up(blocks, above, search, n, aims.gain)
        at += 1
    return DONE, at
