"""Settings of a search: depth, exploration, prior of new nodes, evaluation of leaf nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.acting.rollout_policy import guide_of, no_guide
from pomdptool.episodes import steps_until
from pomdptool.errors import PomdpError
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation.pomcp import Plan
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

UNDISCOUNTED_DEPTH = 100
"""Steps of a simulation with discount 1."""

DEPTH_PRECISION = 0.01
"""Largest share of the return that may lie beyond the depth of a simulation."""

EXPLORATION = 0.3
"""The default constant, as a share of the gap between bounds at the initial belief."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Visits and values that the actions of a new node begin with, shape (A,) each."""

    visits: IntArray
    values: FloatArray


def default_depth(model: Model) -> int:
    """Steps of a simulation: until a hundredth of the largest return lies beyond."""
    return steps_until(model.discount, DEPTH_PRECISION) or UNDISCOUNTED_DEPTH


def default_exploration(model: Model, depth: int) -> float:
    """0.3 x (FIB upper bound - blind lower bound) at the initial belief."""
    horizon = depth if model.discount == 1.0 else None
    monitor = Monitor()
    upper = (
        fixed_point(model, "fib", precision=1.0, horizon=horizon, monitor=monitor).Q @ model.start
    )
    lower = (
        fixed_point(model, "blind", precision=1.0, horizon=horizon, monitor=monitor).Q @ model.start
    )
    return max(EXPLORATION * float(upper.max() - lower.max()), 1e-6)


def plan_of(
    model: Model,
    exploration: float,
    depth: int,
    *,
    rollout: str | SolvedPolicy,
    leaf_values: SolvedPolicy | None,
    prior: Prior | None,
) -> Plan:
    """Lay settings out for kernels; see `planner.Pomcp` for what they are.

    Without a prior, nodes start with one visit for each action, and its value in the MDP.

    Raises
    ------
    PomdpError
        Where the rollout has an unknown name.
    PolicyError
        Where a policy was made for another model, or its vectors are not linked.
    """
    A, S = model.n_actions, model.n_states
    policy = rollout if leaf_values is None else leaf_values
    if isinstance(policy, str) and policy not in ("random", "qmdp"):
        raise PomdpError(f"rollout must be 'random', 'qmdp' or a policy, not {policy!r}")
    Q = np.zeros((A, S))
    if prior is None or policy == "qmdp":
        horizon = depth if model.discount == 1.0 else None
        Q = fixed_point(model, "mdp", precision=1e-3, horizon=horizon, monitor=Monitor()).Q
    if prior is None:
        prior = Prior(np.ones(A, np.int64), np.ascontiguousarray(Q.T).ravel())
    kind, guide, values = kernel.UNIFORM, no_guide(), np.zeros(1)
    if isinstance(policy, SolvedPolicy):
        kind = kernel.CONTROLLER if leaf_values is None else kernel.NODE_VALUES
        guide, values = guide_of(model, policy)
    elif policy == "qmdp":
        kind, values = kernel.VALUES, Q.max(axis=0)
    return Plan(
        discount=float(model.discount),
        exploration=float(exploration),
        depth=depth,
        rollout=kind,
        guide=guide,
        values=values,
        prior_visits=prior.visits.astype(np.float64),
        prior_values=prior.values.astype(np.float64),
    )
