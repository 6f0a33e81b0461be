"""The classic algorithms and pruning to a tolerance, against the core, loops and certificates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import naive_planning as naive
import pomdptool
from models import ROOT, SHARED, random_beliefs, random_model, tiger
from pomdptool.commands.main import cli
from pomdptool.errors import PomdpError
from pomdptool.kernels import jit
from pomdptool.kernels.exact.backup import Branches
from pomdptool.model import Model
from pomdptool.solving.exact import enumeration, epsilon_pruning, lp_pruning, run
from pomdptool.solving.exact.algorithms import BACKUPS, find_algorithm
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.epsilon_pruning import (
    TooManyVectorsError,
    backup_by_epsilon_pruning,
)
from pomdptool.solving.exact.faces import equivalent_faces, find_faces
from pomdptool.solving.exact.projections import stack_branches
from pomdptool.solving.exact.run import ExactRun
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.solving.solve import ALGORITHMS
from pomdptool.sparse import FloatArray

NAMES = list(BACKUPS)

# ------------------------------------------------------------ one face


def make_branches(seed: int, d: int, kind: str) -> Branches:
    """Three actions of 0, 1 and 3 branches; `whole` numbers tie, within and across actions."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> FloatArray:
        x = rng.normal(size=shape)
        if kind == "whole":
            x = np.round(2.0 * x)
        elif kind == "sparse":
            x *= rng.random(shape) < 0.5
        elif kind == "equal":
            x = np.full(shape, 3.0)
        return np.asarray(x)

    actions = [1, 2, 2, 2]
    sets = [numbers(int(rng.integers(2, 6)), d) for _ in actions]
    sets[2] = np.vstack([sets[2], sets[2][:2]])
    return stack_branches(numbers(3, d), sets, actions)


def some_vectors(seed: int, d: int) -> VectorSet:
    """Old vectors, told by their actions from 100 on."""
    vectors = np.random.default_rng(seed).normal(size=(5, d))
    return VectorSet(vectors, np.arange(100, 105), random_beliefs(5, d, seed))


def sums(branches: Branches, action: int) -> list[FloatArray]:
    """Every vector of an action."""
    sets = [
        branches.vectors[branches.starts[i] : branches.starts[i + 1]]
        for i in np.flatnonzero(branches.actions == action)
    ]
    return [branches.rewards[action] + sum(rows, np.zeros(1)) for rows in product(*sets)]


def check(
    step: FaceBackup, branches: Branches, old: VectorSet, *, keep_old: bool, within: float = 1e-8
) -> None:
    """The part is the backup, the certificates hold, and every vector is one of its action's."""
    d = branches.rewards.shape[1]
    beliefs = np.vstack([np.eye(d), random_beliefs(2000, d)])
    ways = [sums(branches, a) for a in range(len(branches.rewards))]
    backup = (beliefs @ np.vstack([v for vectors in ways for v in vectors]).T).max(axis=1)
    before = (beliefs @ old.vectors.T).max(axis=1)
    expected = np.maximum(backup, before) if keep_old else backup
    found = (beliefs @ step.new.vectors.T).max(axis=1)
    assert_allclose(found, expected, atol=within)
    assert (expected - found).max() <= step.loss + 1e-13
    assert (found - expected).max() <= 1e-12
    assert 0.0 <= step.loss <= 1.001 * within
    assert (backup - before).max() <= step.residual + 1e-13
    for v, a, b in zip(step.new.vectors, step.new.actions, step.new.beliefs, strict=True):
        mine = [old.vectors[a - 100]] if keep_old and a >= 100 else ways[a]
        assert min(float(np.abs(w - v).max()) for w in mine) < 1e-12
        assert v @ b >= (step.new.vectors @ b).max() - within


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("kind", ["dense", "whole", "sparse", "equal"])
@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_a_backup_is_the_best_of_all_sums(name: str, d: int, kind: str, keep_old: bool) -> None:
    for seed in range(3):
        branches, old = make_branches(10 * d + seed, d, kind), some_vectors(seed, d)
        step = BACKUPS[name](branches, old, keep_old=keep_old, monitor=Monitor())
        check(step, branches, old, keep_old=keep_old)


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("kind", ["dense", "whole", "sparse", "equal"])
@pytest.mark.parametrize("d", [2, 3, 5, 9])
@pytest.mark.parametrize("tolerance", [1e-9, 1e-2, 0.5])
def test_pruning_to_a_tolerance_keeps_it(
    tolerance: float, d: int, kind: str, keep_old: bool
) -> None:
    for seed in range(3):
        branches, old = make_branches(10 * d + seed, d, kind), some_vectors(seed, d)
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=tolerance, keep_old=keep_old, monitor=Monitor()
        )
        check(step, branches, old, keep_old=keep_old, within=tolerance)


