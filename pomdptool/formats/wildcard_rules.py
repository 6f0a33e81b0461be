"""Tables set by rules with wildcards: a rule fixes the index on some axes; later rules win.

Rules that fix the same axes form a group, with the latest rule for each combination of indices. The
value at a point is that of the matching rule with the largest stamp, or 0 without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.sparse import FloatArray, Int32Array, IntArray

Indices = IntArray | Int32Array


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """The latest rules that fix the same axes, ascending by key (their `flat_index`)."""

    axes: tuple[int, ...]
    keys: IntArray
    values: FloatArray
    stamps: IntArray


def flat_index(axes: Sequence[int], indices: Sequence[Indices], shape: Sequence[int]) -> IntArray:
    """Flat index over some axes of a table of a shape, the last axis fastest."""
    key = np.zeros(1, dtype=np.int64)
    for axis, index in zip(axes, indices, strict=True):
        key = key * shape[axis] + index
    return key


def group_rules(
    refs: Sequence[IntArray], values: FloatArray, stamps: IntArray, shape: Sequence[int]
) -> list[RuleGroup]:
    """Group rules; `refs` holds the index of every rule per axis, -1 for an open axis."""
    named = np.zeros(len(values), dtype=np.int64)
    for axis, ref in enumerate(refs):
        named |= (ref >= 0).astype(np.int64) << axis
    groups = []
    for code in np.unique(named).tolist():
        axes = tuple(axis for axis in range(len(refs)) if code >> axis & 1)
        k = np.flatnonzero(named == code)
        keys = np.broadcast_to(flat_index(axes, [refs[axis][k] for axis in axes], shape), k.shape)
        order = np.lexsort((stamps[k], keys))
        last = np.append(keys[order][1:] != keys[order][:-1], True)
        k, keys = k[order][last], keys[order][last]
        groups.append(RuleGroup(axes, keys, values[k], stamps[k]))
    return groups


def evaluate_rules(
    groups: Sequence[RuleGroup], points: Sequence[Indices], n: int, shape: Sequence[int]
) -> tuple[FloatArray, IntArray]:
    """Value and stamp of the latest rule that matches each of n points; 0 and -1 if none does.

    `points` holds n indices per axis; those on axes that no group fixes are not used.
    """
    values = np.zeros(n)
    best = np.full(n, -1, dtype=np.int64)
    for group in groups:
        key = flat_index(group.axes, [points[axis] for axis in group.axes], shape)
        k = np.minimum(np.searchsorted(group.keys, key), len(group.keys) - 1)
        later = (group.keys[k] == key) & (group.stamps[k] > best)
        np.copyto(values, group.values[k], where=later)
        np.copyto(best, group.stamps[k], where=later)
    return values, best
