"""What a policy is, and what it does at a belief: action, values, certified bounds.

The bounds hold for the optimal value V*(b). Alpha vectors of a lower bound give one, and a step of
look-ahead on them another; the value of the blind policies is a third. The upper bound is a step of
look-ahead on the fast informed bound U (Hauskrecht 2000),

    V*(b) <= max over a of  r[a] . b + g sum over o of P(o | b, a) U(b after a and o),

which holds because U does. U is tightened by the policy's upper bound at the initial belief.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pomdptool.acting.agents import controller_of
from pomdptool.arguments import as_model, as_policy
from pomdptool.belief import action_values
from pomdptool.belief_input import belief_over, index_of_name
from pomdptool.certificates import ValueKind, steps_to_go, value_kind
from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.readable import Readable
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Monitor, Solution
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PRECISION, ROUNDING = 1e-6, 1e-12
"""Relative precision of bounds, and allowance for the rounding of a step of look-ahead."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class PolicyInfo(Readable):
    """Properties of a policy.

    Attributes
    ----------
    problem, method
        Name of the model, and method that computed the policy.
    value_function
        What the vectors are: "optimal", "lower" or "upper" (bounds on the optimal value in
        rewards), or "unknown".
    bounds
        Certified bounds on the optimal value at the initial belief, in rewards.
    converged, stop_reason, horizon
        As in `SolvedPolicy`.
    vectors, nodes
        Number of alpha vectors, and of nodes of the policy graph; None without a graph.
    first_action
        Action at the initial belief; None for an MDP, where it depends on the state.
    """

    problem: str
    method: str
    value_function: ValueKind
    bounds: tuple[float, float]
    converged: bool
    stop_reason: str
    horizon: int | None
    vectors: int
    nodes: int | None
    first_action: str | None


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class PolicyAt(Readable):
    """A policy at a belief; all values are in rewards.

    Attributes
    ----------
    belief
        Shape (S,).
    action
        Name of the action that the policy takes.
    value
        Value of its vectors at the belief (see `PolicyInfo.value_function`); None if the policy
        has none for the steps that remain.
    action_values
        Value of each action by one step of look-ahead, shape (A,); None without a model.
    bounds
        Certified bounds on the optimal value at the belief; infinite if unknown.
    """

    belief: FloatArray
    action: str
    value: float | None
    action_values: FloatArray | None
    bounds: tuple[float, float]


def policy_info(policy: SolvedPolicy | Solution) -> PolicyInfo:
    """Describe a policy."""
    policy = as_policy(policy)
    problem, graph = policy.problem, policy.graph
    return PolicyInfo(
        problem=problem.name,
        method=policy.method,
        value_function=value_kind(policy),
        bounds=(policy.bounds.lower, policy.bounds.upper),
        converged=policy.converged,
        stop_reason=policy.stop_reason,
        horizon=policy.horizon,
        vectors=sum(1 for _ in policy.values.rows()),
        nodes=None if graph is None else graph.n_nodes,
        first_action=None if problem.mdp else problem.actions[_first_action(policy)],
    )


def _first_action(policy: SolvedPolicy) -> int:
    try:
        return policy.values.action(policy.problem.start)
    except PolicyError:  # vectors on faces: the graph knows what the model is needed for
        if policy.graph is not None:
            return int(policy.graph.actions[policy.graph.start])
        raise


def policy_at(
    policy: SolvedPolicy | Solution,
    belief: ArrayLike | Mapping[str, float] | None = None,
    model: Model | None = None,
    *,
    history: Sequence[tuple[str | int, str | int]] = (),
) -> PolicyAt:
    """Ask a policy for its action and values at a belief.

    Parameters
    ----------
    belief
        An array, shape (S,), or {state: probability}; by default the initial belief.
    model
        The model that was solved; needed for action values, bounds and a history.
    history
        Pairs of an action and the observation that followed it, by name or index.

    Raises
    ------
    ModelError
        If the belief, an action or an observation is invalid, or an observation is impossible.
    PolicyError
        If the model is another, or the question needs it.
    """
    return Asked(as_policy(policy), model).at(belief, history)