def test_a_coarse_tolerance_keeps_few_vectors() -> None:
    branches, old = make_branches(7, 6, "dense"), some_vectors(7, 6)
    sizes = []
    for tolerance in (1e-9, 0.1, 1.0, 100.0):
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=tolerance, keep_old=False, monitor=Monitor()
        )
        sizes.append(len(step.new.vectors))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3] == 1


@pytest.mark.parametrize("name", NAMES)
def test_all_algorithms_find_the_same_vectors(name: str) -> None:
    """Dense numbers leave one set of vectors that are needed."""
    for seed in range(5):
        branches, old = make_branches(seed, 4, "dense"), some_vectors(seed, 4)
        found = BACKUPS[name](branches, old, keep_old=False, monitor=Monitor()).new
        precise = backup_by_epsilon_pruning(
            branches, old, tolerance=1e-10, keep_old=False, monitor=Monitor()
        ).new
        assert found.vectors.shape == precise.vectors.shape
        distance = np.abs(found.vectors[:, None] - precise.vectors[None]).max(axis=2)
        assert distance.min(axis=1).max() < 1e-9


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_tolerances_are_in_values(scale: float) -> None:
    branches, old = make_branches(3, 5, "dense"), some_vectors(3, 5)
    large = branches._replace(rewards=scale * branches.rewards, vectors=scale * branches.vectors)
    before = replace(old, vectors=scale * old.vectors)
    step = backup_by_epsilon_pruning(branches, old, tolerance=0.1, keep_old=True, monitor=Monitor())
    same = backup_by_epsilon_pruning(
        large, before, tolerance=0.1 * scale, keep_old=True, monitor=Monitor()
    )
    assert len(same.new.vectors) == pytest.approx(len(step.new.vectors), abs=2)
    assert same.loss <= 0.1 * scale
    assert same.residual == pytest.approx(scale * step.residual, rel=0.2)


def test_both_ways_of_running_give_the_same_set() -> None:
    branches, old = make_branches(5, 3, "dense"), some_vectors(5, 3)
    before = dict(vars(jit.runtime))
    found = []
    try:
        for compiled in (False, True):
            jit.runtime.compiled = compiled
            jit.runtime.interpreted_seconds = -1e9
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "pomdptool.solving.exact.epsilon_pruning.request_compilation",
                    lambda multiplications: None,
                )
                found.append(
                    backup_by_epsilon_pruning(
                        branches, old, tolerance=0.1, keep_old=True, monitor=Monitor()
                    )
                )
            assert jit.runtime.compiled == compiled
    finally:
        vars(jit.runtime).update(before)
    assert found[0].new.vectors.tolist() == found[1].new.vectors.tolist()
    assert (found[0].loss, found[0].residual) == (found[1].loss, found[1].residual)


def test_losses_on_the_way_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the tolerance is spent before the last set."""
    monkeypatch.setattr(epsilon_pruning, "REDUCTIONS", 0.5)
    monkeypatch.setattr(epsilon_pruning, "JOINS", 0.49)
    for seed in range(20):
        branches, old = make_branches(seed, 3, "dense"), some_vectors(seed, 3)
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=2.0, keep_old=False, monitor=Monitor()
        )
        check(step, branches, old, keep_old=False, within=2.0)


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_programs_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a coarse margin every algorithm loses something, and says how much at most."""
    monkeypatch.setattr(lp_pruning, "MARGIN", 0.1)
    monkeypatch.setattr(lp_pruning, "TRUSTED", 0.2)
    lost = []
    for seed in range(20):
        branches, old = make_branches(seed, 3, "dense"), some_vectors(seed, 3)
        step = BACKUPS[name](branches, old, keep_old=False, monitor=Monitor())
        check(step, branches, old, keep_old=False, within=50.0)
        lost.append(step.loss)
    assert max(lost) > 0.1


