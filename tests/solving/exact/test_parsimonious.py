from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numba
import numpy as np
import pytest

from models import random_beliefs
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.lp_pruning import prune
from pomdptool.solving.exact.parsimonious import parsimonious_set
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.sparse import FloatArray, IntArray

COMPILED = not numba.config.DISABLE_JIT
MARGIN = 1e-8


def no_limit() -> None:
    """Never raise."""


def make(rewards: FloatArray, sets: list[list[FloatArray]]) -> Branches:
    """Branches from the vectors of each branch of each action."""
    rows = [branch for branches in sets for branch in branches]
    return Branches(
        np.asarray(rewards, dtype=np.float64),
        np.cumsum([0, *map(len, rows)]),
        np.vstack([np.zeros((0, rewards.shape[1])), *rows]),
        np.array([a for a, branches in enumerate(sets) for _ in branches], np.int64),
    )


def one_set(vectors: FloatArray) -> Branches:
    return make(np.zeros((1, vectors.shape[1])), [[vectors]])


def random_branches(seed: int, d: int, kind: str) -> Branches:
    """Up to three actions of up to four branches.

    Dense; sparse, where a branch depends on some states only; or whole, with small integers, so
    that sums coincide within and across actions.
    """
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> FloatArray:
        if kind == "whole":
            return np.asarray(rng.integers(0, 4, size=shape), np.float64)
        return np.asarray(rng.normal(size=shape))

    def branch() -> FloatArray:
        rows = numbers(int(rng.integers(1, 6)), d)
        return rows * (rng.random(d) < 0.5) if kind == "sparse" else rows

    n_actions = int(rng.integers(1, 4))
    sets = [[branch() for _ in range(rng.integers(0, 5))] for _ in range(n_actions)]
    return make(numbers(n_actions, d), sets)


def enumerated(branches: Branches) -> tuple[FloatArray, IntArray]:
    """Every combination with its action."""
    vectors, actions = [], []
    for a, reward in enumerate(branches.rewards):
        sets = [
            branches.vectors[branches.starts[i] : branches.starts[i + 1]]
            for i in np.flatnonzero(branches.actions == a)
        ]
        for rows in product(*sets):
            vectors.append(reward + sum(rows, np.zeros_like(reward)))
            actions.append(a)
    return np.array(vectors), np.array(actions)


def check(branches: Branches, margin: float = MARGIN) -> FloatArray:
    """The set is complete and parsimonious, and each vector is a combination of its action."""
    every, actions_of_all = enumerated(branches)
    vectors, actions = parsimonious_set(branches, margin=margin, monitor=Monitor())
    beliefs = np.vstack([np.eye(every.shape[1]), random_beliefs(3000, every.shape[1])])
    best = (beliefs @ every.T).max(axis=1)
    scale = max(1.0, float(np.ptp(every)))
    assert np.abs((beliefs @ vectors.T).max(axis=1) - best).max() <= 2 * margin * scale
    # Exact, by linear programs: the set is complete and parsimonious.
    both = prune(np.vstack([vectors, every]), beliefs, no_limit)
    extra = both.kept[both.kept >= len(vectors)] - len(vectors)
    for v in every[extra]:
        assert excess(v, vectors) <= 8 * margin
    assert len(prune(vectors, np.zeros((0, every.shape[1])), no_limit).kept) == len(vectors)
    for v, a in zip(vectors, actions, strict=True):
        assert np.abs(every[actions_of_all == a] - v).max(axis=1).min() <= 1e-12 * scale
    assert (np.diff(actions) >= 0).all()
    return vectors


def excess(v: FloatArray, others: FloatArray) -> float:
    """Largest excess of v over the others, by HiGHS."""
    import highspy

    highs, d = highspy.Highs(), len(v)
    highs.setOptionValue("output_flag", False)
    for _ in range(d):
        highs.addVar(0.0, 1.0)
    highs.addVar(-highspy.kHighsInf, highspy.kHighsInf)
    columns = np.arange(d + 1, dtype=np.int32)
    highs.addRow(1.0, 1.0, d, columns[:d], np.ones(d))
    for w in others:
        highs.addRow(0.0, highspy.kHighsInf, d + 1, columns, np.append(v - w, -1.0))
    highs.changeColCost(d, 1.0)
    highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
    highs.run()
    return float(highs.getInfo().objective_function_value)


