from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mdps
import naive_planning as naive
import pomdptool
from models import random_beliefs, random_model, tiger
from pomdptool.errors import PolicyError
from pomdptool.formats.dump import write_file
from pomdptool.formats.models import encode_model
from pomdptool.formats.policy.write import encode_policy
from pomdptool.model import Model, make_model
from pomdptool.solving.exact import run, value_iteration
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.observed import policy_graph, policy_iteration, solver
from pomdptool.solving.observed.solver import observes_state, solve_observed
from pomdptool.solving.solution import Monitor, Solution


def with_an_end(seed: int) -> Model:
    """An MDP whose last state is terminal, and whose state before that is absorbing and pays."""
    model = mdps.random_mdp(seed)
    T, R = model.T.copy(), model.R.copy()
    T[:, 2:] = np.eye(4)[2:]
    R[:, 2], R[:, 3] = 0.7, 0.0
    return make_model(T, None, R[..., 0], discount=0.9, start=model.start)


MAKERS: dict[str, Callable[[int], Model]] = {
    "mdp": mdps.random_mdp,
    "renamed": lambda seed: mdps.renamed(mdps.random_mdp(seed), seed),
    "end": with_an_end,
    "costs": lambda seed: replace(mdps.random_mdp(seed), costs=True),
    "one-state": lambda seed: mdps.random_mdp(seed, n_states=1, n_actions=2),
}
every_make = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def vectors_of(solution: Solution) -> np.ndarray:
    """The vectors, one an action, over all states."""
    rows = list(solution.policy.values.rows())
    assert all(row.states is None for row in rows)
    assert [row.action for row in rows] == list(range(len(rows)))
    return np.array([row.values for row in rows])


def at_start(model: Model, Q: np.ndarray) -> float:
    """Value at the initial belief; an MDP's state is observed there."""
    return float(Q.max(axis=0) @ model.start if model.mdp else (Q @ model.start).max())