def test_too_many_vectors_are_refused() -> None:
    branches, old = make_branches(7, 6, "dense"), some_vectors(7, 6)
    with pytest.raises(TooManyVectorsError):
        backup_by_epsilon_pruning(
            branches, old, tolerance=1e-9, keep_old=False, monitor=Monitor(), max_vectors=5
        )


# ------------------------------------------------------------ whole problems


def with_zeros(seed: int, **sizes: int) -> Model:
    return random_model(seed, **sizes)


def doubled(seed: int) -> Model:
    """Every action and every observation twice."""
    model = random_model(seed)
    T, Z, R = (np.repeat(x, 2, axis=0) for x in (model.T, model.Z, model.R))
    Z = np.repeat(Z, 2, axis=2) / 2.0
    return pomdptool.make_model(T, Z, np.repeat(R, 2, axis=3), discount=0.9, start=model.start)


def tied(seed: int) -> Model:
    """Small whole rewards, and probabilities in halves: many vectors are equal somewhere."""
    rng = np.random.default_rng(seed)
    T = (np.eye(3)[rng.integers(3, size=(3, 3))] + np.eye(3)[rng.integers(3, size=(3, 3))]) / 2
    Z = (np.eye(2)[rng.integers(2, size=(3, 3))] + np.eye(2)[rng.integers(2, size=(3, 3))]) / 2
    rewards = rng.integers(0, 3, size=(3, 3)).astype(float)
    return pomdptool.make_model(T, Z, rewards, discount=0.5)


def all_equal(seed: int) -> Model:
    model = random_model(seed)
    return pomdptool.make_model(model.T, model.Z, np.full((2, 3), -2.0), discount=0.9)


MODELS: dict[str, Callable[[int], Model]] = {
    "two states": partial(with_zeros, n_states=2, n_observations=3),
    "three states": partial(with_zeros, n_actions=3),
    "four states": partial(with_zeros, n_states=4),
    "one action": partial(with_zeros, n_actions=1),
    "one observation": partial(with_zeros, n_observations=1),
    "doubled": doubled,
    "tied": tied,
    "equal rewards": all_equal,
    "no discount": lambda seed: replace(random_model(seed), discount=0.0),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_horizons_agree_with_the_core_and_with_expectimax(name: str, kind: str) -> None:
    for seed in range(2):
        model = MODELS[kind](seed)
        for horizon in (1, 2, 3, 4):
            core = pomdptool.solve(model, "exact", horizon=horizon).policy
            solution = pomdptool.solve(model, "exact", horizon=horizon, algorithm=name)
            assert solution.converged
            for b in random_beliefs(20, model.n_states, seed):
                assert solution.policy.value(b) == pytest.approx(core.value(b), abs=1e-7)
            expected = naive.expectimax(model, model.start, min(horizon, 3), None)
            if horizon <= 3:
                assert solution.bounds.lower <= expected + 1e-9
                assert expected - 1e-9 <= solution.bounds.upper <= expected + 1e-6


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_converged_runs_agree_with_the_core(name: str, kind: str) -> None:
    model = MODELS[kind](5)
    core = pomdptool.solve(model, "exact", precision=1e-5)
    solution = pomdptool.solve(model, "exact", precision=1e-5, algorithm=name)
    assert solution.converged
    assert solution.bounds.lower <= core.bounds.upper + 1e-9
    assert core.bounds.lower <= solution.bounds.upper + 1e-9
    scale = max(1.0, abs(core.bounds.lower))
    for b in random_beliefs(50, model.n_states):
        assert solution.policy.value(b) == pytest.approx(core.policy.value(b), abs=3e-5 * scale)


@pytest.mark.parametrize("name", NAMES)
def test_known_problems(name: str) -> None:
    """Faces of 4, 3 and 2 states; the values are those of the core."""
    for problem, horizon in (("maze-4x3", 5), ("shuttle", 4), ("tiger", 6)):
        model = pomdptool.load(ROOT / "problems" / f"{problem}.pomdp")
        core = pomdptool.solve(model, "exact", horizon=horizon)
        solution = pomdptool.solve(model, "exact", horizon=horizon, algorithm=name)
        assert solution.bounds.lower == pytest.approx(core.bounds.lower, abs=1e-7)


# ------------------------------------------------------------ names, limits, what is said


def test_the_names_are_those_of_the_algorithms() -> None:
    assert tuple(BACKUPS) == ALGORITHMS
    assert pomdptool.solve(tiger(), algorithm="witness").policy.method == "exact"


def test_an_unknown_name_is_an_error_that_helps() -> None:
    with pytest.raises(PomdpError, match=r"no algorithm 'witnes'; did you mean 'witness'\?"):
        pomdptool.solve(tiger(), algorithm="witnes")
    with pytest.raises(PomdpError, match="'zzz': one of incremental, witness, linear-support"):
        find_algorithm("zzz")
    with pytest.raises(PomdpError, match="algorithm 'witness' is for method 'exact', not 'qmdp'"):
        pomdptool.solve(tiger(), "qmdp", algorithm="witness")


def test_enumeration_refuses_what_it_cannot_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enumeration, "MAX_VECTORS", 20)
    with pytest.raises(PomdpError, match="use --algorithm incremental, witness or linear-support"):
        pomdptool.solve(random_model(1, n_observations=4), horizon=5, algorithm="enumerate")