def same_set(left: FloatArray, right: FloatArray) -> bool:
    """Whether two sets are equal up to order and rounding."""
    if left.shape != right.shape:
        return False
    distance = np.abs(left[:, None] - right[None]).max(axis=2)
    return bool((distance.min(axis=0) < 1e-9).all() and (distance.min(axis=1) < 1e-9).all())


@pytest.mark.parametrize("kind", ["dense", "sparse", "whole"])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 8] if COMPILED else [1, 3])
@pytest.mark.parametrize("seed", range(6) if COMPILED else range(2))
def test_backups_agree_with_the_pruned_cross_product(seed: int, d: int, kind: str) -> None:
    branches = random_branches(1000 * d + seed, d, kind)
    vectors = check(branches)
    if kind == "dense":
        every, _ = enumerated(branches)
        expected = every[prune(every, np.zeros((0, d)), no_limit).kept]
        assert same_set(vectors, expected)


@pytest.mark.parametrize("d", range(2, 13) if COMPILED else [2, 4])
@pytest.mark.parametrize("kind", ["dense", "whole", "sparse", "repeated"])
def test_sets_agree_with_pruning_by_highs(d: int, kind: str) -> None:
    rng = np.random.default_rng(d)
    n = 300 if COMPILED else 20
    vectors = rng.normal(size=(n, d))
    if kind == "whole":
        vectors = np.asarray(rng.integers(0, 3, size=(n, d)), np.float64)
    elif kind == "sparse":
        vectors *= rng.random((n, d)) < 0.3
    elif kind == "repeated":
        vectors = np.vstack([vectors[: n // 2]] * 2) + 1e-15 * rng.normal(size=(n, d))
    kept = check(one_set(vectors))
    expected = vectors[prune(vectors, np.zeros((0, d)), no_limit).kept]
    assert same_set(kept, expected) or kind in ("whole", "repeated")
    assert (np.abs(len(kept) - len(expected)) <= 2) or kind == "repeated"


def test_vectors_that_touch_at_a_face_or_a_point_are_dropped() -> None:
    corners = np.eye(3)
    touching = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1 / 3, 1 / 3, 1 / 3]])
    kept = check(one_set(np.vstack([touching, corners])))
    assert same_set(kept, corners)


def test_vectors_over_a_touching_face_are_kept_where_they_exceed_inside() -> None:
    """All four tie at the last corner; the third is nowhere above the first two."""
    vectors = np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 1.0], [1.5, 1.5, 1.0]])
    assert same_set(check(one_set(vectors)), vectors[[0, 1, 3]])


def test_equal_vectors_keep_the_first_action() -> None:
    rows = np.array([[1.0, 0.0, 0.2], [0.0, 1.0, 0.2], [0.1, 0.2, 0.9]])
    branches = make(np.zeros((4, 3)), [[rows - 1.0], [rows], [rows[::-1].copy()], [rows, rows]])
    branches.rewards[3] = -rows[0]
    vectors, actions = parsimonious_set(branches, margin=MARGIN, monitor=Monitor())
    doubled = [v for v, a in zip(vectors, actions, strict=True) if a == 3]
    assert len(vectors) == len(np.unique(vectors.round(9), axis=0))
    assert set(actions.tolist()) <= {1, 3}
    assert not any((np.abs(rows - v).max(axis=1) < 1e-9).any() for v in doubled)
    check(branches)


@pytest.mark.parametrize("kind", ["dense", "sparse", "whole"])
def test_duplicated_actions_keep_the_first(kind: str) -> None:
    for seed in range(5 if COMPILED else 1):
        single = random_branches(seed, 4, kind)
        n = len(single.rewards)
        doubled = Branches(
            np.vstack([single.rewards] * 2),
            np.concatenate([single.starts, single.starts[-1] + single.starts[1:]]),
            np.vstack([single.vectors] * 2),
            np.concatenate([single.actions, n + single.actions]),
        )
        vectors, _ = parsimonious_set(single, margin=MARGIN, monitor=Monitor())
        again, actions = parsimonious_set(doubled, margin=MARGIN, monitor=Monitor())
        assert same_set(again, vectors) or kind == "whole"
        assert len(again) == len(vectors)
        assert actions.max() < n