def general(model: Model, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Solution:
    """What value iteration on faces finds."""
    with monkeypatch.context() as patch:
        patch.setattr(value_iteration, "observes_state", lambda model: False)
        return pomdptool.solve(model, "exact", **options)


def worth(model: Model, policy: np.ndarray) -> np.ndarray:
    """V[s] of actions for known states, for ever."""
    s, r, g = np.arange(model.n_states), model.expected_rewards, model.discount
    return np.linalg.solve(np.eye(len(s)) - g * model.T[policy, s], r[policy, s])


def earned(model: Model, Q: np.ndarray) -> np.ndarray:
    """Q[a, s] of doing a once, then for ever what is greedy for some other Q."""
    ahead = model.discount * model.T @ worth(model, Q.argmax(axis=0))
    return np.asarray(model.expected_rewards + ahead)


def optimum(model: Model) -> np.ndarray:
    """The best Q[a, s], by trying every policy."""
    policies = itertools.product(range(model.n_actions), repeat=model.n_states)
    V = np.max([worth(model, np.array(policy)) for policy in policies], axis=0)
    return np.asarray(model.expected_rewards + model.discount * model.T @ V)


# ------------------------------------------------------------ which models these are


def naive_observes(model: Model) -> bool:
    """Oracle: by the definition."""
    for a in range(model.n_actions):
        for o in range(model.n_observations):
            told = [
                s2
                for s2 in range(model.n_states)
                if model.T[a, :, s2].any() and model.Z[a, s2, o] > 0
            ]
            if len(told) > 1:
                return False
    return True


@every_make
def test_observed_states_are_known_for_such(make: Callable[[int], Model]) -> None:
    for seed in range(10):
        assert observes_state(make(seed))
        assert naive_observes(make(seed))


@pytest.mark.parametrize("seed", range(60))
def test_observed_states_are_those_of_the_definition(seed: int) -> None:
    """Sparse tables, of which some tell the state and some do not."""
    rng = np.random.default_rng(seed)
    T = np.eye(3)[rng.integers(3, size=(2, 3))]
    Z = np.eye(3)[rng.integers(3, size=(2, 3))]
    model = make_model(T, Z, discount=0.9)
    assert observes_state(model) == naive_observes(model)


def test_both_kinds_occur_in_that_test() -> None:
    rngs = map(np.random.default_rng, range(60))
    models = [
        make_model(
            np.eye(3)[rng.integers(3, size=(2, 3))],
            np.eye(3)[rng.integers(3, size=(2, 3))],
            discount=0.9,
        )
        for rng in rngs
    ]
    assert 10 < sum(map(observes_state, models)) < 50


def test_the_least_noise_hides_the_state() -> None:
    clear = mdps.random_mdp(0)
    noise = np.eye(4)
    noise[1, 1:3] = [1.0 - 1e-12, 1e-12]
    noisy = make_model(clear.T, noise, clear.R[..., 0], discount=0.9)
    assert not observes_state(noisy)
    assert not observes_state(tiger())
    assert not observes_state(random_model(0))


# ------------------------------------------------------------ values


@every_make
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_horizons_agree_with_the_oracles(make: Callable[[int], Model], discount: float) -> None:
    for seed in range(3):
        model = replace(make(seed), discount=discount)
        for horizon in range(1, 6):
            solution = pomdptool.solve(model, "exact", horizon=horizon)
            assert solution.converged
            assert solution.stop_reason == "horizon"
            oracle = naive.bound(model, "qmdp", horizon)
            assert_allclose(vectors_of(solution), oracle, rtol=1e-12, atol=1e-12)
            value = at_start(model, oracle)
            assert_allclose([solution.bounds.lower, solution.bounds.upper], value, atol=1e-12)


@pytest.mark.parametrize("make", [MAKERS["mdp"], MAKERS["renamed"]], ids=["mdp", "renamed"])
@pytest.mark.parametrize("seed", range(3))
def test_uncertain_beliefs_agree_with_expectimax(make: Callable[[int], Model], seed: int) -> None:
    model = make(seed)
    for horizon in (1, 2):
        value = pomdptool.solve(model, "exact", horizon=horizon).policy.value
        for b in (model.start, *random_beliefs(3, model.n_states, seed)):
            assert_allclose(value(b), naive.expectimax(model, b, horizon), atol=1e-12)


@every_make
@pytest.mark.parametrize("seed", range(3))
def test_the_general_way_finds_the_same(
    make: Callable[[int], Model], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(seed)
    for options in ({"horizon": 3}, {"precision": 1e-6}):
        ours = pomdptool.solve(model, "exact", **options)
        theirs = general(model, monkeypatch, **options)
        if not model.mdp:  # the general way takes the initial state for hidden
            assert ours.bounds.lower <= theirs.bounds.upper + 1e-9
            assert theirs.bounds.lower <= ours.bounds.upper + 1e-9
        for b in random_beliefs(20, model.n_states, seed):
            assert_allclose(ours.policy.value(b), theirs.policy.value(b), atol=1e-5)


@every_make
@pytest.mark.parametrize("precision", [1.0, 1e-3, 1e-9])
def test_the_certificate_holds(make: Callable[[int], Model], precision: float) -> None:
    """Vectors are what the greedy policy earns, or less, and within the gap of the optimum."""
    for seed in range(5):
        model = make(seed)
        solution = pomdptool.solve(model, "exact", precision=precision)
        assert solution.converged
        assert solution.stop_reason == "precision"
        lower, upper = solution.bounds.lower, solution.bounds.upper
        assert upper - lower <= precision * max(1.0, abs(lower))
        best, Q = optimum(model), vectors_of(solution)
        assert lower - 1e-12 <= at_start(model, best) <= upper + 1e-12
        assert (Q - earned(model, Q)).max() <= 1e-12
        assert (best - Q).max() <= upper - lower + 1e-12
        assert lower == pytest.approx(at_start(model, Q), abs=1e-12)


def test_without_a_future_one_sweep_is_exact() -> None:
    model = mdps.random_mdp(1, discount=0.0)
    solution = pomdptool.solve(model, "exact")
    assert solution.bounds.gap <= 1e-15
    assert solution.policy.stats["iterations"] == 1
    assert_allclose(vectors_of(solution), model.expected_rewards)


@pytest.mark.parametrize("discount", [0.999, 0.999999])
@pytest.mark.parametrize("make", [mdps.random_mdp, with_an_end])
def test_discounts_near_one(make: Callable[[int], Model], discount: float) -> None:
    model = replace(make(2), discount=discount)
    solution = pomdptool.solve(model, "exact", precision=1e-6)
    assert solution.converged
    Q = vectors_of(solution)
    best = optimum(model)
    rounding = 1e-9 * np.abs(best).max()
    assert (Q - earned(model, Q)).max() <= rounding
    assert (best - Q).max() <= solution.bounds.gap + rounding


def test_discount_one_needs_an_end() -> None:
    model = mdps.random_mdp(0, discount=1.0)
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        pomdptool.solve(model, "exact")
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        solve_observed(model)


def test_costs_are_minimised() -> None:
    model = make_model(
        np.ones((2, 1, 1)), None, [[-3.0], [-2.0]], discount=0.5, start=[1.0], costs=True
    )
    solution = pomdptool.solve(model, "exact", precision=1e-9)
    assert solution.policy.act(model.start) == 1
    assert solution.bounds.lower == pytest.approx(-4.0, abs=1e-8)


def test_what_rounding_leaves_is_said() -> None:
    model = mdps.random_mdp(3)
    solution = pomdptool.solve(model, "exact", precision=1e-300)
    assert solution.stop_reason == "rounding"
    assert not solution.converged
    assert 0.0 < solution.bounds.gap < 1e-11


# ------------------------------------------------------------ how policies are evaluated


@pytest.mark.parametrize("discount", [0.9, 0.9999])
@pytest.mark.parametrize("make", [mdps.random_mdp, lambda seed: mdps.corridor(40)])
def test_sweeps_and_factors_agree(
    make: Callable[[int], Model], discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(make(1), discount=discount)
    taken: list[bool] = []
    factored = policy_iteration.factored

    def noting(*args: Any) -> Any:
        solved = factored(*args)
        taken.append(solved is not None)
        return solved

    monkeypatch.setattr(policy_iteration, "factored", noting)
    monkeypatch.setattr(policy_iteration, "GAIN", 0.001)
    values = []
    for patience, work in ((1, 1e9), (1, 0), (10**9, 0)):
        monkeypatch.setattr(policy_iteration, "PATIENCE", patience)
        monkeypatch.setattr(policy_iteration, "MAX_FACTORING", work)
        taken.clear()
        solution = pomdptool.solve(model, "exact", precision=1e-8)
        assert solution.converged
        assert set(taken) == ({work > 0} if patience == 1 else set())
        values.append(vectors_of(solution))
    assert_allclose(values[1:], [values[0]] * 2, atol=2e-8 * max(1.0, np.abs(values[0]).max()))


def test_a_singular_system_is_left_to_sweeps() -> None:
    from scipy.sparse import csr_matrix

    assert policy_iteration.factored(csr_matrix(np.eye(2)), np.ones(2)) is None
    solved = policy_iteration.factored(csr_matrix([[0.0, 0.5], [0.25, 0.0]]), np.array([1.0, 2.0]))
    assert solved is not None
    assert_allclose(solved, np.array([2.0, 2.25]) / 0.875)


# ------------------------------------------------------------ graphs


@every_make
@pytest.mark.parametrize("horizon", [1, 2, 4, None])
def test_graphs_earn_what_is_promised(make: Callable[[int], Model], horizon: int | None) -> None:
    for seed in range(5):
        model = make(seed)
        solution = pomdptool.solve(model, "exact", horizon=horizon, precision=1e-9)
        graph = solution.policy.graph
        assert graph is not None
        value = graph.initial_value(evaluate(model, graph), model.start)
        assert value == pytest.approx(solution.bounds.lower, abs=1e-8)
        for b in np.eye(model.n_states) if model.mdp else [model.start]:
            root = int(b.argmax()) if model.mdp else graph.start
            assert graph.actions[root] == solution.policy.act(b)
        assert graph.n_nodes == graph.minimised().n_nodes
        assert graph.start == 0
        assert (graph.layers() is None) == (horizon is None)


def test_graphs_have_edges_where_observations_can_be_made() -> None:
    """From a known state: a successor for each observation that its action can give, no other."""
    model = replace(mdps.renamed(mdps.random_mdp(4), 4), start=np.eye(4)[0])
    for horizon in (None, 3):
        graph = pomdptool.solve(model, "exact", horizon=horizon).policy.graph
        assert graph is not None
        a = int(graph.actions[graph.start])
        for o in range(model.n_observations):
            _, p = naive.update(model, model.start, a, o)
            assert (graph.next[graph.start, o] >= 0) == (p > 0)


def test_large_graphs_are_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mdps.random_mdp(0)
    model = make_model(model.T, np.eye(4), model.R[..., 0], discount=0.9, start=model.start)
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 5 * 4)
    assert pomdptool.solve(model, "exact").policy.graph is not None
    assert pomdptool.solve(model, "exact", horizon=2).policy.graph is not None
    assert pomdptool.solve(model, "exact", horizon=3).policy.graph is None
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 5 * 4 - 1)
    assert pomdptool.solve(model, "exact").policy.graph is None
    monkeypatch.setattr(solver, "GRAPH_CELLS", 2 * 4 - 1)
    assert pomdptool.solve(model, "exact", horizon=2).policy.graph is None


# ------------------------------------------------------------ limits


def after(asked: int) -> Monitor:
    """Interrupts when it is asked for the nth time."""
    count = iter(range(10**9))
    return Monitor(interrupted=lambda: next(count) >= asked - 1)


def test_limits_leave_bounds_that_hold() -> None:
    model = mdps.random_mdp(5, discount=0.99)
    best = at_start(model, optimum(model))
    watches = {"interrupted": [after(n) for n in (1, 2, 5, 9)]}
    watches["time-limit"] = [Monitor(time_limit=0.0)]
    watches["max-vectors"] = [Monitor(max_vectors=2)]
    for reason, some in watches.items():
        for monitor in some:
            solution = solve_observed(model, precision=1e-12, monitor=monitor)
            assert solution.stop_reason == reason
            assert not solution.converged
            assert solution.bounds.lower - 1e-9 <= best <= solution.bounds.upper + 1e-9
            Q = vectors_of(solution)
            assert (Q - earned(model, Q)).max() <= 1e-9
    assert solve_observed(model, monitor=Monitor(max_vectors=3)).converged


def test_bounds_hold_at_every_step() -> None:
    model = mdps.random_mdp(6, discount=0.99)
    best = at_start(model, optimum(model))
    trace = pomdptool.solve(model, "exact", precision=1e-9).trace
    assert len(trace) > 2
    assert [p.iteration for p in trace] == list(range(1, len(trace) + 1))
    assert all(p.lower - 1e-9 <= best <= p.upper + 1e-9 for p in trace)


def test_the_best_bounds_are_kept() -> None:
    """Here the residual grows between two steps."""
    trace = solve_observed(mdps.grid_world(10, discount=0.999), precision=1e-9).trace
    gaps = [p.upper - p.lower for p in trace]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) < len(gaps)


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_a_horizon_that_is_not_reached(asked: int) -> None:
    model = mdps.random_mdp(7)
    best = at_start(model, naive.bound(model, "qmdp", 6))
    solution = solve_observed(model, horizon=6, monitor=after(asked))
    assert solution.stop_reason == "interrupted"
    assert not solution.converged
    assert solution.policy.stats["iterations"] == asked
    assert_allclose(vectors_of(solution), naive.bound(model, "qmdp", asked))
    assert solution.bounds.lower <= best <= solution.bounds.upper
    graph = solution.policy.graph
    assert graph is not None
    assert graph.initial_value(evaluate(model, graph), model.start) >= solution.bounds.lower - 1e-12
    bounds = [(p.lower, p.upper) for p in solve_observed(model, horizon=6).trace]
    assert all(low - 1e-12 <= best <= high + 1e-12 for low, high in bounds)