def test_enumeration_of_astronomic_sums_is_refused_at_once() -> None:
    sets = [np.arange(20.0).reshape(10, 2)] * 40
    branches = stack_branches(np.zeros((1, 2)), sets, [0] * 40)
    with pytest.raises(PomdpError, match=r"list 1e\+40 vectors"):
        BACKUPS["enumerate"](branches, some_vectors(0, 2), keep_old=False, monitor=Monitor())


def asks(backup: Callable[[Monitor], object]) -> int:
    """How often a backup asks its monitor."""
    count = [0]

    def interrupted() -> bool:
        count[0] += 1
        return False

    backup(Monitor(interrupted=interrupted))
    return count[0]


@pytest.mark.parametrize("name", [*NAMES, None])
def test_limits_act_inside_a_backup(name: str | None) -> None:
    branches, old = make_branches(2, 5, "dense"), some_vectors(2, 5)

    def backup(monitor: Monitor) -> FaceBackup:
        if name is None:
            return backup_by_epsilon_pruning(
                branches, old, tolerance=1e-9, keep_old=True, monitor=monitor
            )
        return BACKUPS[name](branches, old, keep_old=True, monitor=monitor)

    assert asks(backup) > 4
    for after in (0, 1, asks(backup) // 2, asks(backup) - 1):
        left = [after]

        def interrupted(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        with pytest.raises(LimitReached, match="interrupted"):
            backup(Monitor(interrupted=interrupted))


@pytest.mark.parametrize("name", NAMES)
def test_limits_return_the_best_so_far(name: str) -> None:
    model = random_model(4, n_states=4, n_actions=3, n_observations=3, discount=0.95)
    exact_value = pomdptool.solve(model, "exact", horizon=6).bounds.lower
    few = pomdptool.solve(model, "exact", horizon=6, algorithm=name, max_vectors=6)
    assert few.stop_reason == "max-vectors"
    late = pomdptool.solve(model, "exact", horizon=6, algorithm=name, time_limit=0.0)
    assert late.stop_reason == "time-limit"
    for solution in (few, late):
        assert not solution.converged
        assert solution.bounds.lower <= exact_value <= solution.bounds.upper


def test_what_is_said_of_the_faces() -> None:
    maze = ROOT / "problems" / "maze-4x3.pomdp"
    sizes = "faces 6: 4 3 1 1 1 1 states; "
    for extra, how in (
        ([], "by polytope 2, by incremental pruning 0"),
        (["--algorithm", "witness"], "by witness 2"),
    ):
        arguments = ["solve", str(maze), "--horizon", "3", *extra, "-v"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0
        assert sizes + how in result.stderr.splitlines()
        quiet = CliRunner().invoke(cli, arguments[:-1])
        assert "faces" not in quiet.stderr
    wrong = CliRunner().invoke(cli, ["solve", str(maze), "--algorithm", "simplex"])
    assert wrong.exit_code == 2
    assert "'linear-support'" in wrong.stderr


def test_options_that_have_no_effect_are_not_ignored() -> None:
    tiger_file = str(ROOT / "problems" / "tiger.pomdp")
    for options in (["--full-simplex"], ["--full-simplex", "--method", "sarsop"]):
        result = CliRunner().invoke(cli, ["solve", tiger_file, *options])
        assert result.exit_code == 2
        assert "--full-simplex needs --method exact." in result.stderr
    with pytest.raises(PomdpError, match="the full simplex need method 'exact', not 'sarsop'"):
        pomdptool.solve(tiger(), full_simplex=True)
    result = CliRunner().invoke(
        cli, ["solve", tiger_file, "--method", "qmdp", "--algorithm", "witness"]
    )
    assert result.exit_code == 2
    assert "--algorithm needs --method exact." in result.stderr
    mdp = ["solve", str(ROOT / "tests" / "cases" / "mdp-start.pomdp"), "--algorithm", "witness"]
    warning = "warning: --algorithm has no effect on an MDP: this model observes its state"
    assert warning in CliRunner().invoke(cli, mdp).stderr.splitlines()
    assert warning not in CliRunner().invoke(cli, [*mdp, "-q"]).stderr


def test_many_faces_are_not_all_listed() -> None:
    n = 12
    model = pomdptool.make_model(np.full((1, n, n), 1 / n), np.eye(n)[np.newaxis], discount=0.5)
    run = ExactRun(model, Monitor(), full_simplex=False)
    expected = "faces 12: 1 1 1 1 1 1 1 1 ... (4 more) states; by polytope 0"
    assert run.detail().startswith(expected)


# ------------------------------------------------------------ faces beyond the polytope


@pytest.fixture
def wide() -> Model:
    """A face of nine states."""
    return random_model(3, n_states=9, n_actions=2, n_observations=2, discount=0.95)


def test_large_faces_are_exact_while_vectors_are_few(wide: Model) -> None:
    solution = pomdptool.solve(wide, "exact", horizon=3)
    assert solution.detail == "faces 1: 9 states; by polytope 0, by incremental pruning 1"
    assert solution.bounds.gap < 1e-6
    expected = naive.expectimax(wide, wide.start, 3)
    assert solution.bounds.lower == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("precision", [1e-1, 1e-2, 1e-3])
def test_with_many_vectors_large_faces_keep_the_precision(
    wide: Model, precision: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def recorded(*arguments: Any, max_vectors: float = np.inf, **options: Any) -> FaceBackup:
        limits.append(max_vectors)
        return backup_by_epsilon_pruning(*arguments, max_vectors=max_vectors, **options)

    monkeypatch.setattr(run, "backup_by_epsilon_pruning", recorded)
    monkeypatch.setattr(run, "PRECISE_VECTORS", 3)
    solution = pomdptool.solve(wide, "exact", horizon=3, precision=precision)
    assert limits.count(3) == 2, "once for each stage until there are too many vectors"
    expected = naive.expectimax(wide, wide.start, 3)
    assert solution.bounds.lower <= expected + 1e-12
    assert expected - 1e-12 <= solution.bounds.upper
    assert 0.0 < solution.bounds.gap <= precision * max(1.0, abs(expected))
    precise = pomdptool.solve(wide, "exact", horizon=3, algorithm="incremental")
    for b in random_beliefs(50, 9):
        lack = precise.policy.value(b) - solution.policy.value(b)
        assert -1e-9 <= lack <= solution.bounds.gap + 1e-9


def test_large_faces_converge(wide: Model) -> None:
    model = replace(wide, discount=0.7)
    solution = pomdptool.solve(model, "exact", precision=1e-2)
    assert solution.converged
    finite = pomdptool.solve(model, "exact", horizon=8, precision=1e-3)
    rest = 0.7**8 / 0.3 * float(np.abs(model.expected_rewards).max())
    assert solution.bounds.lower <= finite.bounds.upper + rest
    assert finite.bounds.lower - rest <= solution.bounds.upper


def test_large_faces_begin_with_the_better_upper_bound(wide: Model) -> None:
    begun = pomdptool.solve(wide, "exact", max_vectors=1)
    assert begun.stop_reason == "max-vectors"
    assert begun.bounds.upper == pytest.approx(pomdptool.solve(wide, "fib").bounds.upper)
    assert begun.bounds.upper < pomdptool.solve(wide, "qmdp").bounds.upper - 1e-6


def test_a_face_that_outgrows_its_polytope_is_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(5, n_states=4)
    usual = pomdptool.solve(model, "exact", horizon=4)
    monkeypatch.setattr(run, "MAX_VERTICES", 10)
    pruned = pomdptool.solve(model, "exact", horizon=4)
    assert usual.detail.endswith("by polytope 1, by incremental pruning 0")
    assert pruned.detail.endswith("by polytope 0, by incremental pruning 1")
    assert pruned.bounds.lower == pytest.approx(usual.bounds.lower, abs=1e-7)


def test_equal_faces_are_backed_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two rooms is known and does not matter."""
    room = random_model(2, n_states=3)
    T = np.kron(np.full((1, 2, 2), 0.5), room.T)
    here = np.pad(room.Z, ((0, 0), (0, 0), (0, 2)))
    Z = np.concatenate([here, np.roll(here, 2, axis=2)], axis=1)
    R = np.tile(room.expected_rewards, (1, 2))
    model = pomdptool.make_model(T, Z, R, discount=0.9)
    faces = find_faces(model)
    assert [face.size for face in faces.faces] == [3, 3]
    assert equivalent_faces(faces) == [0, 0]
    calls = []
    backup_face = ExactRun._backup_face

    def noted(self: ExactRun, k: int, *rest: object) -> FaceBackup:
        calls.append(k)
        return backup_face(self, k, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ExactRun, "_backup_face", noted)
    solution = pomdptool.solve(model, "exact", horizon=3)
    assert set(calls) == {0}
    expected = naive.expectimax(model, model.start, 3)
    assert solution.bounds.lower == pytest.approx(expected, abs=1e-8)
    other = replace(model, name="other")
    assert equivalent_faces(find_faces(other)) == [0, 0]
    R[0, 0] += 1.0
    assert equivalent_faces(find_faces(pomdptool.make_model(T, Z, R, discount=0.9))) == [0, 1]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_aloha() -> None:
    """Two faces of ten states and one of eight: certified where exact sets are out of reach."""
    model = pomdptool.load(SHARED / "problems" / "aloha-10max.POMDP")
    precise = pomdptool.solve(model, "exact", horizon=4)
    assert precise.bounds.gap < 1e-6
    coarse = pomdptool.solve(model, "exact", horizon=7, precision=0.01)
    assert coarse.converged
    assert coarse.bounds.gap <= 0.01 * coarse.bounds.lower
    finer = pomdptool.solve(model, "exact", horizon=7, precision=0.005)
    assert coarse.bounds.lower <= finer.bounds.upper
    assert finer.bounds.lower <= coarse.bounds.upper


def test_highspy_is_loaded_by_programs_only() -> None:
    program = (
        "import sys, pomdptool; m = pomdptool.load(sys.argv[1]);"
        "pomdptool.solve(m, horizon=3); assert 'highspy' not in sys.modules;"
        "pomdptool.solve(m, horizon=3, algorithm='witness'); assert 'highspy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, ROOT / "problems" / "tiger.pomdp"], check=True)
