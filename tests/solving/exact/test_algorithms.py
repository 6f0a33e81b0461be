"""The classic algorithms against enumeration, the default algorithm and their certificates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

import naive_planning as naive
import pomdptool
from exact_cases import check_backup, make_branches, old_vectors
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.commands.main import cli
from pomdptool.errors import PomdpError
from pomdptool.model import Model
from pomdptool.solving.exact import lp_pruning
from pomdptool.solving.exact.algorithms import BACKUPS, find_algorithm
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.epsilon_pruning import (
    backup_by_epsilon_pruning,
)
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.solving.solve import ALGORITHMS

NAMES = list(BACKUPS)

# ------------------------------------------------------------ backups of one face


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("kind", ["dense", "whole", "sparse", "equal"])
@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_backup_is_the_maximum_of_all_sums(name: str, d: int, kind: str, keep_old: bool) -> None:
    for seed in range(3):
        branches, old = make_branches(10 * d + seed, d, kind), old_vectors(seed, d)
        step = BACKUPS[name](branches, old, keep_old=keep_old, monitor=Monitor())
        check_backup(step, branches, old, keep_old=keep_old)


@pytest.mark.parametrize("name", NAMES)
def test_all_algorithms_find_the_same_vectors(name: str) -> None:
    """The parsimonious set of dense numbers is unique."""
    for seed in range(5):
        branches, old = make_branches(seed, 4, "dense"), old_vectors(seed, 4)
        result = BACKUPS[name](branches, old, keep_old=False, monitor=Monitor()).new
        precise = backup_by_epsilon_pruning(
            branches, old, tolerance=1e-10, keep_old=False, monitor=Monitor()
        ).new
        assert result.vectors.shape == precise.vectors.shape
        distance = np.abs(result.vectors[:, None] - precise.vectors[None]).max(axis=2)
        assert distance.min(axis=1).max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_linear_programs_are_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a coarse margin every algorithm has a loss, within its bound."""
    monkeypatch.setattr(lp_pruning, "MARGIN", 0.1)
    monkeypatch.setattr(lp_pruning, "TRUSTED", 0.2)
    lost = []
    for seed in range(20):
        branches, old = make_branches(seed, 3, "dense"), old_vectors(seed, 3)
        step = BACKUPS[name](branches, old, keep_old=False, monitor=Monitor())
        check_backup(step, branches, old, keep_old=False, within=50.0)
        lost.append(step.loss)
    assert max(lost) > 0.1


# ------------------------------------------------------------ solutions


def sparse_model(seed: int, **sizes: int) -> Model:
    return random_model(seed, **sizes)


def doubled(seed: int) -> Model:
    """A model with every action and observation duplicated."""
    model = random_model(seed)
    T, Z, R = (np.repeat(x, 2, axis=0) for x in (model.T, model.Z, model.R))
    Z = np.repeat(Z, 2, axis=2) / 2.0
    return pomdptool.make_model(T, Z, np.repeat(R, 2, axis=3), discount=0.9, start=model.start)


def tied(seed: int) -> Model:
    """Small integer rewards and probabilities of 0.5 and 1: many vectors tie."""
    rng = np.random.default_rng(seed)
    T = (np.eye(3)[rng.integers(3, size=(3, 3))] + np.eye(3)[rng.integers(3, size=(3, 3))]) / 2
    Z = (np.eye(2)[rng.integers(2, size=(3, 3))] + np.eye(2)[rng.integers(2, size=(3, 3))]) / 2
    rewards = rng.integers(0, 3, size=(3, 3)).astype(float)
    return pomdptool.make_model(T, Z, rewards, discount=0.5)


def all_equal(seed: int) -> Model:
    model = random_model(seed)
    return pomdptool.make_model(model.T, model.Z, np.full((2, 3), -2.0), discount=0.9)


