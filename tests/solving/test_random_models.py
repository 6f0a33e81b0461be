"""Every method on random models of all scales: bounds, limits, and policy values.

Discounts from 0 to 0.9999, precisions from 1e-1 to 1e-15, rewards from 1e-9 to 1e9, also mixed;
states that are observed, absorbing, periodic or never left, and MDPs. The oracle shares nothing
with the solvers: dense linear systems for the MDP's optimum and the blind policies, and expectimax
from these down to the initial belief.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import pomdptool
from naive_planning import Array
from pomdptool.formats.models import encode_model
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.kernels.jit import compiling_seconds
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model, make_model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solution import Solution
from pomdptool.solving.solve import ALGORITHMS, METHODS

LIMIT = 0.04
"""Seconds that a method may take."""

GRACE = 2.0
"""CPU seconds allowed beyond the time limit, for one interpreted kernel call."""

BELIEFS = 400
"""Beliefs of an expectimax tree, at most."""

REASONS = {
    *("precision", "horizon", "fixed-point", "rounding", "time-limit"),
    *("max-vectors", "memory", "interrupted"),
}

# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class Case:
    """A model and the options of a run."""

    model: Model
    precision: float
    horizon: int
    pruning: str | None
    number: int

    def __repr__(self) -> str:
        text, _ = encode_model(self.model, "pomdp")
        return f"precision {self.precision}, horizon {self.horizon}, {self.pruning}:\n{text}"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    number = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(number)
    S = draw(st.sampled_from([3, 2, 4, 1]))
    A, Z = draw(st.sampled_from([2, 3, 2, 1])), draw(st.sampled_from([2, 3, 2, 1]))
    discounts = st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999]) | st.floats(0.0, 0.9999)
    T = draw(st.sampled_from([dense, sparse, moved, kept]))(rng, (A, S, S))
    kind = draw(st.sampled_from(["noisy", "noisy", "sharp", "none", "observed", "mdp"]))
    tables: dict[str, Array | None] = {
        "noisy": sparse(rng, (A, S, Z)),
        "sharp": sharp(rng, (A, S, Z)),
        "none": np.ones((A, S, 1)),
        "observed": np.broadcast_to(np.eye(S), (A, S, S)),
        "mdp": None,
    }
    return Case(
        make_model(
            T,
            tables[kind],
            rewards(rng, (A, S), draw(st.integers(-9, 9)), mixed=draw(st.booleans())),
            discount=draw(discounts),
            start=draw(st.sampled_from([dense, moved]))(rng, (S,)),
        ),
        10.0 ** -draw(st.integers(1, 15)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([None, *ALGORITHMS])),
        number,
    )


def normalised(weights: Array) -> Array:
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def dense(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return normalised(rng.random(shape) + 1e-3)


def sparse(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    weights = rng.random(shape) * (rng.random(shape) < 0.6)
    weights[..., rng.integers(shape[-1])] += 1e-3
    return normalised(weights)


def moved(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Deterministic transitions."""
    return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]