def test_equal_combinations_leave_one() -> None:
    branches = make(np.full((3, 4), 7.0), [[np.zeros((2, 4)), np.zeros((3, 4))], [], []])
    vectors, actions = parsimonious_set(branches, margin=MARGIN, monitor=Monitor())
    assert vectors.tolist() == [[7.0] * 4]
    assert actions.tolist() == [0]


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
@pytest.mark.parametrize("margin", [0.0, 1e-12, 1e-6, 1e-3])
def test_clusters_of_close_vectors_are_not_all_deleted(margin: float, scale: float) -> None:
    """Tangents of a parabola, each exceeding its neighbours by less than the margin."""
    x = np.linspace(0, 1, 2001 if COMPILED else 61)
    tangents = np.column_stack([-(x**2), 2 * x - x**2, np.full_like(x, -1.0)])
    kept, _ = parsimonious_set(one_set(scale * tangents), margin=scale * margin, monitor=Monitor())
    at = np.column_stack([1 - x, x, 0 * x])
    loss = (at @ tangents.T).max(axis=1) - (at @ kept.T / scale).max(axis=1)
    assert loss.max() <= 2.1 * margin + 1e-11
    if margin >= 1e-3:
        assert len(kept) < len(x) / 2


@pytest.mark.parametrize("magnitude", [1e-9, 1e-3, 1e6])
def test_margin_is_in_units_of_value(magnitude: float) -> None:
    branches = random_branches(77, 4, "dense")
    scaled = branches._replace(
        rewards=magnitude * branches.rewards + 3.0 * magnitude,
        vectors=magnitude * branches.vectors,
    )
    vectors, actions = parsimonious_set(branches, margin=1e-6, monitor=Monitor())
    again, actions_again = parsimonious_set(scaled, margin=1e-6 * magnitude, monitor=Monitor())
    assert actions.tolist() == actions_again.tolist()
    assert np.allclose(again, magnitude * (vectors + 3.0), rtol=1e-9, atol=0.0)


def test_excess_near_the_margin() -> None:
    """The middle vector exceeds those of the corners by 5e-6 at the centre."""
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.5 + 5e-6, 0.5 + 5e-6]])
    for margin, expected in ((4e-6, 3), (6e-6, 2)):
        assert (
            len(parsimonious_set(one_set(vectors), margin=margin, monitor=Monitor())[0]) == expected
        )


def test_many_branches_do_not_explode() -> None:
    """Twelve branches of two vectors; few of their 4,096 combinations are maximal somewhere."""
    rng = np.random.default_rng(5)
    n = 12 if COMPILED else 5
    sets = [[np.array([[0.0, x, 0.0], [x, 0.0, 0.1]]) for x in rng.random(n)]]
    check(make(np.zeros((1, 3)), sets))


def test_monitor_stops_it() -> None:
    checks = []

    def interrupted() -> bool:
        checks.append(True)
        return len(checks) > 3

    with pytest.raises(LimitReached):
        parsimonious_set(
            random_branches(3, 5, "dense"), margin=MARGIN, monitor=Monitor(interrupted=interrupted)
        )


def test_inputs_are_not_modified() -> None:
    branches = random_branches(8, 4, "dense")
    before = [x.copy() for x in branches]
    parsimonious_set(branches, margin=MARGIN, monitor=Monitor())
    assert all(np.array_equal(x, y) for x, y in zip(before, branches, strict=True))


@pytest.mark.skipif(not COMPILED, reason="runs uncompiled already")
def test_interpreted_result_agrees() -> None:
    """Vectors and actions are identical."""
    here = Path(__file__)
    program = (
        "from test_parsimonious import *; b = random_branches(3002, 3, 'dense');"
        "v, a = parsimonious_set(b, margin=MARGIN, monitor=Monitor());"
        "print(COMPILED, v.tolist(), a.tolist())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=here.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    vectors, actions = parsimonious_set(
        random_branches(3002, 3, "dense"), margin=MARGIN, monitor=Monitor()
    )
    assert run.stdout.strip() == f"False {vectors.tolist()} {actions.tolist()}"
