"""Memory layout of SARSOP: a model in belief blocks, and the state of a search.

Each is two flat arrays, one of integers `i` and one of floats `f`, because the number of arguments
that kernels pass on dominates their compilation time. Named slots in a header say where everything
else begins; the tables below list the parts in the order in which they lie. Kernels import this
module as `at`, so that s.f[s.i[at.BOUNDS_AT] + n * at.BOUND + at.LOWER] is node n's lower bound.

Tables, the model

    i   header: N_ACTIONS, then where the parts below begin, TABLES_HEADER slots in all
        BLOCK_FIRST   first slot (a block and a state in it) of each block
        EDGE_FIRST    first edge of each action of a block, row block * A + action
        EDGES         (block reached, index of its first slot among all that the action reaches);
                      an edge is an observation that is possible
        ENTRY_FIRST   first entry of each action in a slot, row slot * A + action
        ENTRIES       (edge, counted from the action's first; index of the slot reached)
        STEP_FIRST    the same as ENTRY_FIRST for steps of the informed bound
        STEPS         (edge, one-step belief)
    f   DISCOUNT, VALUE_BOUND (|V*| is at most this), NEGLIGIBLE (beliefs are equal if no
        probability differs by more; states of a belief and observations of a step that are less
        likely are dropped); then
        WEIGHTS       T Z of each entry
        REWARDS       r(slot, action)
        STEP_WEIGHTS  probability of each step
        BELIEF_Q      upper bounds of Q(one-step belief, action)
        SLOT_Q        upper bounds of Q(slot, action)
        CORNERS       upper bounds of V(slot)

Search, which grows: the caller enlarges the arrays, and a kernel that lacks space returns FULL

    i   header: counters, capacities, where the parts begin; SEARCH_HEADER slots in all
        heap      all that has no fixed size (supports, lists, links, children); it never moves
        NODES_AT      rows of NODE integers, one per node
        ACTIONS_AT    rows of ACTION integers, A per expanded node
        VECTORS_AT    rows of VECTOR integers, one per alpha vector
        LISTS_AT      rows of LIST integers, LISTS per block
        TABLE_AT      hash table from beliefs to nodes
    f   AIM and DRIFT (header); POINT_MASS, for each slot of the model the sum of all listed points
        there; heap (beliefs, values, probabilities)
        SCRATCH_AT    scratch
        BOUNDS_AT     rows of BOUND floats, one per node
        Q_VALUES_AT   rows of Q_VALUE floats, A per expanded node
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

NONE = -1

ROUNDING = 2.0**-52
"""Relative rounding error of a sum for each term and a few operations more, with a factor of 2."""

# Header of Tables.i.
N_ACTIONS, BLOCK_FIRST, EDGE_FIRST, EDGES, ENTRY_FIRST, ENTRIES, STEP_FIRST, STEPS = range(8)
WEIGHTS, REWARDS, STEP_WEIGHTS, BELIEF_Q, SLOT_Q, CORNERS = range(8, 14)
TABLES_HEADER = 14

# Front of Tables.f.
DISCOUNT, VALUE_BOUND, NEGLIGIBLE = range(3)

# Header of Search.i: numbers of rows in use, ends of the heap in both arrays, numbers of backups,
# trials and increases of vectors, capacity of the longest list. Of the current trial: depth (NONE:
# there is none), direction (1 down, -1 up), whether it follows the best actions by lower bound.
N_NODES, N_EXPANDED, N_VECTORS, N_INTEGERS, N_FLOATS, N_BACKUPS, N_TRIALS, N_RISES = range(8)
LONGEST_LIST, DEPTH, STEP, BY_LOWER = range(8, 12)
COUNTERS = 12
# Header of Search.i, continued: capacities, then where the parts begin.
NODES_CAPACITY, EXPANDED_CAPACITY, VECTORS_CAPACITY, INTEGERS_CAPACITY = range(12, 16)
FLOATS_CAPACITY, TABLE_CAPACITY, SCRATCH_CAPACITY = range(16, 19)
NODES_AT, ACTIONS_AT, VECTORS_AT, LISTS_AT, TABLE_AT = range(19, 24)
BOUNDS_AT, Q_VALUES_AT, SCRATCH_AT = range(24, 27)
SEARCH_HEADER = 27

# Front of Search.f: the gap that the current trial aims for at its depth; and the largest L1
# distance between the successors of a belief, times their probabilities, and the nodes that
# represent them. Then, for each slot of the model, the sum of all listed points.
AIM, DRIFT = range(2)
FLOATS_HEADER = 2
POINT_MASS = FLOATS_HEADER

# A node: block; where its belief (dense, over the block) and its support begin in the heap; number
# of states in the support, and a bit for each, modulo BITS; row in actions (NONE: not expanded);
# maximal vector; numbers of the block's vectors and points already checked, and of points at the
# last linear program; whether the informed bound has been applied; the points that it is
# interpolated between, their number, and where their weights begin; its index in POINT_SET.
BLOCK, BELIEF, SUPPORT, N_SUPPORT, MASK, EXPANSION, BEST, CHECKED_VECTORS = range(8)
CHECKED_POINTS, LP_POINTS, INFORMED, MIX_POINTS, N_MIX, MIX_WEIGHTS, SET_INDEX = range(8, 15)
NODE = 15
BITS = 62

# A node's bounds: lower and upper; interpolation between the corners; upper bound when last listed;
# allowance for rounding in the interpolation between points.
LOWER, UPPER, BASE, LISTED, SLACK = range(5)
BOUND = 5

# An action of an expanded node (row expansion * A + action): where its children begin, or one of
# two marks, and their probabilities. Its Q-values: expected reward, upper and lower bound.
CHILDREN, PROBABILITIES = range(2)
ACTION = 2
NOT_BOUNDED, NOT_EXPANDED = -2, -1
REWARD, Q_UPPER, Q_LOWER = range(3)
Q_VALUE = 3

# An alpha vector: block, action, values, successors (one per edge); the increases (N_RISES) at
# which it last rose, and was last evaluated.
V_BLOCK, V_ACTION, V_VALUES, V_LINKS, ROSE, EVALUATED = range(6)
VECTOR = 6

# Lists of a block (row LISTS * block + kind): vectors, and points, which are listed again after
# every material change; each point once. A list: where it begins in the heap, length, capacity.
VECTOR_LIST, POINT_LIST, POINT_SET = range(3)
LISTS = 3
FIRST, LENGTH, CAPACITY = range(3)
LIST = 3

# An element of a list holds the data by which a scan skips most of them. A vector: its number and
# where its values begin. A point (drops are stored as the bits of floats):
#   ITEM, POINT_MASK, POINT_BELIEF: its node, the node's mask, and where its belief begins;
#   POINT_DROP: its distance below the interpolation between the corners;
#   PEAK: the state where its belief is largest;
#   MARK: the state where its belief is largest relative to the other points;
#   PEAK_DROP, MARK_DROP: the drop divided by the probability of that state: times the probability
#     that another belief gives the state, it bounds the drop there.
ITEM, VALUES_AT = range(2)
VECTOR_ELEMENT = 2
POINT_MASK, POINT_BELIEF, POINT_DROP, PEAK, PEAK_DROP, MARK, MARK_DROP = range(1, 8)
POINT_ELEMENT = 8


class Tables(NamedTuple):
    """A model in belief blocks, with its upper bounds before the search."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Interpreted kernels read the arrays number by number."""
        return True