def kept(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Nearly or fully absorbing states: chains that mix slowly."""
    leaving = rng.choice([0.0, 1e-6, 0.01], size=(shape[0], 1, 1))
    return np.asarray((1.0 - leaving) * np.eye(shape[-1]) + leaving * sparse(rng, shape))


def sharp(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Observations that nearly reveal the state."""
    noise = 10.0 ** -rng.integers(3, 13)
    return np.asarray((1.0 - noise) * moved(rng, shape) + noise * dense(rng, shape))


def rewards(rng: np.random.Generator, shape: tuple[int, int], scale: int, *, mixed: bool) -> Array:
    """Integers, some 0, times a power of 10, common to all or not."""
    values = rng.integers(-3, 4, size=shape) * (1.0 if rng.random() < 0.5 else rng.random(shape))
    return np.asarray(values * 10.0 ** (rng.integers(-9, 10, size=shape) if mixed else scale))


# ---------------------------------------------------------------- oracle


def observed_optimum(model: Model) -> Array:
    """V[s] of the MDP: the maximum over all policies, each a dense linear system."""
    S, g, r = model.n_states, model.discount, model.expected_rewards
    s, best = np.arange(S), np.full(S, -np.inf)
    for policy in itertools.product(range(model.n_actions), repeat=S):
        P = model.T[list(policy), s]
        best = np.maximum(best, np.linalg.solve(np.eye(S) - g * P, r[list(policy), s]))
    return best


def blind_values(model: Model) -> Array:
    """Q[a, s] of blind policies."""
    eye, g = np.eye(model.n_states), model.discount
    pairs = zip(model.T, model.expected_rewards, strict=True)
    return np.array([np.linalg.solve(eye - g * P, r) for P, r in pairs])


def expectimax(model: Model, joint: Array, depth: int, ends: Array) -> float:
    """Optimal value of an unnormalised belief, with terminal vectors `ends`."""
    if depth == 0:
        return float((ends @ joint).max())
    q = model.expected_rewards @ joint
    for a in range(model.n_actions):
        moved = joint @ model.T[a]
        for o in range(model.n_observations):
            after = moved * model.Z[a, :, o]
            if after.any():
                q[a] += model.discount * expectimax(model, after, depth - 1, ends)
    return float(q.max())


def oracle(model: Model, depth: int, ends: Array) -> float:
    """Value at the initial belief; in an MDP its state is observed."""
    if not model.mdp:
        return expectimax(model, model.start, depth, ends)
    return sum(expectimax(model, row, depth, ends) for row in np.diag(model.start))


def depth_for(model: Model) -> int:
    branching = max(2, model.n_actions * min(model.n_observations, model.n_states))
    return int(np.log(BELIEFS) / np.log(branching))


def bracket(model: Model) -> tuple[float, float]:
    """Bounds on the optimal value with an infinite horizon."""
    depth = depth_for(model)
    above = oracle(model, depth, observed_optimum(model)[np.newaxis])
    return oracle(model, depth, blind_values(model)), above


def scale_of(model: Model, horizon: int | None = None) -> float:
    """Bound on |V|, to which rounding is relative."""
    g = model.discount
    steps = 1.0 / (1.0 - g) if horizon is None else float(horizon)
    return float(np.abs(model.expected_rewards).max()) * steps


def earned(model: Model, graph: PolicyGraph) -> float:
    """Value of a policy graph at the initial belief, by one linear system."""
    n, S = graph.n_nodes, model.n_states
    if n * S > 1500:
        return earned_sparse(model, graph)
    system = np.eye(n * S)
    for k, a in enumerate(graph.actions):
        for o, m in enumerate(graph.next[k]):
            if m != NOWHERE:
                step = model.discount * model.T[a] * model.Z[a, :, o]
                system[k * S : (k + 1) * S, m * S : (m + 1) * S] -= step
    values = np.linalg.solve(system, model.expected_rewards[graph.actions].ravel())
    return from_start(model, graph, np.asarray(values, dtype=np.float64))


def earned_sparse(model: Model, graph: PolicyGraph) -> float:
    """The same, for large graphs."""
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.linalg import spsolve

    S, n = model.n_states, graph.n_nodes
    k, o = np.nonzero(graph.next != NOWHERE)
    a, m = graph.actions[k], graph.next[k, o]
    steps = model.discount * model.T[a] * model.Z[a, :, o][:, np.newaxis, :]
    s = np.arange(S)
    rows = np.broadcast_to((k[:, np.newaxis] * S + s)[:, :, np.newaxis], steps.shape)
    columns = np.broadcast_to((m[:, np.newaxis] * S + s)[:, np.newaxis, :], steps.shape)
    entries = (steps.ravel(), (rows.ravel(), columns.ravel()))
    matrix = coo_matrix(entries, shape=(n * S, n * S)).tocsc()
    system = identity(n * S, format="csc") - matrix
    values = spsolve(system, model.expected_rewards[graph.actions].ravel())
    return from_start(model, graph, np.asarray(values, dtype=np.float64))


def from_start(model: Model, graph: PolicyGraph, values: Array) -> float:
    values = values.reshape(graph.n_nodes, model.n_states)
    if graph.n_initial:
        return float(sum(model.start[s] * values[s, s] for s in range(model.n_states)))
    return float(values[graph.start] @ model.start)


def graph_of(policy: SolvedPolicy) -> PolicyGraph | None:
    values = policy.values
    return values.graph() if isinstance(values, LinkedVectors) else policy.graph


# ---------------------------------------------------------------- checks


def check_solution(case: Case, solution: Solution, low: float, high: float, scale: float) -> None:
    """Compare the bounds with the oracle's, and the policy's value with the lower bound."""
    model, bounds, slack = case.model, solution.bounds, 1e-11 * scale
    assert np.isfinite([bounds.lower, bounds.upper]).all()
    assert bounds.lower <= bounds.upper
    assert solution.stop_reason in REASONS
    assert bounds.lower <= high + slack
    assert bounds.upper >= low - slack
    if solution.converged and solution.stop_reason in ("precision", "time-limit"):
        assert bounds.closed(case.precision)
    if solution.stop_reason in ("precision", "horizon"):
        assert solution.converged
    graph = graph_of(solution.policy)
    if solution.policy.horizon is None:
        assert graph is not None
    if graph is not None:
        assert earned(model, graph) >= bounds.lower - slack


def check(case: Case, methods: tuple[str, ...] = tuple(METHODS)) -> None:
    low, high = bracket(case.model)
    scale = scale_of(case.model)
    assert low <= high + 1e-11 * scale
    for method in methods:
        began = time.process_time() - compiling_seconds()
        rng = np.random.default_rng(case.number)
        solution = pomdptool.solve(
            case.model, method, precision=case.precision, time_limit=LIMIT, rng=rng
        )
        assert time.process_time() - compiling_seconds() - began <= LIMIT + GRACE, method
        check_solution(case, solution, low, high, scale)


def check_horizon(case: Case) -> None:
    model, zero = case.model, np.zeros((1, case.model.n_states))
    model = replace(model, discount=1.0) if case.number % 4 == 0 else model
    case = replace(case, model=model)
    value = oracle(model, case.horizon, zero)
    solution = pomdptool.solve(
        model,
        "exact",
        horizon=case.horizon,
        precision=case.precision,
        algorithm=case.pruning,
    )
    assert solution.stop_reason in ("horizon", "rounding")
    check_solution(case, solution, value, value, scale_of(model, case.horizon))


def run(number: int, examples: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def holds(case: Case) -> None:
        check(case)
        check_horizon(case)

    holds()


@pytest.mark.parametrize("shard", range(5))
def test_every_method_on_random_models(shard: int) -> None:
    run(shard, 20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shard", range(100, 150))
def test_every_method_on_many_random_models(shard: int) -> None:
    run(shard, 200)
