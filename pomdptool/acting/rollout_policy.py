"""A saved policy as the guide of simulations: a controller, with the values of its nodes.

Simulations follow the policy's node from the root of the tree on, and what lies beyond the tree is
what the policy earns from its node there: no one state decides which node that is, so that looking
for information keeps its worth. Where a simulation has left the policy's ways, an action is
repeated, the best of the blind ones at the start.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy, check_fits
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray


def no_guide() -> IntArray:
    """Arrays of no controller."""
    return np.array([0, kernel.NONE, 0])


def guide_of(model: Model, policy: SolvedPolicy) -> tuple[IntArray, FloatArray]:
    """Arrays of a policy for kernels.

    Raises
    ------
    PolicyError
        Where it was made for another model, or its vectors are not linked.
    """
    check_fits(policy.problem, model)
    values = policy.values
    if not isinstance(values, LinkedVectors):
        raise PolicyError(
            f"a policy of method {policy.method!r} has no vectors that are linked; solve by sarsop"
        )
    blind = fixed_point(model, "blind", precision=1e-3, horizon=None, monitor=Monitor()).Q
    repeated = int((blind @ model.start).argmax())
    sizes = [len(vector) for vector in values.values]
    begins = np.cumsum([0, *sizes])
    block = np.full(model.n_states, kernel.NONE)
    place = np.zeros(model.n_states, np.int64)
    # The start's own block comes first, so that a state's other one, where it has two, is kept.
    first = int(values.block[0])
    for k in sorted(range(len(values.states)), key=lambda k: k != first):
        block[values.states[k]], place[values.states[k]] = k, np.arange(len(values.states[k]))
    header = np.array([len(sizes), 0, repeated])
    parts = [header, values.actions, values.block, begins[:-1], values.next.ravel(), block, place]
    return np.concatenate(parts, dtype=np.int64), np.concatenate([*values.values, blind[repeated]])


def guide_at(policy: SolvedPolicy, b: FloatArray) -> int:
    """Number of the vector that is largest at a belief."""
    assert isinstance(policy.values, LinkedVectors)
    return int(np.argmax(policy.values.values_at(b)))
