"""The contract of solvers (see `solving.solve`), checked for all of `METHODS` with slow oracles.

Let V(b) be the maximum of the vectors at b, and a vector's backup at b, with V (or with a finite
horizon the optimal value) as continuation,

    (B alpha)(b) = r[a] . b + g sum over o of P(o | b, a) V(b after a and o).

A vector alpha of a lower bound lies below its backup; for a method whose agents follow the graph
(`BY_GRAPH`), below its backup with the optimal value. A vector of an upper bound lies above its
backup, and every action has one. The bounds enclose the optimal value of the initial belief, and
the agent's policy attains the lower one. All this also holds for stopped runs.

A method in `METHODS` is tested as a lower bound unless it is listed in `UPPER`; then its graph must
attain the lower bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

import naive_planning as naive
import pomdptool
from mdps import random_mdp
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.acting.agents import BY_GRAPH
from pomdptool.certificates import UPPER
from pomdptool.errors import PomdpError
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solution import Solution
from pomdptool.solving.solve import METHODS

HORIZON = 3
SLACK = 1e-7
"""Tolerance for rounding, relative to the largest value."""

Array = naive.Array
Value = Callable[[Array], float]

every_method = pytest.mark.parametrize("method", METHODS)


def problem(name: str) -> Model:
    return pomdptool.load(ROOT / "problems" / f"{name}.pomdp")


MODELS: dict[str, Callable[[], Model]] = {
    "random": lambda: random_model(1, discount=0.5),
    "costs": lambda: replace(random_model(2, n_states=2, n_actions=3, discount=0.6), costs=True),
    "patient": lambda: random_model(3, n_states=4, discount=0.95),
    "mdp": lambda: random_mdp(4, n_states=3, discount=0.7),
    "tiger": tiger,
    "maze-1d": lambda: problem("maze-1d"),
    "tiger-aaai": lambda: problem("tiger-aaai"),
    "cheese-maze": lambda: problem("cheese-maze"),
}
every_model = pytest.mark.parametrize("name", MODELS)


def solved(model: Model, method: str, horizon: int | None, checks: int | None = None) -> Solution:
    """Solve; with `checks`, interrupt at the next check after so many.

    A method may reject a finite horizon, with an error that mentions it.
    """
    left = [checks]

    def interrupted() -> bool:
        if left[0] is None:
            return False
        left[0] -= 1
        return left[0] < 0

    rng = np.random.default_rng(1)
    try:
        return pomdptool.solve(
            model, method, precision=1e-2, horizon=horizon, time_limit=20.0, rng=rng,
            interrupted=interrupted,
        )  # fmt: skip
    except PomdpError as error:
        if horizon is None or "has no horizon" not in str(error):
            raise
        pytest.skip(f"{method} has no horizon")


# ---------------------------------------------------------------- oracles


def slack(model: Model, horizon: int | None) -> float:
    steps = horizon or 1.0 / (1.0 - model.discount)
    return SLACK * float(np.abs(model.expected_rewards).max()) * steps


def backup(model: Model, b: Array, a: int, after: Value) -> float:
    """Expected reward of an action at a belief plus the discounted continuation value."""
    value = naive.expected_reward(model, b, a)
    for o in range(model.n_observations):
        arrived, p = naive.update(model, b, a, o)
        if p > 0:
            value += model.discount * p * after(arrived)
    return value


def rest(model: Model, done: int, horizon: int | None) -> tuple[float, float]:
    """Bounds on the discounted return of the steps after the first `done`."""
    r, g = model.expected_rewards, model.discount
    weight = sum(g**t for t in range(done, horizon)) if horizon else g**done / (1.0 - g)
    return weight * float(r.min()), weight * float(r.max())


def optimum(model: Model, b: Array, horizon: int | None, budget: int = 300) -> tuple[float, float]:
    """Bounds on the optimal value of a belief, by expectimax to a depth within the budget.

    If the depth reaches the horizon, both are the optimal value.
    """
    branching = model.n_actions * model.n_observations
    depth = max(1, int(np.log(budget) / np.log(branching)))
    depth = depth if horizon is None else min(depth, horizon)
    value = naive.expectimax(model, b, depth)
    low, high = rest(model, depth, horizon)
    return value + low, value + high


def starts(model: Model) -> Iterator[tuple[float, int | None, Array]]:
    """Initial conditions: probability, observed state (in an MDP), and belief."""
    if not model.mdp:
        yield 1.0, None, model.start
        return
    for s in np.flatnonzero(model.start).tolist():
        yield float(model.start[s]), s, np.eye(model.n_states)[s]


def policy_value(model: Model, policy: SolvedPolicy, budget: int = 300) -> tuple[float, float]:
    """Bounds on the policy's value, by following it through all histories of some length."""
    depth = max(1, int(np.log(budget) / np.log(max(2, model.n_observations))))
    depth = depth if policy.horizon is None else min(depth, policy.horizon)

    def follow(state: int | None, b: Array, history: list[tuple[int, int]]) -> float:
        if len(history) == depth:
            return 0.0
        agent = pomdptool.agent_for(model, policy)
        agent.reset(state)
        for step in history:
            agent.observe(*step)
        a = agent.act()
        value = naive.expected_reward(model, b, a)
        for o in range(model.n_observations):
            after, p = naive.update(model, b, a, o)
            if p > 0:
                value += model.discount * p * follow(state, after, [*history, (a, o)])
        return value

    value = sum(p * follow(state, b, []) for p, state, b in starts(model))
    low, high = rest(model, depth, policy.horizon)
    return value + low, value + high


