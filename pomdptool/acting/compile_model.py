"""Compile a model into the arrays from which kernels sample steps."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.simulation import simulator as kernel
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray, SparseRows
from pomdptool.steps import arrival_rows

MAX_OUTCOMES, MAX_ROW_OUTCOMES = 1 << 24, 64
"""Limits for a table of joint outcomes (s', o): entries in total, and in one row (a, s)."""


def compile_model(model: Model, *, stop: bool = True) -> Simulator:
    """Arrays of a model for kernels; without `stop`, episodes continue in terminal states."""
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
        kernel.T_SUMS: cumulative_rows(T),
        kernel.Z_SUMS: cumulative_rows(Z),
        kernel.T_PROBABILITIES: T.data,
        kernel.Z_PROBABILITIES: Z.data,
        kernel.REWARDS: rewards,
    }
    listed = _joint_outcomes(model)
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


def _joint_outcomes(model: Model) -> tuple[IntArray, FloatArray] | None:
    """Table of joint outcomes: first entry of each row (a, s), and entries; None if too large."""
    begins = _first_steps(model)[model.sparse_T.indptr]
    if begins[-1] > MAX_OUTCOMES or np.diff(begins).max() > MAX_ROW_OUTCOMES:
        return None
    steps = model.steps
    outcomes = np.empty((len(steps), kernel.OUTCOME))
    outcomes[:, kernel.NEXT_STATE] = steps.next_state
    outcomes[:, kernel.OBSERVATION] = steps.observation
    outcomes[:, kernel.REWARD] = model.rewards.on_steps(steps)
    rows = SparseRows(0, begins, np.zeros(0, np.int32), steps.probability)
    outcomes[:, kernel.SUM] = cumulative_rows(rows)
    return begins, outcomes.ravel()


def _first_steps(model: Model) -> IntArray:
    """Index in `Model.steps` of the first step of each entry of T; the last is their number."""
    count = np.diff(model.sparse_Z.indptr)[arrival_rows(model.sparse_T)]
    return np.concatenate([[0], np.cumsum(count)])


def cumulative_rows(table: SparseRows) -> FloatArray:
    """Cumulative distribution of each row; exactly 1 at its last entry."""
    sums = np.cumsum(table.data)
    first = np.minimum(table.indptr[:-1], max(table.nonzeros - 1, 0))
    before = sums[first] - table.data[first]
    sums -= np.repeat(before, np.diff(table.indptr))
    last = table.indptr[1:] - 1
    sums[last[np.diff(table.indptr) > 0]] = 1.0
    return sums


def cumulative_start(start: FloatArray) -> FloatArray:
    """Cumulative distribution of a belief; exactly 1 from the last state of its support on."""
    sums = np.cumsum(start)
    sums[np.flatnonzero(start)[-1] :] = 1.0
    return sums


def _rewards(model: Model) -> tuple[int, list[int], IntArray, FloatArray]:
    """Kind of the rewards, strides of their table, first reward of each T entry, and values."""
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
