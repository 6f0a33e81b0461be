"""Settings of a search: depth, exploration, prior of new nodes, evaluation of leaf nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.acting.rollout_policy import compile_rollout_policy, no_rollout_policy
from pomdptool.episodes import effective_horizon
from pomdptool.errors import PomdpError
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation.pomcp import Plan
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.readable import Readable
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

UNDISCOUNTED_DEPTH = 100
"""Depth of simulations with discount 1."""

DEPTH_PRECISION = 0.01
"""Weight of rewards beyond the default depth."""

EXPLORATION = 0.3
"""Default exploration constant, relative to the gap between bounds at the initial belief."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Prior(Readable):
    """Initial visits and values of the actions of a new node, shape (A,) each."""

    visits: IntArray
    values: FloatArray


def default_depth(model: Model) -> int:
    """Depth of simulations: until rewards are discounted by `DEPTH_PRECISION`."""
    return effective_horizon(model.discount, DEPTH_PRECISION) or UNDISCOUNTED_DEPTH


def default_exploration(model: Model, depth: int) -> float:
    """0.3 x (FIB upper bound - blind lower bound) at the initial belief."""
    horizon = depth if model.discount == 1.0 else None
    upper, lower = (
        fixed_point(model, method, precision=1.0, horizon=horizon, monitor=Monitor()).Q
        for method in ("fib", "blind")
    )
    gap = (upper @ model.start).max() - (lower @ model.start).max()
    return max(EXPLORATION * float(gap), 1e-6)


def make_plan(
    model: Model,
    exploration: float,
    depth: int,
    *,
    rollout: str | SolvedPolicy,
    leaf_values: SolvedPolicy | None,
    prior: Prior | None,
) -> Plan:
    """Arrays of the settings for kernels; see `pomcp.Pomcp` for their meaning.

    Without a prior, actions of a new node start with one visit and the MDP value Q_MDP(s, a).

    Raises PomdpError if the rollout has an unknown name, PolicyError if a policy was made for
    another model or its vectors are not linked.
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
    kind, guide, values = kernel.UNIFORM, no_rollout_policy(), np.zeros(1)
    if isinstance(policy, SolvedPolicy):
        kind = kernel.CONTROLLER if leaf_values is None else kernel.NODE_VALUES
        guide, values = compile_rollout_policy(model, policy)
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