# ------------------------------------------------------------ large ones


@pytest.mark.parametrize("discount", [0.95, 0.999])
@pytest.mark.parametrize("make", [mdps.grid_world, mdps.random_sparse])
def test_ten_thousand_states(
    make: Callable[..., Model], discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Model) -> None:
        raise AssertionError("faces of an MDP were asked for")

    monkeypatch.setattr(run, "find_faces", refuse)
    model = make(discount=discount)
    assert model.n_states == 10_000
    solution = pomdptool.solve(model, "exact", time_limit=60.0)
    assert solution.converged
    Q, g = vectors_of(solution), discount
    T = model.sparse_T
    ahead = T.sum_rows(T.data * Q.max(axis=0)[T.indices]).reshape(Q.shape)
    residual = (model.expected_rewards + g * ahead - Q).max()
    assert -1e-9 <= residual <= solution.bounds.gap * (1.0 - g) / g + 1e-9
    assert pomdptool.solve(model, "exact", horizon=50, time_limit=60.0).converged


def test_an_mdp_file_from_text_to_policy(tmp_path: Path) -> None:
    model = mdps.grid_world(side=20)
    text, _ = encode_model(model, "pomdp")
    write_file(tmp_path / "grid.mdp", text)
    read = pomdptool.load(tmp_path / "grid.mdp")
    assert read.mdp
    assert read.equals(model)
    solution = pomdptool.solve(read, "exact", full_simplex=True)
    assert_allclose(vectors_of(solution), vectors_of(pomdptool.solve(model, "exact")))
    for name in ("p.json", "p.alpha", "p.pg"):
        pomdptool.dump(solution.policy, tmp_path / name)
    assert (tmp_path / "p.alpha").read_text().count("\n\n") == model.n_actions


def test_a_graph_that_is_too_large_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 0)
    model = make_model(np.full((2, 3, 3), 1 / 3), None, np.eye(2, 3), discount=0.9)
    policy = pomdptool.solve(model).policy
    with pytest.raises(PolicyError, match="it is too large"):
        encode_policy(policy, "pg")
