"""Stress tests of exact value iteration: ties, near ties, degenerate and badly scaled models.

The oracles are plain: expectimax and Bellman backups at thousands of beliefs at once, over dense
arrays, and for short horizons the enumeration of all vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

import pomdptool
from models import PROBLEMS, random_model
from pomdptool.kernels.exact.backup import Branches
from pomdptool.kernels.jit import request_compilation
from pomdptool.model import Model, make_model
from pomdptool.policy import Row
from pomdptool.solving.exact import vertex_enumeration
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.exact.vertex_enumeration import backup_by_vertex_enumeration
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.solution import Monitor, Solution

pytestmark = pytest.mark.timeout(300)

Array = NDArray[np.float64]
Leaf = Callable[[Array], Array]

SECONDS = 10.0
"""Time limit of each solution; on an idle machine a tenth suffices."""


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """Compile the kernels first, which may take half a minute."""
    request_compilation(10**9)
    for n_states in (3, 8):
        model = random_model(0, n_states=n_states)
        pomdptool.solve(model, "exact", horizon=2)
        pomdptool.solve(model, "exact", precision=0.1)


# ------------------------------------------------------------ oracles


def rewards(model: Model) -> Array:
    """Expected reward r[a, s]."""
    shape = (model.n_actions, model.n_states, model.n_states, model.n_observations)
    R = np.broadcast_to(model.R, shape)
    return np.asarray(np.einsum("ast,ato,asto->as", model.T, model.Z, R))


def size(model: Model, steps: float | None = None) -> float:
    """Bound on absolute values, at least 1: the scale of rounding errors."""
    if steps is None:
        steps = 1.0 / (1.0 - model.discount)
    return max(1.0, steps * float(np.abs(rewards(model)).max()))


def expectimax(model: Model, depth: int, leaf: Leaf) -> Leaf:
    """Values at beliefs (or multiples of them), shape (n, S), by `depth` steps of look-ahead."""
    if depth == 0:
        return leaf
    r, after_step = rewards(model), expectimax(model, depth - 1, leaf)
    joint = model.T[:, np.newaxis] * np.moveaxis(model.Z, 2, 1)[:, :, np.newaxis]  # a, o, s, s'
    possible = np.asarray(joint.any(axis=(2, 3)))

    def at(b: Array) -> Array:
        best = np.full(len(b), -np.inf)
        for a in range(model.n_actions):
            value = b @ r[a]
            for o in np.flatnonzero(possible[a]):
                after = b @ joint[a, o]
                possible_here = after.any(axis=1)
                value[possible_here] += model.discount * after_step(after[possible_here])
            best = np.maximum(best, value)
        return best

    return at


def nothing(b: Array) -> Array:
    return np.zeros(len(b))


def largest(vectors: Array) -> Leaf:
    return lambda b: np.asarray((b @ vectors.T).max(axis=1, initial=-np.inf))


def on_faces(rows: Sequence[Row]) -> Leaf:
    """Value of the maximal vector on a face that contains the belief."""
    faces: dict[tuple[int, ...], list[Array]] = {}
    for row in rows:
        faces.setdefault(tuple(row.states or range(len(row.values))), []).append(row.values)
    parts = [(list(face), largest(np.array(vectors))) for face, vectors in faces.items()]

    def at(b: Array) -> Array:
        best = np.full(len(b), -np.inf)
        for face, value in parts:
            inside = ~np.delete(b, face, axis=1).any(axis=1)
            best[inside] = np.maximum(best[inside], value(b[inside][:, face]))
        assert np.isfinite(best).all(), "a belief lies in no face"
        return best

    return at


def values(model: Model, solution: Solution) -> Leaf:
    """Values of a solution: its vectors, with a step of look-ahead if they are on faces."""
    rows = list(solution.policy.values.rows())
    whole = all(row.states is None for row in rows)
    return expectimax(model, 0 if whole else 1, on_faces(rows))


def enumerated(model: Model, horizon: int) -> Array:
    """All vectors of a horizon by enumeration."""
    r = rewards(model)
    vectors = np.zeros((1, model.n_states))
    for _ in range(horizon):
        result = []
        for a in range(model.n_actions):
            after_step = [
                model.discount * vectors @ (model.T[a] * model.Z[a][:, o]).T
                for o in range(model.n_observations)
            ]
            result += [r[a] + sum(choice) for choice in product(*after_step)]
        vectors = np.unique(np.array(result), axis=0)
    return vectors


def beliefs(n: int, n_states: int, seed: int) -> Array:
    """Beliefs at the corners, the centre, the boundary, inside, and very close to corners."""
    rng = np.random.default_rng(seed)
    k = n // 3
    spread = rng.dirichlet(np.ones(n_states), k)
    rim = rng.exponential(size=(k, n_states)) * (rng.random((k, n_states)) < 0.5)
    near = rng.random((k, n_states)) * 10.0 ** rng.integers(-15, 0, size=(k, 1))
    for b in (rim, near):
        b[np.arange(k), rng.integers(n_states, size=k)] += 0.3
    result = np.vstack([np.eye(n_states), np.ones((1, n_states)), spread, rim, near])
    return np.asarray(result / result.sum(axis=1, keepdims=True))


# ------------------------------------------------------------ models

ROWS = ("dense", "sparse", "point", "near", "uniform", "whole", "twins")
REWARDS = (
    *("normal", "whole", "equal", "zero", "tiny", "huge", "costs", "mixed"),
    *("within 1e-9", "within 1e-12", "one", "twin actions"),
)


def rows_of(rng: np.random.Generator, kind: str, *shape: int) -> Array:
    """Rows of probabilities."""
    n = shape[-1]
    weights, one = rng.random(shape), np.eye(n)[rng.integers(n, size=shape[:-1])]
    if kind == "sparse":
        weights = weights * (rng.random(shape) < 0.4) + 0.5 * one
    elif kind == "point":
        weights = one
    elif kind == "near":
        weights = one + 10.0 ** -rng.integers(6, 16) * weights
    elif kind == "uniform":
        weights = np.ones(shape)
    elif kind == "whole":
        weights = rng.integers(0, 3, size=shape) * (1.0 - one) + one
    elif kind == "twins" and n > 1:
        weights[..., 1] = weights[..., 0] * rng.choice([1.0, 2.0, 1.0 + 1e-9, 1.0 + 1e-13])
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def rewards_of(rng: np.random.Generator, kind: str, A: int, S: int, Z: int) -> Array:
    """R[a, s, s', o], with length 1 along some axes."""
    shape = tuple(n if rng.random() < 0.5 else 1 for n in (A, S, S, Z))
    by_state = rng.normal(size=(1, S, 1, 1))
    if kind == "whole":
        return np.asarray(rng.integers(-1, 2, size=shape), np.float64)
    if kind in ("zero", "equal"):
        every: Array = np.full(shape, 0.0 if kind == "zero" else rng.choice([1.0, -3.0, 0.1, 1e9]))
        return every
    if kind.startswith("within"):
        return np.asarray(by_state + float(kind.split()[1]) * rng.normal(size=(A, S, 1, 1)))
    if kind == "one":
        return np.asarray(np.eye(A * S)[rng.integers(A * S)].reshape(A, S, 1, 1), np.float64)
    if kind == "costs":
        return -100.0 * rng.random(shape)
    scale: Any = {"tiny": 1e-12, "huge": 1e9}.get(kind, 1.0)
    if kind == "mixed":
        scale = 10.0 ** rng.integers(-9, 6, size=shape)
    return np.asarray(scale * rng.normal(size=shape))


def unusual_model(seed: int, most_states: int) -> Model:
    """A small model with tables of random kinds."""
    rng = np.random.default_rng([11, seed])
    S, A, Z = (int(rng.integers(1, n + 1)) for n in (most_states, 4, 4))
    if S > 3:
        A, Z = min(A, 3), min(Z, 2)
    kind = str(rng.choice(REWARDS))
    T = rows_of(rng, str(rng.choice(ROWS)), A, S, S)
    O = rows_of(rng, str(rng.choice(ROWS)), A, S, Z)  # noqa: E741
    R = rewards_of(rng, kind, A, S, Z)
    if kind == "twin actions":
        T[A // 2 :], O[A // 2 :], R = T[0], O[0], R[:1]
    return make_model(
        T,
        O,
        R,
        discount=float(rng.choice([0.0, 0.3, 0.5, 0.9, 0.95])),
        start=rows_of(rng, str(rng.choice(["dense", "sparse", "point"])), S),
        name=f"{kind}-{seed}",
    )


# ------------------------------------------------------------ properties of every solution


def solved(model: Model, **options: Any) -> Solution:
    return pomdptool.solve(model, "exact", time_limit=SECONDS, **options)


def check_infinite_horizon(model: Model, precision: float, *, all_end: bool = True) -> Solution:
    """Solve and check all results against the oracles, up to rounding relative to values."""
    solution = solved(model, precision=precision)
    low, high = solution.bounds.lower, solution.bounds.upper
    if solution.stop_reason == "time-limit" and not all_end:
        assert low <= pomdptool.solve(model, "fib").bounds.upper + 1e-10 * size(model)
        assert high >= pomdptool.solve(model, "blind").bounds.lower - 1e-10 * size(model)
        return solution
    assert solution.stop_reason == "precision", (solution.stop_reason, solution.bounds)
    wanted, rounding = precision * max(1.0, abs(low)), 1e-10 * size(model)
    assert 0.0 <= high - low <= wanted * (1.0 + 1e-9)
    b = np.vstack([beliefs(3000, model.n_states, 1), model.start])
    some = b[:: 20 + model.n_actions * model.n_observations]
    value_of = values(model, solution)
    value = value_of(b)
    assert abs(value[-1] - low) <= wanted + rounding
    for point, expected in zip(b[:50], value[:50], strict=True):
        assert expected - wanted - rounding <= solution.policy.value(point) <= expected + rounding
    for depth, at in ((1, b), (2, some)):
        rise = expectimax(model, depth, value_of)(at) - value_of(at)
        assert rise.max() <= wanted + rounding, "a region was missed"
        assert rise.min() >= -wanted - rounding, "not a lower bound"
    blind, fib = (largest(bound_vectors(model, m)) for m in ("blind", "fib"))
    assert (blind(b) - value).max() <= wanted + rounding
    assert (value - expectimax(model, 1, fib)(b)).max() <= rounding
    assert (value_of(some) - expectimax(model, 3, fib)(some)).max() <= rounding
    assert low <= fib(model.start[np.newaxis])[0] + rounding
    assert high >= blind(model.start[np.newaxis])[0] - rounding
    return solution


def bound_vectors(model: Model, method: str) -> Array:
    result = pomdptool.solve(model, method, precision=1e-9).policy.values.rows()
    return np.array([row.values for row in result])


def check_finite_horizons(model: Model, *horizons: int) -> None:
    """Short horizons agree with expectimax, longer ones with a backup of the horizon before."""
    b = np.vstack([beliefs(900, model.n_states, 2), model.start])
    for horizon in horizons:
        solution = solved(model, horizon=horizon)
        assert solution.stop_reason == "horizon"
        tolerance = 1e-9 * size(model, horizon)
        value = values(model, solution)(b)
        assert abs(value[-1] - solution.bounds.lower) <= 0.01 * tolerance
        if horizon <= 3:
            exact = expectimax(model, horizon, nothing)(b)
        else:
            before = values(model, solved(model, horizon=horizon - 1))
            exact = expectimax(model, 1, before)(b)
        assert_allclose(value, exact, rtol=0, atol=tolerance)
        assert solution.bounds.gap <= tolerance
        # Both ends hold, up to the rounding that the README leaves out.
        assert solution.bounds.lower - 1e-4 * tolerance <= exact[-1]
        assert exact[-1] <= solution.bounds.upper + (1e-4 if horizon <= 3 else 1.0) * tolerance


# ------------------------------------------------------------ random models


@pytest.mark.parametrize("first", range(0, 100, 10))
def test_infinite_horizon_of_unusual_models(first: int) -> None:
    for seed in range(first, first + 10):
        check_infinite_horizon(unusual_model(seed, 4), 1e-3)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_finite_horizon_of_unusual_models(first: int) -> None:
    for seed in range(first, first + 10):
        check_finite_horizons(unusual_model(seed, 3), 1, 3, 5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(100, 600, 50))
def test_infinite_horizon_of_more_unusual_models(first: int) -> None:
    for seed in range(first, first + 50):
        check_infinite_horizon(unusual_model(seed, 6), 1e-3, all_end=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(100, 400, 50))
def test_finite_horizon_of_more_unusual_models(first: int) -> None:
    for seed in range(first, first + 50):
        check_finite_horizons(unusual_model(seed, 5), 1, 2, 5)


@pytest.mark.parametrize("seed", range(12))
def test_finite_horizon_agrees_with_enumeration(seed: int) -> None:
    model = unusual_model(1000 + seed, 5)
    while (model.n_actions - 1) * model.n_observations > 3:
        seed += 100
        model = unusual_model(1000 + seed, 5)
    horizon = 2 if model.n_actions * model.n_observations > 4 else 3
    b = beliefs(600, model.n_states, seed)
    expected = largest(enumerated(model, horizon))(b)
    result = values(model, solved(model, horizon=horizon))(b)
    assert_allclose(result, expected, rtol=0, atol=1e-9 * size(model, horizon))


@pytest.mark.parametrize("seed", range(6))
def test_solutions_scale_with_rewards(seed: int) -> None:
    """Values and bounds scale with rewards."""
    model = random_model(seed, n_states=3)
    expected = solved(model, horizon=5)
    for scale in (1e9, 0.1):
        scaled = make_model(
            model.T, model.Z, scale * model.R, discount=model.discount, start=model.start
        )
        solution = solved(scaled, horizon=5)
        bounds = solution.bounds
        assert bounds.lower / scale == pytest.approx(expected.bounds.lower, rel=1e-8)
        assert bounds.gap <= 1e-8 * max(1.0, scale * size(model, 5))
        for b in beliefs(30, 3, seed):
            assert solution.policy.value(b) / scale == pytest.approx(
                expected.policy.value(b), rel=1e-7, abs=1e-8
            )


# ------------------------------------------------------------ degenerate models


def one_of(A: int, S: int, Z: int, R: Any, discount: float = 0.9, seed: int = 3) -> Model:
    rng = np.random.default_rng(seed)
    T, O = rows_of(rng, "dense", A, S, S), rows_of(rng, "dense", A, S, Z)  # noqa: E741
    return make_model(T, O, R, discount=discount)


def test_all_rewards_equal() -> None:
    solution = check_infinite_horizon(one_of(3, 4, 3, np.full((3, 4), 0.7)), 1e-9)
    assert solution.bounds.lower == pytest.approx(7.0, rel=1e-9)
    check_finite_horizons(one_of(3, 4, 3, np.full((3, 4), 0.7)), 1, 4)


def test_one_state() -> None:
    solution = check_infinite_horizon(one_of(4, 1, 3, [[1.0], [2.0], [2.0], [-1e9]]), 1e-6)
    assert solution.bounds.lower == pytest.approx(20.0, rel=1e-6)
    assert solution.policy.act(np.ones(1)) in (1, 2)
    check_finite_horizons(one_of(4, 1, 3, [[1.0], [2.0], [2.0], [-1e9]]), 1, 7)


def test_one_action() -> None:
    model = one_of(1, 5, 3, np.arange(5.0)[np.newaxis])
    exact = np.linalg.solve(np.eye(5) - 0.9 * model.T[0], np.arange(5.0))
    solution = check_infinite_horizon(model, 1e-6)
    for b in beliefs(30, 5, 0):
        assert solution.policy.value(b) == pytest.approx(exact @ b, abs=1e-4)
    check_finite_horizons(model, 1, 3, 20)


def test_one_observation() -> None:
    model = one_of(3, 4, 1, np.random.default_rng(0).normal(size=(3, 4)))
    check_infinite_horizon(model, 1e-6)
    check_finite_horizons(model, 1, 3, 8)


def test_discount_zero() -> None:
    R = np.random.default_rng(0).normal(size=(4, 3))
    solution = check_infinite_horizon(one_of(4, 3, 2, R, discount=0.0), 1e-9)
    for b in beliefs(60, 3, 0):
        assert solution.policy.value(b) == pytest.approx((R @ b).max(), abs=1e-9)
    check_finite_horizons(one_of(4, 3, 2, R, discount=0.0), 1, 2, 5)


def test_impossible_observations() -> None:
    """Observations of no state, of unreachable states, and of some actions only."""
    T = np.array([[[0, 1, 0], [1, 0, 0], [1, 0, 0]], [[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]]])
    O = np.array(  # noqa: E741
        [[[0.7, 0.3, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 1, 0]], [[1, 0, 0, 0]] * 3]
    )
    model = make_model(T, O, np.array([[1.0, 0, 9], [0, 1.5, 9]]), discount=0.9)
    solution = check_infinite_horizon(model, 1e-6)
    assert solution.policy.graph is not None
    assert (solution.policy.graph.next[:, 2:] == -1).all()
    check_finite_horizons(model, 1, 3, 9)


@pytest.mark.parametrize("which", ["actions", "observations", "states"])
def test_duplicates_do_not_change_the_value(which: str) -> None:
    model = random_model(4, n_states=3, n_actions=2, n_observations=2)
    T, Z, R, start = model.T, model.Z, rewards(model), model.start
    if which == "actions":
        T, Z, R = np.vstack([T, T]), np.vstack([Z, Z]), np.vstack([R, R])
    elif which == "observations":
        Z = np.concatenate([0.5 * Z, 0.25 * Z, 0.25 * Z], axis=2)
    else:  # each state in two copies, arrived in by equal chance
        T = 0.5 * np.tile(T, (1, 2, 2))
        Z, R, start = np.tile(Z, (1, 2, 1)), np.tile(R, (1, 2)), 0.5 * np.tile(start, 2)
    doubled = make_model(T, Z, R, discount=model.discount, start=start)
    for options in ({"horizon": 6}, {"precision": 1e-6}):
        expected, result = solved(model, **options), solved(doubled, **options)
        assert result.bounds.lower == pytest.approx(expected.bounds.lower, abs=1e-4)
        if which != "states":
            assert len(list(result.policy.values.rows())) <= 1.1 * len(
                list(expected.policy.values.rows())
            )
    check_infinite_horizon(doubled, 1e-4)
    check_finite_horizons(doubled, 2, 5)


@pytest.mark.parametrize("apart", [1e-8, 1e-9, 1e-10, 1e-12])
def test_nearly_equal_vectors(apart: float) -> None:
    """No region is lost between nearly equal vectors."""
    rng = np.random.default_rng(5)
    for S in (2, 4):
        R = rng.normal(size=S) + apart * rng.normal(size=(4, S))
        model = one_of(4, S, 2, R)
        check_infinite_horizon(model, 1e-6)
        check_finite_horizons(model, 1, 3, 4)


@pytest.mark.parametrize("leak", [1e-6, 1e-9, 1e-12, 1e-15])
def test_nearly_deterministic_models(leak: float) -> None:
    rng = np.random.default_rng(2)
    for S in (2, 4):
        T, O = rng.random((3, S, S)), rng.random((3, S, 2))  # noqa: E741
        T = np.eye(S)[rng.integers(S, size=(3, S))] + leak * T
        O = np.eye(2)[rng.integers(2, size=(3, S))] + leak * O  # noqa: E741
        model = make_model(
            T / T.sum(axis=2, keepdims=True),
            O / O.sum(axis=2, keepdims=True),
            rng.normal(size=(3, S)),
            discount=0.9,
        )
        check_infinite_horizon(model, 1e-4)
        check_finite_horizons(model, 1, 3, 6)


# ------------------------------------------------------------ regressions


def test_equal_vectors_are_not_both_dropped() -> None:
    """With rewards of 1e9 equal vectors were once taken as different and removed each other."""
    rng = np.random.default_rng(90)
    for _ in range(20):
        model = one_of(2, 5, 1, 1e9 * rng.normal(size=(2, 5)), discount=0.99)
        check_finite_horizons(model, 1, 2, 3)


def branches_of(rewards: Array) -> Branches:
    d = rewards.shape[1]
    nowhere = np.zeros(0, np.int64)
    return Branches(rewards, np.zeros(1, np.int64), np.zeros((0, d)), nowhere)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("tolerance", [1e-20, 1e-12])
def test_tolerance_below_rounding_is_raised(scale: float, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    rewards: Array = scale * np.asarray(rng.normal(size=(60, 4)))
    initial = VectorSet(rewards[:1], np.zeros(1, np.int64), np.full((1, 4), 0.25))
    step = backup_by_vertex_enumeration(
        branches_of(rewards), initial, tolerance=tolerance, monitor=Monitor(), max_vertices=10**6
    )
    b = beliefs(2000, 4, 0)
    most = (largest(rewards)(b) - largest(step.new.vectors)(b)).max()
    assert most <= step.loss <= max(1.1 * tolerance, 1e-10 * scale)
    assert len(np.unique(step.new.vectors, axis=0)) == len(step.new.vectors)


def test_offsets_grow_if_rounding_leaves_an_edge_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With integers many vectors meet at a point; tiny offsets do not separate them."""
    monkeypatch.setattr(vertex_enumeration, "ROUNDING", 1e-17)
    attempts: list[float] = []
    attempt = vertex_enumeration._Attempt.run

    def noted(
        self: vertex_enumeration._Attempt, initial: VectorSet, top: float
    ) -> FaceBackup | None:
        attempts.append(self.delta)
        return attempt(self, initial, top)

    monkeypatch.setattr(vertex_enumeration._Attempt, "run", noted)
    rng = np.random.default_rng(1)
    repeated = False
    for _ in range(30):
        rewards = np.asarray(0.1 * rng.integers(-3, 4, size=(40, 5)), np.float64)
        initial = VectorSet(rewards[:1], np.zeros(1, np.int64), np.full((1, 5), 0.2))
        attempts.clear()
        step = backup_by_vertex_enumeration(
            branches_of(rewards), initial, tolerance=1e-17, monitor=Monitor(), max_vertices=10**6
        )
        repeated |= len(attempts) > 1
        b = beliefs(1000, 5, 0)
        assert (largest(rewards)(b) - largest(step.new.vectors)(b)).max() <= step.loss
    assert repeated


@pytest.mark.parametrize("seed", [16, 22, 29, 44, 59])
def test_initial_vectors_are_kept(seed: int) -> None:
    """Vertices within 1e-15 of each other once hid initial vectors, and rounds never ended."""
    rng = np.random.default_rng(seed)
    T = np.eye(4)[rng.integers(4, size=(2, 4))] + 1e-14 * rng.random((2, 4, 4))
    first = rng.choice([0.0, 0.5, 2 / 3, 1.0], size=(2, 4))
    R = rng.normal(size=4) + 1e-12 * rng.normal(size=(2, 4))
    T, O = T / T.sum(axis=2, keepdims=True), np.stack([first, 1.0 - first], axis=2)  # noqa: E741
    solution = check_infinite_horizon(make_model(T, O, R, discount=0.3), 1e-9)
    assert solution.policy.stats["iterations"] < 40


def test_precision_below_rounding_terminates() -> None:
    for seed in range(2):
        model = random_model(seed, n_states=3, discount=0.9)
        solution = solved(model, precision=1e-15)
        assert solution.stop_reason in ("rounding", "precision")
        assert solution.bounds.gap <= 1e-8
        assert solution.bounds.lower <= solution.bounds.upper


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_states", [8, 10])
def test_large_faces_converge_to_the_optimum(seed: int, n_states: int) -> None:
    rng = np.random.default_rng(seed)
    model = make_model(
        rng.dirichlet(np.ones(n_states), (2, n_states)),
        rng.dirichlet(np.ones(2), (2, n_states)),
        rng.normal(size=(2, n_states)),
        discount=0.8,
    )
    solution = check_infinite_horizon(model, 1e-2)
    assert solution.policy.stats["iterations"] < 30


# ------------------------------------------------------------ policy graphs

HARD = ("hallway", "tag", "rocksample-4-4")


@pytest.mark.parametrize(
    "options",
    [{"precision": 1e-2}, {"precision": 1e-3}, {"precision": 1e-6}, {"horizon": 1}, {"horizon": 8}],
    ids=lambda o: "-".join(f"{k}-{v}" for k, v in o.items()),
)
@pytest.mark.parametrize(
    "path", [p for p in PROBLEMS if p.stem not in HARD], ids=lambda path: path.stem
)
def test_graphs_are_within_the_bounds(path: Any, options: dict[str, Any]) -> None:
    model = pomdptool.load(path)
    if model.discount == 1.0:
        model = replace(model, discount=0.95)
    solution = solved(model, **options)
    assert solution.converged
    graph, bounds = solution.policy.graph, solution.bounds
    assert graph is not None
    earned = float(evaluate(model, graph)[graph.start] @ model.start)
    slack = 1e-9 * max(1.0, abs(bounds.lower))
    assert bounds.lower - slack <= earned <= bounds.upper + slack


@pytest.mark.parametrize("seed", range(25))
def test_graphs_of_unusual_models_are_within_the_bounds(seed: int) -> None:
    model = unusual_model(2000 + seed, 4)
    for options in ({"precision": 1e-3}, {"horizon": 5}):
        solution = solved(model, **options)
        graph, bounds = solution.policy.graph, solution.bounds
        assert graph is not None
        earned = float(evaluate(model, graph)[graph.start] @ model.start)
        slack = 1e-9 * size(model)
        assert bounds.lower - slack <= earned <= bounds.upper + slack
