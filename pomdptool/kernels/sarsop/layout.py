"""What the anytime solver works on: a model in belief blocks, and the search so far.

Each is two flat arrays, one of integers and one of floats, for what kernels hand on from one to
the other decides how long they take to compile. Named slots at the front of the integers say where
everything else begins.

The search grows. Its arrays hold, in this order: the named slots; the heap, which has what is of no
fixed size (beliefs, vectors, supports, lists, links, children) and never moves; scratch; and rows
for nodes, actions, vectors and lists. The caller makes room, a kernel that lacks it says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

NONE = -1

# Tables.i begins with the number of actions A and where these begin. In the integers: the first
# slot of each block; the first edge of each action of a block (row block * A + action), one for
# each observation that is possible; edges, (block arrived in, place of its first slot among all
# that the action arrives in); the first entry of each action in a slot (row slot * A + action);
# entries, (edge counted from the action's first, place arrived in); the same for steps, (edge,
# one-step belief). In the floats: T Z of the entries; expected rewards (slot, action); the steps'
# probabilities; bounds from above on what an action is worth in a one-step belief, and in a slot,
# and on what a slot is worth.
N_ACTIONS, BLOCK_FIRST, EDGE_FIRST, EDGES, ENTRY_FIRST, ENTRIES, STEP_FIRST, STEPS = range(8)
WEIGHTS, REWARDS, STEP_WEIGHTS, BELIEF_Q, SLOT_Q, CORNERS = range(8, 14)
TABLES_HEADER = 14

# Tables.f begins with the discount; a number that the optimal value exceeds nowhere, nor does its
# negative; and a probability: beliefs are one where no probability differs by more, and states of a
# smaller probability are left out of a belief, observations of a smaller one out of a step.
DISCOUNT, LARGEST, FAINT = range(3)


class Tables(NamedTuple):
    """A model in blocks, and upper bounds known before the search."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Kernels read single numbers of the arrays."""
        return True


# Search.i begins with counts: rows in use, ends of the heap in integers and in floats, backups,
# trials, rises of vectors, the longest list's room; then of the trial under way its depth (NONE:
# there is none), step (1 down, -1 up), and whether the best actions from below are followed;
N_NODES, N_EXPANDED, N_VECTORS, N_INTEGERS, N_FLOATS, N_BACKUPS, N_TRIALS, N_RISES = range(8)
LONGEST, DEPTH, STEP, BY_LOWER = range(8, 12)
# then the room there is; then where the rows begin: in the integers nodes, actions, vectors, lists
# and the table that finds nodes by their belief, in the floats bounds of nodes and of actions.
NODES_ROOM, EXPANDED_ROOM, VECTORS_ROOM, INTEGERS_ROOM, FLOATS_ROOM, TABLE_ROOM = range(12, 18)
SCRATCH_ROOM = 18
NODES_AT, ACTIONS_AT, VECTORS_AT, LISTS_AT, TABLE_AT, BOUNDS_AT, WORTHS_AT, SCRATCH_AT = range(
    19, 27
)
SEARCH_HEADER = 27

# Search.f begins with the gap that the trial under way aims for at its depth; the largest L1
# distance between the successors of a belief, times their probabilities, and the nodes that stand
# for them; then the sum of all points listed, one a slot.
AIM, DRIFT, MASS = range(3)
FLOATS_HEADER = MASS

# A node: block; where in the heap its belief (dense, over the block) and support begin; states in
# the support, and a bit for each, modulo BITS; row in actions, NONE where not expanded; largest
# vector; how many of the block's vectors and points were seen, the latter also at the last linear
# program; whether the informed bound was asked; the points that it was interpolated between last,
# how many, and where their weights begin; its number in its block's set of points.
BLOCK, BELIEF, SUPPORT, N_SUPPORT, MASK, EXPANSION, BEST, SEEN_VECTORS, SEEN_POINTS = range(9)
SEEN_LP, INFORMED, POINTS_MIXED, N_MIXED, WEIGHTS_MIXED, PLACE = range(9, 15)
NODE = 15
BITS = 62

# Its bounds: from below and above; interpolation between the corners; bound from above when last
# listed; what rounding may add to the interpolation between points.
LOWER, UPPER, BASE, LISTED, SLACK = range(5)
BOUND = 5

