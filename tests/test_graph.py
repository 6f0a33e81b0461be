from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import naive_planning as naive
import pomdptool
from models import random_beliefs, random_model, tiger
from policy_graphs import LEFT, LISTEN, RIGHT, TIGER, graph_of, random_graph, runs
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.graph import PolicyGraph
from pomdptool.model import Model, make_model
from pomdptool.solving import gmres, graph_evaluation
from pomdptool.solving.exact.faces import Face, Faces, find_faces
from pomdptool.solving.exact.lp_pruning import prune
from pomdptool.solving.exact.policy_graph import extract_finite_horizon
from pomdptool.solving.exact.value_function import FaceValues, VectorSet
from pomdptool.solving.graph_evaluation import edge_probabilities, evaluate

Array = NDArray[np.float64]


def values_by_backups(model: Model, graph: PolicyGraph, sweeps: int) -> Array:
    """Value of every node with some steps to go, by plain loops."""
    n, S = graph.n_nodes, model.n_states
    rewards = [
        naive.expected_reward(model, b, a) for a in range(model.n_actions) for b in np.eye(S)
    ]
    r = np.reshape(rewards, (model.n_actions, S))
    V = np.zeros((n, S))
    for _ in range(sweeps):
        after = np.zeros((n, S))
        for k in range(n):
            a = graph.actions[k]
            after[k] = r[int(a)]
            for o, m in enumerate(graph.next[k]):
                if m >= 0:
                    after[k] += model.discount * model.T[a] @ (model.Z[a, :, o] * V[m])
        V = after
    return V


def blown_up(graph: PolicyGraph, copies: int, seed: int) -> PolicyGraph:
    """Every node some times over, edges to any of the copies, and the order shuffled."""
    rng = np.random.default_rng(seed)
    n = graph.n_nodes
    order = rng.permutation(n * copies)
    place = np.argsort(order)
    old = order % n
    ahead = graph.next[old]
    copy = rng.integers(copies, size=ahead.shape)
    rows = np.where(ahead < 0, -1, place[ahead + n * copy])
    return PolicyGraph(graph.actions[old], rows, int(place[graph.start]))


# ---------------------------------------------------------------- value


@pytest.mark.parametrize("seed", range(8))
def test_value_agrees_with_backups(seed: int) -> None:
    model = random_model(seed, n_states=1 + seed % 4, n_observations=1 + seed % 3, discount=0.8)
    graph = random_graph(model, 1 + 2 * seed, seed)
    assert_allclose(evaluate(model, graph), values_by_backups(model, graph, 150), atol=1e-11)


@pytest.mark.parametrize(("basis", "rounds"), [(1, 10_000), (3, 1000), (25, 20), (25, 0)])
def test_rounds_of_any_length_agree_with_the_factors(
    monkeypatch: pytest.MonkeyPatch, basis: int, rounds: int
) -> None:
    model = random_model(3, discount=0.95)
    graph = random_graph(model, 9, 3)
    expected = values_by_backups(model, graph, 600)
    monkeypatch.setattr(gmres, "KRYLOV_DIMENSION", basis)
    monkeypatch.setattr(gmres, "MAX_ROUNDS", rounds)
    assert_allclose(evaluate(model, graph), expected, atol=1e-10)
    monkeypatch.setattr(gmres, "MAX_LU", 0)
    assert_allclose(evaluate(model, graph), expected, atol=1e-10)


def ring(n: int, discount: float) -> tuple[Model, PolicyGraph, Array]:
    """States in a circle without chance, two nodes in turn, and what they are worth."""
    rewards = np.random.default_rng(0).normal(size=n)
    T = np.roll(np.eye(n), 1, axis=1)[np.newaxis]
    model = make_model(T, np.ones((n, 1)), rewards[np.newaxis], discount=discount)
    powers = discount ** np.arange(n) / (1.0 - discount**n)
    worth = np.array([powers @ np.roll(rewards, -s) for s in range(n)])
    return model, graph_of([0, 0], [[1], [0]]), worth


def test_long_cycles_are_factorised_where_patience_is_asked() -> None:
    model, graph, worth = ring(1200, 0.9999)
    with pytest.raises(PomdpError, match="residual"):
        evaluate(model, graph, patient=False)
    assert_allclose(evaluate(model, graph), [worth, worth], rtol=1e-9)


def test_many_pairs_are_solved_without_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gmres, "MAX_LU", 0)
    model = random_model(4, n_states=6, discount=0.9999)
    graph = random_graph(model, 1500, 4)
    values = evaluate(model, graph, patient=False)
    after = np.zeros_like(values)
    for n, a in enumerate(graph.actions):
        after[n] = model.expected_rewards[a]
        for o, m in enumerate(graph.next[n]):
            if m >= 0:
                after[n] += model.discount * model.T[a] @ (model.Z[a, :, o] * values[m])
    assert_allclose(after, values, atol=1e-11 * np.abs(values).max())


