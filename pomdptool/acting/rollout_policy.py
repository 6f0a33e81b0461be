"""Rollout policies: a saved policy as a controller with the values of its nodes.

Simulations track the controller's node from the root of the tree on, and a leaf is evaluated by the
policy from its node there. The node does not depend on the simulated state, so that the value of
information is not lost. A simulation that leaves the controller repeats one action: the best blind
policy at the initial belief.
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


def no_rollout_policy() -> IntArray:
    """Arrays of an empty controller."""
    return np.array([0, kernel.NONE, 0])


def compile_rollout_policy(model: Model, policy: SolvedPolicy) -> tuple[IntArray, FloatArray]:
    """Arrays of a policy for kernels.

    Raises PolicyError if it was made for another model, or its vectors are not linked.
    """
    check_fits(policy.problem, model)
    values = policy.values
    if not isinstance(values, LinkedVectors):
        raise PolicyError(
            f"a policy of method {policy.method!r} has no linked vectors; solve with sarsop"
        )
    blind = fixed_point(model, "blind", precision=1e-3, horizon=None, monitor=Monitor()).Q
    repeated = int((blind @ model.start).argmax())
    sizes = [len(vector) for vector in values.values]
    begins = np.cumsum([0, *sizes])
    block = np.full(model.n_states, kernel.NONE)
    place = np.zeros(model.n_states, np.int64)
    # The initial block comes first: a state in two blocks keeps the other one.
    first = int(values.block[0])
    for k in sorted(range(len(values.states)), key=lambda k: k != first):
        block[values.states[k]], place[values.states[k]] = k, np.arange(len(values.states[k]))
    header = np.array([len(sizes), 0, repeated])
    parts = [header, values.actions, values.block, begins[:-1], values.next.ravel(), block, place]
    return np.concatenate(parts, dtype=np.int64), np.concatenate([*values.values, blind[repeated]])


def best_node(policy: SolvedPolicy, b: FloatArray) -> int:
    """Index of the vector that is maximal at a belief."""
    assert isinstance(policy.values, LinkedVectors)
    return int(np.argmax(policy.values.values_at(b)))