# An action of an expanded node (row expansion * A + action): its children, or one of two marks;
# their probabilities. Its worths: expected reward, bounds from above and below.
CHILDREN, CHANCES = range(2)
ACTION = 2
NOT_BOUNDED, NOT_EXPANDED = -2, -1
REWARD, ABOVE, BELOW = range(3)
WORTH = 3

# A vector: block, action, values, successors (one an edge); the rise at which it rose last, and at
# which it was last evaluated.
V_BLOCK, V_ACTION, V_VALUES, V_LINKS, ROSE, EVALUATED = range(6)
VECTOR = 6

# Lists of a block (row LISTS * block + kind): vectors, and points, each again after every material
# change; points once. A list: where it begins in the heap, length, room.
VECTOR_LIST, POINT_LIST, POINT_SET = range(3)
LISTS = 3
FIRST, LENGTH, ROOM = range(3)
LIST = 3

# An element of a list says what a scan needs to pass most of them by. A vector: its number and
# where its values begin. A point: its node, mask and belief; how far it lies below the
# interpolation between the corners; and two places where it is large, one of them in comparison
# with the other points, each with that drop divided by the probability. A belief with 1 there could
# drop by so much at most. Drops are the bits of floats.
WHICH, VALUES_AT = range(2)
VECTOR_ELEMENT = 2
POINT_MASK, POINT_BELIEF, POINT_DROP, PEAK, PEAK_DROP, MARK, MARK_DROP = range(1, 8)
POINT_ELEMENT = 8


class Search(NamedTuple):
    """The search so far. Rows seen from Python are views."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Kernels read single numbers of the arrays."""
        return True

    @property
    def nodes(self) -> np.ndarray:
        """Shape (nodes, NODE)."""
        return self._rows(self.i, NODES_AT, int(self.i[N_NODES]), NODE)

    @property
    def bounds(self) -> np.ndarray:
        """Shape (nodes, BOUND)."""
        return self._rows(self.f, BOUNDS_AT, int(self.i[N_NODES]), BOUND)

    @property
    def actions(self) -> np.ndarray:
        """Shape (expanded, A * ACTION)."""
        width = self._width(ACTIONS_AT, VECTORS_AT)
        return self._rows(self.i, ACTIONS_AT, int(self.i[N_EXPANDED]), width)

    @property
    def worths(self) -> np.ndarray:
        """Shape (expanded, A * WORTH)."""
        width = self._width(ACTIONS_AT, VECTORS_AT) // ACTION * WORTH
        return self._rows(self.f, WORTHS_AT, int(self.i[N_EXPANDED]), width)

    @property
    def vectors(self) -> np.ndarray:
        """Shape (vectors, VECTOR)."""
        return self._rows(self.i, VECTORS_AT, int(self.i[N_VECTORS]), VECTOR)

    @property
    def lists(self) -> np.ndarray:
        """Shape (LISTS * blocks, LIST)."""
        n = (int(self.i[TABLE_AT]) - int(self.i[LISTS_AT])) // LIST
        return self._rows(self.i, LISTS_AT, n, LIST)

    def _width(self, at: int, end: int) -> int:
        return (int(self.i[end]) - int(self.i[at])) // int(self.i[EXPANDED_ROOM])

    def _rows(self, array: np.ndarray, at: int, n: int, width: int) -> np.ndarray:
        first = int(self.i[at])
        return array[first : first + n * width].reshape(n, width)


@kernel(inner=True)
def append(s, row, element):
    """Make room for one more element of a list, at its end, and say where it is.

    A full list moves to the end of the heap, with twice the room.
    """
    at = s.i[LISTS_AT] + row * LIST
    length = s.i[at + LENGTH]
    if length == s.i[at + ROOM]:
        first, new = s.i[at + FIRST], s.i[N_INTEGERS]
        room = max(8, 2 * length)
        for k in range(length * element):
            s.i[new + k] = s.i[first + k]
        s.i[at + FIRST], s.i[at + ROOM] = new, room
        s.i[N_INTEGERS] += room * element
        s.i[LONGEST] = max(s.i[LONGEST], room)
    s.i[at + LENGTH] = length + 1
    return s.i[at + FIRST] + length * element
