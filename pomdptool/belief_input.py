"""Beliefs, states, actions and observations as users write them: by name or by index."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.errors import ModelError, nearest
from pomdptool.sparse import FloatArray, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MAX_LISTED = 8
"""Number of names up to which an error message lists them all."""


def index_of_name(name: str | int, names: Sequence[str], kind: str) -> int:
    """Index of a name, or the index itself if it is one.

    Raises
    ------
    ModelError
        If it is unknown; `kind` is "state", "action" or "observation".
    """
    if isinstance(name, str):
        if name in names:
            return names.index(name)
        known = f"; the {kind}s are {', '.join(names)}" if len(names) <= MAX_LISTED else ""
        raise ModelError(f"there is no {kind} {name[:100]!r}{nearest(name, names) or known}")
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        if 0 <= name < len(names):
            return int(name)
        raise ModelError(f"there is no {kind} {name}: the indices are 0 to {len(names) - 1}")
    raise ModelError(f"expected a name or an index of a {kind}, not {name!r:.80}")


def belief_over(b: ArrayLike | Mapping[str, float], states: Sequence[str]) -> FloatArray:
    """A belief over the states, shape (S,), from an array, a list, or {state: probability}.

    A sum within `SUM_TOLERANCE` of 1 is normalised.

    Raises
    ------
    ModelError
        If the length is another, a state is unknown, or these are not probabilities that sum to 1.
    """
    if isinstance(b, Mapping):
        belief = np.zeros(len(states))
        for name, probability in b.items():
            belief[index_of_name(name, states, "state")] += float(numbers(probability, "a belief"))
    else:
        belief = numbers(b, "a belief")
    if belief.shape != (len(states),):
        raise ModelError(
            f"a belief must have {len(states)} entries, one for each state, not shape "
            f"{belief.shape}"
        )
    if not (np.isfinite(belief).all() and (belief >= 0.0).all()):
        raise ModelError("a belief must hold probabilities: one is negative or not finite")
    total = math.fsum(belief.clip(max=2.0))
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ModelError(f"the probabilities of a belief must sum to 1, not {total:.6g}")
    return belief if total == 1.0 else belief / total
