"""Rules that set a table over several axes: each names an index on some of them, the later wins.

Rules that name the same axes are a *kind*, kept with the latest rule for each combination of
indices. What holds at a point is the rule with the largest stamp among the kinds' rules for it;
where no rule holds the table is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.sparse import FloatArray, Int32Array, IntArray


@dataclass(frozen=True, slots=True)
class Kind:
    """The latest rules that name the same axes, ascending by key (see `key_of`)."""

    axes: tuple[int, ...]
    keys: IntArray
    values: FloatArray
    stamps: IntArray


def key_of(
    axes: Sequence[int], indices: Sequence[IntArray | Int32Array], shape: Sequence[int]
) -> IntArray:
    """One number for the indices on some axes of a table of this shape, the last axis fastest."""
    key = np.zeros(1, dtype=np.int64)
    for axis, index in zip(axes, indices, strict=True):
        key = key * shape[axis] + index
    return key


def kinds_of(
    refs: Sequence[IntArray], values: FloatArray, stamps: IntArray, shape: Sequence[int]
) -> list[Kind]:
    """Sort rules into kinds; `refs` holds the index of every rule per axis, -1 where it is open."""
    named = np.zeros(len(values), dtype=np.int64)
    for axis, ref in enumerate(refs):
        named |= (ref >= 0).astype(np.int64) << axis
    kinds = []
    for code in np.unique(named).tolist():
        axes = tuple(axis for axis in range(len(refs)) if code >> axis & 1)
        k = np.flatnonzero(named == code)
        keys = np.broadcast_to(key_of(axes, [refs[axis][k] for axis in axes], shape), k.shape)
        order = np.lexsort((stamps[k], keys))
        last = np.append(keys[order][1:] != keys[order][:-1], True)
        k, keys = k[order][last], keys[order][last]
        kinds.append(Kind(axes, keys, values[k], stamps[k]))
    return kinds


def latest(
    kinds: Sequence[Kind], points: Sequence[IntArray | Int32Array], n: int, shape: Sequence[int]
) -> tuple[FloatArray, IntArray]:
    """Value and stamp of the rule that holds at each of n points; 0 and -1 where none does.

    `points` holds n indices per axis; those on axes that no kind names do not matter.
    """
    values = np.zeros(n)
    best = np.full(n, -1, dtype=np.int64)
    for kind in kinds:
        key = key_of(kind.axes, [points[axis] for axis in kind.axes], shape)
        k = np.minimum(np.searchsorted(kind.keys, key), len(kind.keys) - 1)
        later = (kind.keys[k] == key) & (kind.stamps[k] > best)
        np.copyto(values, kind.values[k], where=later)
        np.copyto(best, kind.stamps[k], where=later)
    return values, best