def test_entries_are_counted() -> None:
    model = random_model(0)
    graph = random_graph(model, 7, 0)
    expected = sum(
        int(((model.T[a][:, :, np.newaxis] * model.Z[a][np.newaxis]) > 0).sum())
        for a in graph.actions.tolist()
    )
    assert graph_evaluation.n_entries(model, graph) == expected


def test_rewards_of_nodes_may_be_given() -> None:
    model = random_model(1, discount=0.8)
    graph = random_graph(model, 5, 1, acyclic=True)
    rewards = np.random.default_rng(1).normal(size=(5, 3))
    last = graph.layers()
    assert last is not None
    values = evaluate(model, graph, rewards)
    assert_allclose(values[last[0]], rewards[last[0]])
    both = evaluate(model, graph, rewards + model.expected_rewards[graph.actions])
    assert_allclose(both, values + evaluate(model, graph), atol=1e-12)


@pytest.mark.parametrize("discount", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_without_cycles_the_value_needs_no_discount(seed: int, discount: float) -> None:
    model = random_model(seed, discount=discount)
    graph = random_graph(model, 7, seed, acyclic=True)
    assert graph.layers() is not None
    expected = values_by_backups(model, graph, 7)
    assert_allclose(evaluate(model, graph), expected, rtol=1e-10, atol=1e-12)


def test_layers_put_successors_first() -> None:
    for seed in range(20):
        graph = blown_up(random_graph(tiger(), 9, seed, acyclic=True), 1, seed)
        layers = graph.layers()
        assert layers is not None
        height = np.full(graph.n_nodes + 1, -1)
        for k, layer in enumerate(layers):
            height[layer] = k
        ahead = height[graph.next]  # of -1 it is -1
        assert_array_equal(height[:-1], ahead.max(axis=1) + 1)


def test_with_discount_one_a_cycle_is_refused() -> None:
    with pytest.raises(PomdpError, match="cycle"):
        evaluate(tiger(1.0), TIGER)


def test_a_cycle_through_impossible_observations_is_none() -> None:
    Z = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    model = make_model(np.ones((2, 1, 1)), Z, np.array([[3.0], [4.0]]), discount=1.0)
    graph = graph_of([0, 1], [[1, 0], [-1, -1]])
    assert_allclose(evaluate(model, graph), [[7.0], [4.0]])


def test_a_graph_of_another_model_is_refused() -> None:
    with pytest.raises(PolicyError, match="observations"):
        evaluate(tiger(), graph_of([0], [[0]]))
    with pytest.raises(PolicyError, match="action"):
        evaluate(tiger(), graph_of([3], [[0, 0]]))
    with pytest.raises(PolicyError, match="node that does not exist"):
        evaluate(tiger(), graph_of([0], [[0, 1]]))


def test_tiger_by_hand() -> None:
    """Listen twice, open the door opposite where both agree, else begin again.

    From the start every round begins with belief 1/2. After two growls on one side (probability
    p p + q q, p = 0.85) a door is opened in the third step: right with p p / (p p + q q). So
    V = -1 - g + g g ((p p + q q) V' + 2 p q V),  V' = 10 c - 100 (1 - c) + g V.
    """
    g, p, q = 0.95, 0.85, 0.15
    agree = p * p + q * q
    right = p * p / agree
    opened = 10 * right - 100 * (1 - right)
    V = (-1 - g + g * g * agree * opened) / (1 - g * g * (agree * g + 2 * p * q))
    model = tiger()
    assert_allclose(model.start @ evaluate(model, TIGER)[0], V, rtol=1e-12)
    assert_allclose(V, 19.3713683749, rtol=1e-11)


# ---------------------------------------------------------------- what happens along the edges


@pytest.mark.parametrize("acyclic", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_edge_probabilities_agree_with_the_discounted_run(seed: int, acyclic: bool) -> None:
    model = random_model(seed, n_observations=3, discount=0.8)
    graph = random_graph(model, 6, seed, acyclic=acyclic)
    here = np.zeros((6, 3))
    here[graph.start] = model.start
    visits, seen = np.zeros(6), np.zeros((6, 3))
    for t in range(200):
        after = np.zeros((6, 3))
        for n, a in enumerate(graph.actions):
            visits[n] += 0.8**t * here[n].sum()
            for o, m in enumerate(graph.next[n]):
                joint = (here[n] @ model.T[a]) * model.Z[a, :, o]
                seen[n, o] += 0.8**t * joint.sum()
                if m >= 0:
                    after[m] += joint
        here = after
    expected = seen / np.where(visits > 0, visits, 1.0)[:, np.newaxis]
    assert_allclose(edge_probabilities(model, graph, model.start), expected, atol=1e-12)


# ---------------------------------------------------------------- minimising


@pytest.mark.parametrize("seed", range(20))
def test_minimised_merges_exactly_what_acts_the_same(seed: int) -> None:
    model = random_model(0)
    graph = blown_up(random_graph(model, 6, seed), 3, seed)
    small = graph.minimised()
    reached = graph.breadth_first().tolist()
    assert small.n_nodes == len({runs(graph, n, 6) for n in reached})  # 6 kinds: 6 steps tell
    assert runs(small, 0, 6) == runs(graph, graph.start, 6)
    assert small.start == 0
    assert_array_equal(small.breadth_first(), np.arange(small.n_nodes))
    again = small.minimised()
    assert_array_equal(again.next, small.next)


def test_minimised_keeps_values() -> None:
    for seed in range(10):
        model = random_model(seed)
        graph = blown_up(random_graph(model, 5, seed), 4, seed)
        graph = replace(graph, values=evaluate(model, graph))
        small = graph.minimised()
        assert graph.values is not None
        assert small.values is not None
        assert_allclose(small.values[0], graph.values[graph.start], atol=1e-11)
        assert_allclose(small.values, evaluate(model, small), atol=1e-11)


def test_minimised_tells_none_from_a_successor() -> None:
    graph = graph_of([0, 0, 0], [[1, 2], [0, -1], [0, 0]])
    assert graph.minimised().n_nodes == 3


# ---------------------------------------------------------------- extraction


def stage_of(source_vectors: list[tuple[Array, NDArray[np.int64]]]) -> FaceValues:
    parts = []
    for vectors, actions in source_vectors:
        beliefs = random_beliefs(30, vectors.shape[1])
        pruned = prune(vectors, beliefs, lambda: None)
        parts.append(VectorSet(vectors[pruned.kept], actions[pruned.kept], pruned.witnesses))
    return tuple(parts)


def zero_stage(faces: Faces) -> FaceValues:
    return stage_of([(np.zeros((1, f.size)), np.zeros(1, np.int64)) for f in faces.faces])


def backup(source: Face, stage: FaceValues) -> tuple[Array, NDArray[np.int64]]:
    """All backed-up vectors, pruned after each branch only."""
    vectors, actions = [], []
    for a, branches in enumerate(source.projections):
        total = source.rewards[a][np.newaxis]
        for branch in branches:
            ahead = branch.project(stage[branch.target].vectors, source.size)
            total = (total[:, np.newaxis] + ahead).reshape(-1, source.size)
            total = total[prune(total, random_beliefs(30, source.size), lambda: None).kept]
        vectors.append(total)
        actions.append(np.full(len(total), a))
    return np.vstack(vectors), np.concatenate(actions)


def stages_of(faces: Faces, horizon: int) -> list[FaceValues]:
    stages = [zero_stage(faces)]
    for _ in range(horizon):
        stages.append(stage_of([backup(face, stages[-1]) for face in faces.faces]))
    return stages


@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_finite_graph_earns_the_optimum(seed: int, discount: float) -> None:
    model = random_model(seed, n_states=2 + seed % 3, discount=discount)
    faces = find_faces(model)
    for horizon in (1, 2, 4):
        stages = stages_of(faces, horizon - 1)
        for b in random_beliefs(4, model.n_states, seed):
            graph = extract_finite_horizon(model, faces, stages, b)
            layers = graph.layers()
            assert layers is not None
            assert len(layers) == horizon
            value = evaluate(model, graph)[graph.start] @ b
            assert_allclose(value, naive.expectimax(model, b, horizon), rtol=1e-8, atol=1e-8)


def test_no_horizon_no_graph() -> None:
    faces = find_faces(tiger())
    with pytest.raises(PolicyError, match="at least 1"):
        extract_finite_horizon(tiger(), faces, [], tiger().start)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [0.0, None])
def test_graphs_without_a_horizon_earn_the_lower_bound(seed: int, limit: float | None) -> None:
    """Also where the run is stopped at once."""
    model = random_model(seed, n_states=2 + seed % 3, discount=0.4)
    for b in random_beliefs(4, model.n_states, seed):
        policy = pomdptool.solve(replace(model, start=b), "exact", time_limit=limit).policy
        assert policy.graph is not None
        assert policy.graph.start == 0
        value = evaluate(model, policy.graph)[0] @ b
        assert policy.bounds.lower - 1e-12 <= value <= policy.bounds.upper + 1e-12


def test_the_graph_of_tiger() -> None:
    model = tiger(0.75)
    graph = pomdptool.solve(model, "exact", precision=1e-6).policy.graph
    assert graph is not None
    assert_allclose(evaluate(model, graph)[0] @ model.start, 1.933439, atol=1e-5)
    assert sorted(set(graph.actions.tolist())) == [LISTEN, LEFT, RIGHT]
    assert graph.n_nodes == len({runs(graph, n, 8) for n in range(graph.n_nodes)})


def test_root_is_a_node_that_also_knows_what_cannot_come_at_first() -> None:
    T = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    Z = np.array([[1.0, 0.0], [0.5, 0.5]])
    model = make_model(T, Z, np.array([[1.0, 1.0]]), discount=0.5, start=np.array([1.0, 0.0]))
    graph = pomdptool.solve(model, "exact").policy.graph
    assert graph is not None
    assert graph.next.tolist() == [[0, 0]]