class Search(NamedTuple):
    """The state of a search. Its properties are views."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Interpreted kernels read the arrays number by number."""
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
    def q_values(self) -> np.ndarray:
        """Shape (expanded, A * Q_VALUE)."""
        width = self._width(ACTIONS_AT, VECTORS_AT) // ACTION * Q_VALUE
        return self._rows(self.f, Q_VALUES_AT, int(self.i[N_EXPANDED]), width)

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
        return (int(self.i[end]) - int(self.i[at])) // int(self.i[EXPANDED_CAPACITY])

    def _rows(self, array: np.ndarray, at: int, n: int, width: int) -> np.ndarray:
        first = int(self.i[at])
        return array[first : first + n * width].reshape(n, width)


@kernel(inner=True)
def append(s, row, element):
    """Append an element to a list; returns where it begins.

    A full list moves to the end of the heap, with twice the capacity.
    """
    at = s.i[LISTS_AT] + row * LIST
    length = s.i[at + LENGTH]
    if length == s.i[at + CAPACITY]:
        first, new = s.i[at + FIRST], s.i[N_INTEGERS]
        capacity = max(8, 2 * length)
        for k in range(length * element):
            s.i[new + k] = s.i[first + k]
        s.i[at + FIRST], s.i[at + CAPACITY] = new, capacity
        s.i[N_INTEGERS] += capacity * element
        s.i[LONGEST_LIST] = max(s.i[LONGEST_LIST], capacity)
    s.i[at + LENGTH] = length + 1
    return s.i[at + FIRST] + length * element
