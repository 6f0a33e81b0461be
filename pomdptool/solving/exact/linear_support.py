"""The backup of one face by linear support (Cheng 1988).

The maximum of a set of vectors is linear inside each vector's region, and the backup is convex. So
the backup exceeds the set nowhere by more than at a corner of some region. The corner where it
exceeds it most brings in the backup's vector there, until the most is within a tolerance.

The corners are vertices of {(b, u): b in the simplex, w_j . b + delta_j <= u for every vector j},
under a lid far above. The small offsets delta_j, each another one, keep vertices apart that would
coincide: d constraints are tight at each, and along each edge all of them but one stay so. A new
vector cuts vertices off; each edge from one of those to one that stays gets a new vertex.

Constraints are numbered: 0 .. d-1 for b[s] >= 0, d for the lid, d + 1 + j for vector j.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.solving.exact.backup import BackedUp, Found, backed_up
from pomdptool.solving.exact.projections import rows_of
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

TOLERANCE = 1e-10
"""By how much the backup may exceed the set, relative to the size of values."""

OFFSET = 1e-2
"""Largest offset, relative to the tolerance."""

Corner = frozenset[int]
"""The constraints that are tight at a vertex."""


def backup_by_linear_support(
    branches: Branches, old: Part, *, given: bool, monitor: Monitor
) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in where they are the largest."""
    size = _largest(branches)
    regions = _Regions(branches, size, monitor)
    corner = regions.worst()
    while regions.excess[corner] > TOLERANCE * size:
        monitor.check(len(regions.vectors))
        regions.add(corner)
        corner = regions.worst()
    lost = TOLERANCE * size * (1.0 + OFFSET)
    found = Found(np.array(regions.vectors), np.array(regions.actions), lost, 0)
    return backed_up(found, old, given=given, monitor=monitor)


def _largest(branches: Branches) -> float:
    """Bound on values."""
    sizes = np.abs(branches.rewards).max(axis=1)
    for a in range(len(sizes)):
        sizes[a] += sum(float(np.abs(rows).max()) for rows in rows_of(branches, a))
    return max(1.0, float(sizes.max()))


class _Regions:
    """Vectors, the corners of their regions, and how far the backup exceeds them there.

    `position` holds b and u of each corner, `offers` the backed-up vector there and its action,
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
        self.offers: dict[Corner, tuple[FloatArray, int]] = {}
        self.ends: dict[Corner, set[Corner]] = {}
        self._begin(10.0 * size + 1.0)

    def _begin(self, lid: float) -> None:
        """Build the prism between the lid and the best vector at the centre."""
        vectors, actions = self._backups(np.full((1, self.d), 1.0 / self.d))
        self.vectors.append(vectors[0])
        self.actions.append(int(actions[0]))
        prism = {}
        for b in np.eye(self.d):
            sides = frozenset(np.flatnonzero(b == 0.0).tolist())
            prism[sides | {self.d}] = np.append(b, lid)
            prism[sides | {self.d + 1}] = np.append(b, vectors[0] @ b)
        self._place(prism)

    def _backups(self, beliefs: FloatArray) -> tuple[FloatArray, IntArray]:
        vectors, actions = np.empty_like(beliefs), np.zeros(len(beliefs), np.int64)
        backups(beliefs, self.branches, vectors, actions)
        return vectors, actions

    def _place(self, corners: dict[Corner, FloatArray]) -> None:
        """Note new corners, and ask the backup at each."""
        positions = np.array(list(corners.values()))
        vectors, actions = self._backups(np.ascontiguousarray(positions[:, :-1]))
        excess = (vectors * positions[:, :-1]).sum(axis=1) - positions[:, -1]
        self.position.update(corners)
        self.excess.update(zip(corners, excess.tolist(), strict=True))
        self.offers.update(zip(corners, zip(vectors, actions.tolist(), strict=True), strict=True))
        for corner in corners:
            self.monitor.check()
            for edge in _edges(corner):
                self.ends.setdefault(edge, set()).add(corner)

    def worst(self) -> Corner:
        """The corner where the backup exceeds the set most."""
        return max(self.excess, key=self.excess.__getitem__)

    def add(self, corner: Corner) -> None:
        """Add the vector that the backup offers at a corner."""
        vector, action = self.offers[corner]
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
            del self.position[cut], self.excess[cut], self.offers[cut]
        self._place(fresh)


def _edges(corner: Corner) -> list[Corner]:
    """The edges that meet at a corner."""
    return [corner - {constraint} for constraint in corner]