MODELS: dict[str, Callable[[int], Model]] = {
    "two states": partial(sparse_model, n_states=2, n_observations=3),
    "three states": partial(sparse_model, n_actions=3),
    "four states": partial(sparse_model, n_states=4),
    "one action": partial(sparse_model, n_actions=1),
    "one observation": partial(sparse_model, n_observations=1),
    "doubled": doubled,
    "tied": tied,
    "equal rewards": all_equal,
    "no discount": lambda seed: replace(random_model(seed), discount=0.0),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_finite_horizons_agree_with_the_default_and_with_expectimax(name: str, kind: str) -> None:
    for seed in range(2):
        model = MODELS[kind](seed)
        for horizon in (1, 2, 3, 4):
            default = pomdptool.solve(model, "exact", horizon=horizon).policy
            solution = pomdptool.solve(model, "exact", horizon=horizon, algorithm=name)
            assert solution.converged
            for b in random_beliefs(20, model.n_states, seed):
                assert solution.policy.value(b) == pytest.approx(default.value(b), abs=1e-7)
            expected = naive.expectimax(model, model.start, min(horizon, 3), None)
            if horizon <= 3:
                assert solution.bounds.lower <= expected + 1e-9
                assert expected - 1e-9 <= solution.bounds.upper <= expected + 1e-6


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_converged_runs_agree_with_the_default(name: str, kind: str) -> None:
    model = MODELS[kind](5)
    default = pomdptool.solve(model, "exact", precision=1e-5)
    solution = pomdptool.solve(model, "exact", precision=1e-5, algorithm=name)
    assert solution.converged
    assert solution.bounds.lower <= default.bounds.upper + 1e-9
    assert default.bounds.lower <= solution.bounds.upper + 1e-9
    scale = max(1.0, abs(default.bounds.lower))
    for b in random_beliefs(50, model.n_states):
        assert solution.policy.value(b) == pytest.approx(default.policy.value(b), abs=3e-5 * scale)


@pytest.mark.parametrize("name", NAMES)
def test_known_problems(name: str) -> None:
    """Faces of 4, 3 and 2 states; values agree with the default algorithm."""
    for problem, horizon in (("maze-4x3", 5), ("shuttle", 4), ("tiger", 6)):
        model = pomdptool.load(ROOT / "problems" / f"{problem}.pomdp")
        default = pomdptool.solve(model, "exact", horizon=horizon)
        solution = pomdptool.solve(model, "exact", horizon=horizon, algorithm=name)
        assert solution.bounds.lower == pytest.approx(default.bounds.lower, abs=1e-7)


# ------------------------------------------------------------ names, limits and options


def test_names_match_the_solver_options() -> None:
    assert tuple(BACKUPS) == ALGORITHMS
    assert pomdptool.solve(tiger(), algorithm="witness").policy.method == "exact"


def test_unknown_name_suggests_an_algorithm() -> None:
    with pytest.raises(PomdpError, match=r"no algorithm 'witnes'; did you mean 'witness'\?"):
        pomdptool.solve(tiger(), algorithm="witnes")
    with pytest.raises(PomdpError, match="'zzz': one of incremental, witness, linear-support"):
        find_algorithm("zzz")
    with pytest.raises(PomdpError, match="algorithm 'witness' is for method 'exact', not 'qmdp'"):
        pomdptool.solve(tiger(), "qmdp", algorithm="witness")


def count_checks(backup: Callable[[Monitor], object]) -> int:
    """Number of times that a backup checks its monitor."""
    count = [0]

    def interrupted() -> bool:
        count[0] += 1
        return False

    backup(Monitor(interrupted=interrupted))
    return count[0]


@pytest.mark.parametrize("name", [*NAMES, None])
def test_limits_stop_a_backup(name: str | None) -> None:
    branches, old = make_branches(2, 5, "dense"), old_vectors(2, 5)

    def backup(monitor: Monitor) -> FaceBackup:
        if name is None:
            return backup_by_epsilon_pruning(
                branches, old, tolerance=1e-9, keep_old=True, monitor=monitor
            )
        return BACKUPS[name](branches, old, keep_old=True, monitor=monitor)

    assert count_checks(backup) > 4
    for after in (0, 1, count_checks(backup) // 2, count_checks(backup) - 1):
        left = [after]

        def interrupted(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        with pytest.raises(LimitReached, match="interrupted"):
            backup(Monitor(interrupted=interrupted))


@pytest.mark.parametrize("name", NAMES)
def test_stopped_runs_return_valid_bounds(name: str) -> None:
    model = random_model(4, n_states=4, n_actions=3, n_observations=3, discount=0.95)
    exact_value = pomdptool.solve(model, "exact", horizon=6).bounds.lower
    few = pomdptool.solve(model, "exact", horizon=6, algorithm=name, max_vectors=6)
    assert few.stop_reason == "max-vectors"
    late = pomdptool.solve(model, "exact", horizon=6, algorithm=name, time_limit=0.0)
    assert late.stop_reason == "time-limit"
    for solution in (few, late):
        assert not solution.converged
        assert solution.bounds.lower <= exact_value <= solution.bounds.upper


def test_options_without_effect_are_errors_or_warnings() -> None:
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


def test_highspy_is_imported_only_for_linear_programs() -> None:
    program = (
        "import sys, pomdptool; m = pomdptool.load(sys.argv[1]);"
        "pomdptool.solve(m, horizon=3); assert 'highspy' not in sys.modules;"
        "pomdptool.solve(m, horizon=3, algorithm='witness'); assert 'highspy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, ROOT / "problems" / "tiger.pomdp"], check=True)