# ---------------------------------------------------------------- the contract


def check_vectors(model: Model, method: str, policy: SolvedPolicy) -> None:
    """Check each vector against its backup, at corners and inside its face."""
    allowed = slack(model, policy.horizon)
    rows = list(policy.values.rows())
    assert rows, "a solution has at least one vector"
    actions = {row.action for row in rows}
    assert actions <= set(range(model.n_actions))
    if method in UPPER:
        assert actions == set(range(model.n_actions)), "an upper bound has a vector per action"
    step = max(1, len(rows) // 8)
    for k, row in enumerate(rows[::step]):
        states = np.arange(model.n_states) if row.states is None else np.array(row.states)
        assert row.values.shape == states.shape
        inside = np.vstack([np.eye(len(states)), random_beliefs(3, len(states), k)])
        for part in inside[:: max(1, len(inside) // 4)]:
            b = np.zeros(model.n_states)
            b[states] = part
            value = float(row.values @ part)
            place = f"{method}: the vector {k * step} of action {row.action} at {b.round(4)}"
            if method in UPPER:
                least = min(backups(model, method, policy, b, row.action))
                own = [r for r in rows if r.action == row.action]
                value = max(float(r.values @ b) for r in own)
                assert value >= least - allowed, f"{place}: {value} is below its backup {least}"
            else:
                most = max(backups(model, method, policy, b, row.action))
                assert value <= most + allowed, f"{place}: {value} exceeds its backup {most}"


def backups(model: Model, method: str, policy: SolvedPolicy, b: Array, a: int) -> list[float]:
    """Backups of an action at a belief, one of which must bound its vectors.

    After a stop, finite-horizon vectors may cover the completed steps or all steps.
    """
    horizon, side = policy.horizon, 0 if method in UPPER else 1
    if horizon is None and method not in BY_GRAPH:
        return [backup(model, b, a, policy.value)]

    def with_steps(steps: int | None) -> float:
        def best(after: Array) -> float:
            if steps == 1:
                return 0.0
            return optimum(model, after, None if steps is None else steps - 1, budget=40)[side]

        return 0.0 if steps == 0 else backup(model, b, a, best)

    done = None if horizon is None else int(policy.stats["iterations"])
    return [with_steps(steps) for steps in {horizon, done}]


def check_bounds(model: Model, method: str, solution: Solution) -> None:
    """Check that the bounds enclose the optimum and the policy attains the lower one."""
    bounds, policy = solution.bounds, solution.policy
    allowed = slack(model, policy.horizon)
    assert bounds.lower <= bounds.upper
    both = [(p, optimum(model, b, policy.horizon)) for p, _, b in starts(model)]
    low, high = (sum(p * ends[side] for p, ends in both) for side in (0, 1))
    assert bounds.lower <= high + allowed, f"{method}: the optimum is at most {high}"
    assert bounds.upper >= low - allowed, f"{method}: the optimum is at least {low}"
    most = policy_value(model, replace(policy, method="graph") if method in UPPER else policy)[1]
    assert bounds.lower <= most + allowed, f"{method}: the policy earns {most} at most"


def check_end(solution: Solution, *, precision: float = 1e-2) -> None:
    """Check that `converged` and `stop_reason` are consistent."""
    reason = solution.stop_reason
    assert reason, "a solution has a stop reason"
    assert solution.converged == (reason in ("precision", "horizon"))
    if reason == "precision":
        assert solution.bounds.closed(precision)


@every_method
@every_model
def test_infinite_horizon(method: str, name: str) -> None:
    model = MODELS[name]()
    solution = solved(model, method, None)
    check_end(solution)
    check_vectors(model, method, solution.policy)
    check_bounds(model, method, solution)


@every_method
@every_model
def test_finite_horizon(method: str, name: str) -> None:
    model = MODELS[name]()
    solution = solved(model, method, HORIZON)
    check_end(solution)
    assert solution.policy.horizon == HORIZON
    check_vectors(model, method, solution.policy)
    check_bounds(model, method, solution)


@every_method
@pytest.mark.parametrize("checks", [0, 1, 2, 5, 12, 40])
@pytest.mark.parametrize("horizon", [None, HORIZON], ids=["infinite", "finite"])
@pytest.mark.parametrize("name", ["random", "costs", "mdp", "tiger"])
def test_stopped_early(method: str, name: str, horizon: int | None, checks: int) -> None:
    model = MODELS[name]()
    solution = solved(model, method, horizon, checks)
    check_end(solution)
    assert checks > 0 or solution.stop_reason == "interrupted", "it never checks for interrupts"
    check_vectors(model, method, solution.policy)
    check_bounds(model, method, solution)