class Asked:
    """A policy that is asked several times; bounds are computed once."""

    def __init__(self, policy: SolvedPolicy, model: Model | None) -> None:
        self.policy = policy
        self.model: Model | None = None
        self.graph: PolicyGraph | None = None
        self._tables: dict[tuple[str, int | None], FloatArray] = {}
        if model is not None:
            self.graph = controller_of(as_model(model), policy)
            self.model = replace(model, discount=policy.problem.discount)

    def at(
        self,
        belief: ArrayLike | Mapping[str, float] | None,
        history: Sequence[tuple[str | int, str | int]] = (),
    ) -> PolicyAt:
        """Ask at a belief and after a history; see `policy_at`."""
        problem = self.policy.problem
        b = problem.start if belief is None else belief_over(belief, problem.states)
        if problem.mdp and b.max() < 1.0:
            raise PolicyError("the states of an MDP are observed: ask at one state")
        at_start = np.array_equal(b, problem.start)
        b, node = self._after(b, history, self._initial_node(b, at_start=at_start))
        policy = self._remaining(len(history))
        value = None if policy is None else policy.values.value(b)
        action = self.policy.values.action(b) if policy is None else policy.values.action(b)
        if self.graph is not None and node != NOWHERE:
            action = int(self.graph.actions[node])
        q = self._action_values(policy, b) if policy is not None and self.model else None
        low, high = self._bounds(policy, b, value, len(history))
        if q is not None and self._complete and value_kind(self.policy) in ("lower", "optimal"):
            low = max(low, float(q.max()) - ROUNDING * max(1.0, float(np.abs(q).max())))
        if at_start and not history:
            low = max(low, self.policy.bounds.lower)
            high = min(high, self.policy.bounds.upper)
        return PolicyAt(b, problem.actions[action], value, q, (low, max(low, high)))

    def _initial_node(self, b: FloatArray, *, at_start: bool) -> int:
        """The node of the graph that the policy begins in, if it begins at this belief."""
        if self.graph is None:
            return NOWHERE
        if self.graph.n_initial:
            return int(b.argmax())
        return self.graph.start if at_start else NOWHERE

    def _after(
        self, b: FloatArray, history: Sequence[tuple[str | int, str | int]], node: int
    ) -> tuple[FloatArray, int]:
        """Belief and node after a history; no node after an action that is not the policy's."""
        if not history:
            return b, node
        if self.model is None:
            raise PolicyError("a history needs the model, for the belief after it")
        for action, observation in history:
            b = self.model.update(b, action, observation)
            a = index_of_name(action, self.model.actions, "action")
            o = index_of_name(observation, self.model.observations, "observation")
            if self.graph is not None and node != NOWHERE:
                follows = int(self.graph.actions[node]) == a
                node = int(self.graph.next[node, o]) if follows else NOWHERE
        return b, node

    def _remaining(self, done: int) -> SolvedPolicy | None:
        """The policy for the steps after the first `done`; None if the file lacks its values.

        Raises PolicyError if no step remains.
        """
        policy, steps = self.policy, steps_to_go(self.policy)
        if steps is None or done == 0:
            return policy
        left = steps - done
        if left < 1:
            raise PolicyError(f"the policy ends after {steps} steps")
        if len(policy.stages) < left:
            return None
        stages = policy.stages[:left]
        return replace(policy, values=stages[-1], stages=stages, horizon=left, converged=True)

    def _action_values(self, policy: SolvedPolicy, b: FloatArray) -> FloatArray | None:
        """Action values; None if the values of the next stage are not in the file."""
        steps = steps_to_go(policy)
        known = steps is None or steps == 1 or len(policy.stages) >= steps - 1
        if not (known or hasattr(policy.values, "after")):
            return None
        return policy.action_values(b, self.model)

    @property
    def _complete(self) -> bool:
        """Whether the vectors are for the whole horizon, so that they bound the optimal value."""
        return self.policy.horizon is None or self.policy.converged

    def _bounds(
        self, policy: SolvedPolicy | None, b: FloatArray, value: float | None, done: int
    ) -> tuple[float, float]:
        """Certified bounds on the optimal value after `done` steps, without those of the file."""
        kind = value_kind(self.policy) if self._complete else "unknown"
        low, high, horizon = -np.inf, np.inf, self.policy.horizon
        if policy is None or value is None:
            return low, high
        if kind in ("lower", "optimal"):
            low = value
        elif kind == "upper":
            high = value
        model = self.model
        if model is None or policy.terminal is not None:
            return low, high
        steps = None if horizon is None else horizon - done
        if steps is None and model.discount == 1.0:
            return low, high
        if low == -np.inf:
            low = float((self._table("blind", steps) @ b).max())
        q = action_values(model, b, lambda x: self._upper(x, None if steps is None else steps - 1))
        high = min(high, float(q.max()))
        if steps is None:
            high = min(high, self._upper(b, None))
        return low, high + ROUNDING * max(1.0, float(np.abs(q).max()))

    def _upper(self, b: FloatArray, steps: int | None) -> float:
        """Upper bound on the optimal value at a belief for a number of steps.

        With an infinite horizon the bound at the initial belief b0 is interpolated too: the optimal
        value is convex, so V*(b) <= c U(b0) + sum over s of (b - c b0)[s] U(s), with the largest c
        for which b - c b0 is not negative.
        """
        table = self._table("fib", steps)
        value, known = float((table @ b).max()), self.policy.bounds.upper
        if steps is not None or not np.isfinite(known):
            return value
        start = self.policy.problem.start
        c = float((b[start > 0.0] / start[start > 0.0]).min())
        return min(value, c * known + float((b - c * start) @ table.max(axis=0)))

    def _table(self, method: Literal["blind", "fib"], steps: int | None) -> FloatArray:
        """Vectors of a bound, shape (A, S), for a number of steps."""
        key = (method, steps)
        if key not in self._tables:
            assert self.model is not None
            self._tables[key] = fixed_point(
                self.model, method, precision=PRECISION, horizon=steps, monitor=Monitor()
            ).Q
        return self._tables[key]
