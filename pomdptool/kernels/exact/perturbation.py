"""Perturbing the offsets of vectors: small, distinct and reproducible."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel


@kernel
def mix(x):
    """Scramble an integer (splitmix64)."""
    z = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def offset_of(j, delta):
    """Offset of the j-th vector: pseudo-random, uniform between 0 and delta."""
    return delta * (np.float64(mix(j) >> np.uint64(11)) / 9007199254740992.0)
