"""Random number generators of the public functions."""

from __future__ import annotations

import numpy as np

from pomdptool.errors import PomdpError


def generator(rng: np.random.Generator | int) -> np.random.Generator:
    """The generator itself, or one seeded with a whole number.

    Raises
    ------
    PomdpError
        If it is neither.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise PomdpError(
        f"rng must be a numpy Generator or a whole number from 0 on (a seed), not {rng!r:.80}"
    )
