"""A model as the arrays that kernels draw steps from."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.simulation import simulator as kernel
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray, SparseRows
from pomdptool.steps import arrival_rows

MOST_LISTED, LONGEST_LISTED = 1 << 24, 64
"""Outcomes that are listed at most, of all rows and of one."""


def simulator_of(model: Model, *, stop: bool = True) -> Simulator:
    """Lay a model out for kernels; unless episodes stop in terminal states, there are none."""
    T, Z = model.sparse_T, model.sparse_Z
    kind, strides, first_reward, rewards = _rewards(model)
    terminal = np.zeros(model.n_states, np.int64)
    terminal[model.terminal_states if stop else []] = 1
    integers: dict[int, np.ndarray] = {
        kernel.T_ROWS: T.indptr,
        kernel.NEXT_STATES: T.indices,
        kernel.Z_ROWS: Z.indptr,
        kernel.OBSERVATIONS: Z.indices,
        kernel.TERMINAL: terminal,
        kernel.FIRST_REWARD: first_reward,
    }
    floats: dict[int, np.ndarray] = {
        kernel.T_SUMS: running_sums(T),
        kernel.Z_SUMS: running_sums(Z),
        kernel.T_PROBABILITIES: T.data,
        kernel.Z_PROBABILITIES: Z.data,
        kernel.REWARDS: rewards,
    }
    listed = _listed(model)
    if listed is not None:
        integers[kernel.JOINT_ROWS], floats[kernel.JOINT] = listed
    header = np.zeros(kernel.HEADER, np.int64)
    header[:3] = model.n_states, model.n_actions, model.n_observations
    header[kernel.REWARD_KIND] = kind
    header[kernel.STRIDE_A : kernel.STRIDE_O + 1] = strides
    for parts, front in ((integers, len(header)), (floats, 0)):
        begin = front
        for slot, part in parts.items():
            header[slot] = begin
            begin += len(part)
    return Simulator(
        np.concatenate([header, *integers.values()], dtype=np.int64),
        np.concatenate(list(floats.values())),
    )


def _listed(model: Model) -> tuple[IntArray, FloatArray] | None:
    """Rows and outcomes of all that can happen, where that is not too much."""
    begins = _first_steps(model)[model.sparse_T.indptr]
    if begins[-1] > MOST_LISTED or np.diff(begins).max() > LONGEST_LISTED:
        return None
    steps = model.steps
    outcomes = np.empty((len(steps), kernel.OUTCOME))
    outcomes[:, kernel.NEXT_STATE] = steps.next_state
    outcomes[:, kernel.OBSERVATION] = steps.observation
    outcomes[:, kernel.REWARD] = model.rewards.on_steps(steps)
    rows = SparseRows(0, begins, np.zeros(0, np.int32), steps.probability)
    outcomes[:, kernel.SUM] = running_sums(rows)
    return begins, outcomes.ravel()


def _first_steps(model: Model) -> IntArray:
    """Number of each T entry's first step, and of all steps, in the order of `Model.steps`."""
    count = np.diff(model.sparse_Z.indptr)[arrival_rows(model.sparse_T)]
    return np.concatenate([[0], np.cumsum(count)])


def running_sums(table: SparseRows) -> FloatArray:
    """Sums of the entries along each row so far; those of a row's last entry are 1."""
    sums = np.cumsum(table.data)
    first = np.minimum(table.indptr[:-1], max(table.nonzeros - 1, 0))
    before = sums[first] - table.data[first]
    sums -= np.repeat(before, np.diff(table.indptr))
    last = table.indptr[1:] - 1
    sums[last[np.diff(table.indptr) > 0]] = 1.0
    return sums


def start_sums(start: FloatArray) -> FloatArray:
    """Running sums of a belief over all states; 1 from its last possible state on."""
    sums = np.cumsum(start)
    sums[np.flatnonzero(start)[-1] :] = 1.0
    return sums


def _rewards(model: Model) -> tuple[int, list[int], IntArray, FloatArray]:
    """Kind of the rewards, strides of their table, each T entry's first reward, and rewards."""
    rewards, none = model.rewards, np.zeros(0, np.int64)
    if rewards.table is not None:
        shape, strides, size = rewards.table.shape, [0, 0, 0, 0], 1
        for axis in (3, 2, 1, 0):
            if shape[axis] > 1:
                strides[axis] = size
                size *= shape[axis]
        return kernel.BY_TABLE, strides, none, rewards.table.ravel()
    assert rewards.values is not None
    if not rewards.by_observation:
        return kernel.BY_ENTRY, [0] * 4, none, rewards.values
    return kernel.BY_STEP, [0] * 4, _first_steps(model)[:-1], rewards.values
