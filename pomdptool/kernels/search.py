"""What the anytime solver works on: a model in belief blocks, and the search so far.

Everything grows: the caller makes room, a kernel that lacks it says so. Two pools hold what has no
fixed size, `floats` (beliefs, vectors, probabilities of children) and `integers` (supports, lists,
links, children); rows of the other arrays say where in them a thing begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels import kernel

NONE = -1


class Blocks(NamedTuple):
    """A model in blocks. Block b has the slots block_first[b]:block_first[b + 1], one for a state.

    Action a in block b has the edges edge_first[b * A + a]:edge_first[b * A + a + 1], one for each
    observation that is possible, and edge e leads to block edge_target[e]. What can happen in
    slot i under action a are the entries entry_first[i * A + a]:entry_first[i * A + a + 1]: the
    edge (counted from the action's first), the slot arrived in (counted from its block's first)
    and the probability T Z. Rewards (n_slots, A).
    """

    block_first: np.ndarray
    edge_first: np.ndarray
    edge_target: np.ndarray
    entry_first: np.ndarray
    entry_edge: np.ndarray
    entry_slot: np.ndarray
    weights: np.ndarray
    rewards: np.ndarray
    discount: float


class Above(NamedTuple):
    """Upper bounds known before the search: Q over one-step beliefs (tighter informed bound).

    Under action a in slot i these happen: step_first[i * A + a]:step_first[i * A + a + 1], each
    with its edge (as of Blocks), the number of the one-step belief arrived in, and its
    probability. Q (n_beliefs, A) bounds what an action is worth there; q (n_slots, A) what it is
    worth in a state, corner (n_slots,) what the state is. No value anywhere is larger than
    `largest`, nor smaller than its negative.
    """

    step_first: np.ndarray
    step_edge: np.ndarray
    step_belief: np.ndarray
    step_weight: np.ndarray
    Q: np.ndarray
    q: np.ndarray
    corner: np.ndarray
    largest: float


# Columns of Search.node_i: block; where the belief begins in floats (dense, over the block), and
# its support in integers; states in the support; row in action_*, NONE where not expanded;
# largest vector; how many of the block's vectors and points were seen; the latter at the last LP;
# whether the informed bound was asked.
BLOCK, BELIEF, SUPPORT, N_SUPPORT, EXPANSION, BEST, SEEN_VECTORS, SEEN_POINTS, SEEN_LP = range(9)
INFORMED = 9
NODE_INTEGERS = 10

# Columns of Search.node_f: bounds; interpolation between the corners; upper bound as last listed.
LOWER, UPPER, BASE, LISTED = range(4)
NODE_FLOATS = 4

# Columns of Search.action_i (row expansion * A + action): children in integers, or one of two
# marks; their probabilities in floats. Of Search.action_f: reward and bounds.
CHILDREN, CHANCES = range(2)
NOT_BOUNDED, NOT_EXPANDED = -2, -1
REWARD, ABOVE, BELOW = range(3)

# Columns of Search.vector_i: block, action, values in floats, successors (one an edge) in integers.
V_BLOCK, V_ACTION, V_VALUES, V_LINKS = range(4)
VECTOR_INTEGERS = 4

# Lists of block b in Search.list_i, rows LISTS * b and on: vectors, points (each again after every
# material drop), points once. Columns: where it begins in integers, length, room.
VECTORS, POINTS, CORNERS = range(3)
LISTS = 3
FIRST, LENGTH, ROOM = range(3)

# Slots of Search.counts.
N_NODES, N_EXPANDED, N_VECTORS, N_FLOATS, N_INTEGERS, N_BACKUPS, N_TRIALS, LONGEST = range(8)
COUNTS = 8


class Search(NamedTuple):
    """The search so far; the columns are named above. table (2^k,) finds nodes by their belief."""

    node_i: np.ndarray
    node_f: np.ndarray
    action_i: np.ndarray
    action_f: np.ndarray
    vector_i: np.ndarray
    list_i: np.ndarray
    floats: np.ndarray
    integers: np.ndarray
    table: np.ndarray
    counts: np.ndarray


@kernel(inner=True)
def append(search, row, value):
    """Append to a list; a full one moves to the end of the pool, with twice the room."""
    lists, integers = search.list_i, search.integers
    if lists[row, LENGTH] == lists[row, ROOM]:
        first, n = lists[row, FIRST], lists[row, LENGTH]
        new = search.counts[N_INTEGERS]
        lists[row, ROOM] = max(8, 2 * n)
        search.counts[N_INTEGERS] += lists[row, ROOM]
        search.counts[LONGEST] = max(search.counts[LONGEST], lists[row, ROOM])
        for i in range(n):
            integers[new + i] = integers[first + i]
        lists[row, FIRST] = new
    integers[lists[row, FIRST] + lists[row, LENGTH]] = value
    lists[row, LENGTH] += 1
