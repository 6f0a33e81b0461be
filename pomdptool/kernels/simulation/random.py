"""Random numbers for tree search: KISS (Marsaglia 1999), a few nanoseconds each.

Data and returns are drawn with numpy's generators. A tree search draws hundreds of millions of
numbers that appear in no output, from a state that such a generator seeds.
"""

from __future__ import annotations

from pomdptool.kernels.jit import kernel

STATE = 4
"""Integers of a state; initially each lies in 1 .. 2^31 - 1."""

MASK = 0xFFFFFFFF


@kernel(inner=True)
def uniform(state):
    """Uniform number in (0, 1), one of 2^32 values."""
    x = (69069 * state[0] + 12345) & MASK
    y = state[1]
    y ^= (y << 13) & MASK
    y ^= y >> 17
    y ^= (y << 5) & MASK
    t = 698769069 * state[2] + state[3]
    z = t & MASK
    state[0], state[1], state[2], state[3] = x, y, z, t >> 32
    return (((x + y + z) & MASK) + 0.5) / 4294967296.0
