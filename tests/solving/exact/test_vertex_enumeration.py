from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pomdptool
from models import PROBLEMS, ROOT, random_beliefs, random_model, tiger
from pomdptool.kernels.exact import polytope as kernel
from pomdptool.kernels.exact.backup import Branches
from pomdptool.kernels.exact.vertex_enumeration import sweep
from pomdptool.model import Model
from pomdptool.solving.exact import run, vertex_enumeration
from pomdptool.solving.exact.faces import find_faces
from pomdptool.solving.exact.incremental_pruning import backup_by_incremental_pruning
from pomdptool.solving.exact.policy_improvement import evaluate_controller
from pomdptool.solving.exact.value_function import VectorSet, lookahead_value, undominated
from pomdptool.solving.exact.vertex_enumeration import backup_by_vertex_enumeration
from pomdptool.solving.solution import Monitor

# ------------------------------------------------------------ faces


def naive_supports(model: Model) -> list[set[int]]:
    found = [
        {s2 for s2 in range(model.n_states) if model.T[a, :, s2].any() and model.Z[a, s2, o] > 0}
        for a in range(model.n_actions)
        for o in range(model.n_observations)
    ]
    return [x for x in found if x and not any(x < y for y in found)]


@pytest.mark.parametrize("seed", range(10))
def test_faces_are_the_maximal_supports(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S = 7
    T = np.eye(S)[rng.integers(S, size=(3, S))] + (rng.random((3, S, S)) < 0.1)
    O = np.eye(3)[rng.integers(3, size=(3, S))]  # noqa: E741
    model = pomdptool.make_model(T / T.sum(axis=2, keepdims=True), O, discount=0.9)
    faces = {frozenset(face.states.tolist()) for face in find_faces(model).faces}
    assert faces == {frozenset(x) for x in naive_supports(model)}


@pytest.mark.parametrize("seed", range(6))
def test_branches_are_the_products_of_T_and_Z(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=2, n_observations=3)
    faces = find_faces(model)
    v = np.random.default_rng(seed).normal(size=model.n_states)
    for face in (*faces.faces, faces.full_simplex):
        for a, branches in enumerate(face.projections):
            total = sum(
                b.project(v[faces.faces[b.target].states][np.newaxis], face.size)[0]
                for b in branches
            )
            expected = model.discount * (model.T[a] @ v)[face.states]
            assert_allclose(total, expected, atol=1e-12)
            assert {o for b in branches for o in b.observations} <= set(range(3))
            assert all(sum(b.shares) == pytest.approx(1.0) for b in branches)


def test_observations_that_tell_the_same_are_merged() -> None:
    model = tiger()
    opening = find_faces(model).full_simplex.projections[1]
    assert [b.observations for b in opening] == [(0, 1)]
    assert opening[0].shares == (0.5, 0.5)


# ------------------------------------------------------------ the polytope


def random_branches(seed: int, d: int, *, integers: bool = False) -> Branches:
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        x = rng.normal(size=shape)
        return np.round(2 * x) if integers else x

    rewards, parts, actions = numbers(3, d), [], []
    for a in range(3):
        for _ in range(a):
            parts.append(numbers(int(rng.integers(2, 7)), d))
            actions.append(a)
    starts = np.cumsum([0, *map(len, parts)])
    return Branches(rewards, starts, np.ascontiguousarray(np.vstack(parts)), np.array(actions))


def backed_up(branches: Branches, beliefs: np.ndarray) -> np.ndarray:
    """Oracle: value of the best backup at each belief."""
    best = np.full(len(beliefs), -np.inf)
    for a in range(len(branches.rewards)):
        value = beliefs @ branches.rewards[a]
        for j in np.flatnonzero(branches.actions == a):
            ahead = branches.vectors[branches.starts[j] : branches.starts[j + 1]]
            value = value + (beliefs @ ahead.T).max(axis=1)
        best = np.maximum(best, value)
    return best


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_hull_is_the_backup_everywhere(seed: int, d: int, integers: bool) -> None:
    branches = random_branches(seed, d, integers=integers)
    low = VectorSet(np.full((1, d), -60.0), np.zeros(1, np.int64), np.full((1, d), 1 / d))
    step = backup_by_vertex_enumeration(
        branches, low, tolerance=1e-9, monitor=Monitor(), max_vertices=10**6
    )
    beliefs = random_beliefs(3000, d, seed)
    expected = backed_up(branches, beliefs)
    found = (beliefs @ step.new.vectors.T).max(axis=1)
    assert_allclose(found, expected, atol=2e-9)
    own = np.einsum("ij,ij->i", step.new.beliefs, step.new.vectors)
    assert_allclose(own, (step.new.beliefs @ step.new.vectors.T).max(axis=1))
    assert step.residual >= (expected + 60.0).max() - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_residual_is_the_most_that_the_backup_exceeds(seed: int) -> None:
    d = 3
    branches = random_branches(seed, d)
    given = np.random.default_rng(seed).normal(size=(6, d))
    part = VectorSet(given, np.zeros(6, np.int64), np.full((1, d), 1 / d))
    step = backup_by_vertex_enumeration(
        branches, part, tolerance=1e-9, monitor=Monitor(), max_vertices=10**6
    )
    beliefs = random_beliefs(20_000, d, seed)
    most = (backed_up(branches, beliefs) - (beliefs @ given.T).max(axis=1)).max()
    assert most - 1e-9 <= step.residual <= most + 0.05


def test_every_edge_of_the_polytope_is_found() -> None:
    d = 5
    branches = random_branches(1, d)
    low = np.full((1, d), -60.0)
    polytope = vertex_enumeration._allocate(d, 1 << 14, 256)
    polytope.vectors[0] = low
    kernel.begin(polytope, 1e3)
    assert sweep(polytope, branches, 1e-9, 1e-12, 10**6) == kernel.DONE
    assert polytope.counts[kernel.MISSED] == 0
    for n in range(int(polytope.counts[kernel.USED])):
        if polytope.alive[n]:
            for i in range(d):
                k = polytope.adjacent[n, i]
                assert n in polytope.adjacent[k]
                assert len(set(polytope.tight[n]) & set(polytope.tight[k])) == d - 1


def test_too_many_vertices_are_refused() -> None:
    branches = random_branches(2, 6)
    low = VectorSet(np.full((1, 6), -60.0), np.zeros(1, np.int64), np.full((1, 6), 1 / 6))
    with pytest.raises(vertex_enumeration.TooManyVerticesError):
        backup_by_vertex_enumeration(
            branches, low, tolerance=1e-9, monitor=Monitor(), max_vertices=100
        )


# ------------------------------------------------------------ pruning and improvement


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_pruning_agrees_with_the_polytope(seed: int, keep_old: bool) -> None:
    branches = random_branches(seed, 4)
    rng = np.random.default_rng(seed)
    old = VectorSet(rng.normal(size=(5, 4)), np.zeros(5, np.int64), random_beliefs(5, 4, seed))
    step = backup_by_incremental_pruning(branches, old, keep_old=keep_old, monitor=Monitor())
    beliefs = random_beliefs(2000, 4, seed)
    expected = backed_up(branches, beliefs)
    before = (beliefs @ old.vectors.T).max(axis=1)
    if keep_old:
        expected = np.maximum(expected, before)
    assert_allclose((beliefs @ step.new.vectors.T).max(axis=1), expected, atol=1e-8)
    assert step.residual >= (backed_up(branches, beliefs) - before).max() - 1e-9


@pytest.mark.parametrize("limit", ["states", "vertices"])
def test_large_faces_are_pruned_with_the_same_result(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(5, n_states=3, n_actions=2)
    usual = pomdptool.solve(model, "exact", horizon=5)
    if limit == "states":
        monkeypatch.setattr(run, "POLYTOPE_STATES", 1)
    else:
        monkeypatch.setattr(run, "MAX_VERTICES", 8)
    pruned = pomdptool.solve(model, "exact", horizon=5)
    endless = pomdptool.solve(model, "exact", precision=1e-4)
    assert endless.converged
    for b in random_beliefs(50, 3):
        assert pruned.policy.value(b) == pytest.approx(usual.policy.value(b), abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_controller_values_are_what_the_controller_earns(seed: int) -> None:
    """Values after improvement solve their own equation, and stay below the optimum."""
    model = random_model(seed, n_states=3, discount=0.8)
    faces = find_faces(model)
    optimum = pomdptool.solve(model, "exact", precision=1e-6)
    blind = tuple(
        VectorSet(
            np.full((2, s.size), model.expected_rewards.min() / 0.2),
            np.arange(2),
            random_beliefs(2, s.size, seed),
        )
        for s in faces.faces
    )
    stage = evaluate_controller(faces, blind, model.discount).V
    for b in random_beliefs(50, 3, seed):
        assert lookahead_value(faces, stage, b) <= optimum.policy.value(b) + 1e-5
    again = evaluate_controller(faces, stage, model.discount).V
    assert (
        min(float((y.vectors - x.vectors).max()) for x, y in zip(stage, again, strict=True))
        >= -1e-9
    )


def test_undominated_agrees_with_the_loops() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        vectors = np.round(rng.normal(size=(20, 3)), 1)
        kept = vectors[undominated(vectors)]
        for v in vectors:
            assert any((w >= v - 1e-12).all() for w in kept)
        for i, v in enumerate(kept):
            assert not any((w >= v).all() for k, w in enumerate(kept) if k != i)


# ------------------------------------------------------------ the whole


@pytest.mark.parametrize("name", ["maze-4x3", "shuttle", "network", "cheese-maze", "parr95"])
def test_known_problems_close_their_bounds(name: str) -> None:
    model = pomdptool.load(ROOT / "problems" / f"{name}.pomdp")
    coarse = pomdptool.solve(model, "exact", precision=1e-3)
    fine = pomdptool.solve(model, "exact", precision=1e-5)
    assert coarse.converged
    assert fine.converged
    assert coarse.bounds.lower <= fine.bounds.upper
    assert fine.bounds.lower <= coarse.bounds.upper
    header = next(p for p in PROBLEMS if p.stem == name).read_text()
    assert "Value at the start belief" in header
