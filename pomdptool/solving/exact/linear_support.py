"""The backup of one face by linear support (Cheng 1988).

The maximum of a set of vectors is linear in each vector's region and the backup is convex, so the
backup exceeds the set most at a corner of some region. The backup's vector at that corner is added,
until the largest excess is within a tolerance.

The corners are vertices of {(b, u): b in the simplex, w_j . b + delta_j <= u for every vector j},
bounded by a facet u = top far above. The small, distinct offsets delta_j separate vertices that
would coincide: d constraints are tight at each, and all but one of them along each edge. A new
vector cuts off vertices; each edge from one of them to one that remains gets a new vertex.

Constraints are numbered: 0 .. d-1 for b[s] >= 0, d for the top, d + 1 + j for vector j.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.solving.exact.backup import Candidates, FaceBackup, prune_union
from pomdptool.solving.exact.projections import projected_sets
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

TOLERANCE = 1e-10
"""Largest excess of the backup over the set, relative to the size of values."""

OFFSET = 1e-2
"""Largest offset, relative to the tolerance."""

Corner = frozenset[int]
"""The tight constraints of a vertex."""


def backup_by_linear_support(
    branches: Branches, old: VectorSet, *, keep_old: bool, monitor: Monitor
) -> FaceBackup:
    """Back up a face (see `algorithms.Backup`)."""
    size = _value_bound(branches)
    regions = _Regions(branches, size, monitor)
    corner = regions.most_exceeded()
    while regions.excess[corner] > TOLERANCE * size:
        monitor.check(len(regions.vectors))
        regions.add(corner)
        corner = regions.most_exceeded()
    loss = TOLERANCE * size * (1.0 + OFFSET)
    candidates = Candidates(np.array(regions.vectors), np.array(regions.actions), loss, 0)
    return prune_union([candidates], old, keep_old=keep_old, monitor=monitor)


def _value_bound(branches: Branches) -> float:
    """Upper bound on absolute values."""
    sizes = np.abs(branches.rewards).max(axis=1)
    for a in range(len(sizes)):
        sizes[a] += sum(float(np.abs(rows).max()) for rows in projected_sets(branches, a))
    return max(1.0, float(sizes.max()))


class _Regions:
    """Vectors, the corners of their regions, and the excess of the backup at each corner.

    `position` holds b and u of each corner, `backed_up` the backup's vector there and its action,
    `ends` the corners of each edge.
    """

    def __init__(self, branches: Branches, size: float, monitor: Monitor) -> None:
        self.branches = branches
        self.monitor = monitor
        self.d = branches.rewards.shape[1]
        self.delta = TOLERANCE * size * OFFSET
        self.rng = np.random.default_rng(0)
        self.vectors: list[FloatArray] = []
        self.actions: list[int] = []
        self.position: dict[Corner, FloatArray] = {}
        self.excess: dict[Corner, float] = {}
        self.backed_up: dict[Corner, tuple[FloatArray, int]] = {}
        self.ends: dict[Corner, set[Corner]] = {}
        self._initialise(10.0 * size + 1.0)

    def _initialise(self, top: float) -> None:
        """Build the prism between the top and the backup's vector at the centre."""
        vectors, actions = self._backups(np.full((1, self.d), 1.0 / self.d))
        self.vectors.append(vectors[0])
        self.actions.append(int(actions[0]))
        corners = {}
        for b in np.eye(self.d):
            sides = frozenset(np.flatnonzero(b == 0.0).tolist())
            corners[sides | {self.d}] = np.append(b, top)
            corners[sides | {self.d + 1}] = np.append(b, vectors[0] @ b)
        self._place(corners)

    def _backups(self, beliefs: FloatArray) -> tuple[FloatArray, IntArray]:
        vectors, actions = np.empty_like(beliefs), np.zeros(len(beliefs), np.int64)
        backups(beliefs, self.branches, vectors, actions)
        return vectors, actions

    def _place(self, corners: dict[Corner, FloatArray]) -> None:
        """Add corners, and back up at each."""
        positions = np.array(list(corners.values()))
        vectors, actions = self._backups(np.ascontiguousarray(positions[:, :-1]))
        excess = (vectors * positions[:, :-1]).sum(axis=1) - positions[:, -1]
        self.position.update(corners)
        self.excess.update(zip(corners, excess.tolist(), strict=True))
        for corner, vector, action in zip(corners, vectors, actions.tolist(), strict=True):
            self.backed_up[corner] = vector, action
            self.monitor.check()
            for edge in _edges(corner):
                self.ends.setdefault(edge, set()).add(corner)

    def most_exceeded(self) -> Corner:
        """The corner where the backup exceeds the set most."""
        return max(self.excess, key=self.excess.__getitem__)

    def add(self, corner: Corner) -> None:
        """Add the backup's vector at a corner."""
        vector, action = self.backed_up[corner]
        number, offset = self.d + 1 + len(self.vectors), self.delta * self.rng.random()
        self.vectors.append(vector)
        self.actions.append(action)
        plane = np.append(vector, -1.0)
        gains = np.array(list(self.position.values())) @ plane + offset
        gain = dict(zip(self.position, gains.tolist(), strict=True))
        fresh: dict[Corner, FloatArray] = {}
        for cut in [k for k in gain if gain[k] > 0.0]:
            self.monitor.check()
            for edge in _edges(cut):
                ends = self.ends[edge]
                ends.remove(cut)
                for other in ends:
                    if gain[other] <= 0.0:
                        t = gain[cut] / (gain[cut] - gain[other])
                        new = (1.0 - t) * self.position[cut] + t * self.position[other]
                        new[-1] = vector @ new[:-1] + offset
                        fresh[edge | {number}] = new
            del self.position[cut], self.excess[cut], self.backed_up[cut]
        self._place(fresh)


def _edges(corner: Corner) -> list[Corner]:
    """The edges that meet at a corner."""
    return [corner - {constraint} for constraint in corner]
