"""A model divided into belief blocks.

After the first step every belief lies inside one block (see `pomdptool.belief`), so beliefs,
vectors and backups need only as many entries as their block has states. If no block contains the
initial belief, it has one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pomdptool.belief import belief_blocks
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import steps_from


class BlockArrays(NamedTuple):
    """Transitions of a model in blocks.

    A slot is a state of a block: those of block b are block_first[b]:block_first[b + 1]. An edge is
    a possible observation after an action in a block: those of action a in block b are
    edge_first[b * A + a]:edge_first[b * A + a + 1], and edge e leads to block edge_target[e]. An
    entry is a possible step from a slot by an edge: those of action a in slot i are
    entry_first[i * A + a]:entry_first[i * A + a + 1], each with its edge (relative to the action's
    first), next slot (relative to its block's first) and probability T Z. Rewards (n_slots, A).
    """

    block_first: IntArray
    edge_first: IntArray
    edge_target: IntArray
    entry_first: IntArray
    entry_edge: IntArray
    entry_slot: IntArray
    weights: FloatArray
    rewards: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class BlockModel:
    """A model in blocks.

    Attributes
    ----------
    arrays
        Transitions and rewards.
    state_of_slot
        Shape (n_slots,). A state may also have a slot in the initial belief's own block.
    observation_of_edge
        Shape (n_edges,).
    start_block, start
        Block of the initial belief, and the belief over the slots of that block.
    """

    model: Model
    arrays: BlockArrays
    state_of_slot: IntArray
    observation_of_edge: IntArray
    start_block: int
    start: FloatArray

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.arrays.block_first) - 1

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.state_of_slot)

    @property
    def block_of_slot(self) -> IntArray:
        """Block of each slot."""
        return np.repeat(np.arange(self.n_blocks), np.diff(self.arrays.block_first))

    def states(self, block: int) -> IntArray:
        """States of a block."""
        first = self.arrays.block_first
        return self.state_of_slot[first[block] : first[block + 1]]


def block_model(model: Model, check: Callable[[], None] = lambda: None) -> BlockModel:
    """Divide a model into belief blocks.

    `check` is called between passes over the model and may raise.
    """
    S, A, Z = model.n_states, model.n_actions, model.n_observations
    label = belief_blocks(model, check=check).label.copy()
    n_blocks = int(label.max()) + 1
    reached = np.flatnonzero(label >= 0)
    reached = reached[np.argsort(label[reached], kind="stable")]
    support = np.flatnonzero(model.start)
    at_start = np.unique(label[support])
    own_block = len(at_start) > 1 or at_start[0] < 0
    state_of_slot = np.concatenate([reached, support]) if own_block else reached
    start_block = n_blocks if own_block else int(at_start[0])
    block_of_slot = np.concatenate([label[reached], np.full(len(support), n_blocks)])
    block_of_slot = block_of_slot[: len(state_of_slot)]
    n_blocks += own_block
    block_first = np.searchsorted(block_of_slot, np.arange(n_blocks + 1))
    place = np.full(S, -1)
    place[reached] = np.arange(len(reached))

    check()
    rows = np.arange(A) * S + state_of_slot[:, np.newaxis]
    slot_action, steps = steps_from(model.sparse_T, model.sparse_Z, rows.ravel())
    check()
    target = place[steps.next_state]
    edge_key = block_of_slot[slot_action // A] * A + slot_action % A
    edge_key = edge_key * Z + steps.observation
    keys, edge = np.unique(edge_key, return_inverse=True)
    edge_first = np.searchsorted(keys, np.arange(n_blocks * A + 1) * Z)
    edge_target = np.empty(len(keys), dtype=np.int64)
    edge_target[edge] = block_of_slot[target]
    local_edge = edge - edge_first[keys[edge] // Z]
    local_slot = target - block_first[block_of_slot[target]]
    order = np.lexsort((local_slot, local_edge, slot_action))
    arrays = BlockArrays(
        block_first=block_first,
        edge_first=edge_first,
        edge_target=edge_target,
        entry_first=np.searchsorted(slot_action, np.arange(rows.size + 1)),
        entry_edge=local_edge[order],
        entry_slot=local_slot[order],
        weights=steps.probability[order],
        rewards=np.ascontiguousarray(model.expected_rewards.T[state_of_slot]),
    )
    first = block_first[start_block]
    start = model.start[state_of_slot[first : block_first[start_block + 1]]]
    return BlockModel(model, arrays, state_of_slot, keys % Z, start_block, start)
