"""Simulated returns against values and bounds."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pomdptool
from models import SHARED, tiger
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.runners import RecordedStep
from pomdptool.acting.simulate import simulate
from pomdptool.belief import update_belief

SHARED_PROBLEMS = [p for p in (SHARED / "problems").glob("*.POMDP") if p.stem != "ejs7"]


@pytest.mark.parametrize("method", ["sarsop", "exact", "qmdp"])
def test_mean_return_of_a_saved_policy_is_its_value(method: str) -> None:
    model = tiger()
    policy = pomdptool.solve(model, method).policy
    result = simulate(model, policy, episodes=4000, rng=np.random.default_rng(5))
    assert result.mean + 4.0 * result.standard_error + 0.2 >= policy.bounds.lower
    if method != "qmdp":
        assert abs(result.mean - 19.37) < 4.0 * result.standard_error + 0.2
    assert result.terminated == 0


@pytest.mark.parametrize("path", SHARED_PROBLEMS, ids=lambda path: path.stem)
def test_mean_return_lies_between_the_bounds(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = pomdptool.load(path)
    if model.discount == 1.0:
        pytest.skip("discount 1")
    policy = pomdptool.solve(model, time_limit=2.0).policy
    result = simulate(model, policy, episodes=1000, rng=np.random.default_rng(1))
    missed = 3.0 * result.standard_error + result.truncation_bound
    assert result.mean >= policy.bounds.lower - missed - 1e-9
    assert result.mean <= policy.bounds.upper + missed + 1e-9


@pytest.mark.parametrize("threads", [2, 3])
def test_results_do_not_depend_on_threads(threads: int) -> None:
    model = tiger()
    solved = pomdptool.solve(model, "exact").policy
    for policy in (solved, None, Pomcp(model, sims=50)):
        runs = [
            simulate(
                model, policy, episodes=40, steps=20, rng=np.random.default_rng(7), threads=n
            ).returns
            for n in (1, threads)
        ]
        assert (runs[0] == runs[1]).all()


def test_random_actions_are_reproducible() -> None:
    """Also if every step is reported."""
    model = tiger()
    actions: list[list[int]] = []
    for seed in (1, 1, 2):
        actions.append([])
        simulate(
            model,
            None,
            episodes=2,
            steps=20,
            rng=np.random.default_rng(seed),
            on_step=lambda s: actions[-1].append(s.step.action),
        )
    assert actions[0] == actions[1] != actions[2]


@pytest.mark.parametrize("method", ["sarsop", "exact", None])
def test_reporting_steps_does_not_change_them(method: str | None) -> None:
    model = tiger()
    policy = None if method is None else pomdptool.solve(model, method).policy
    arguments: dict[str, Any] = {"episodes": 100, "steps": 12}
    plain = simulate(model, policy, rng=np.random.default_rng(3), **arguments)
    steps: list[RecordedStep] = []
    told = simulate(model, policy, rng=np.random.default_rng(3), on_step=steps.append, **arguments)
    assert (told.returns == plain.returns).all()
    assert [(s.episode, s.step.time) for s in steps] == list(np.ndindex(100, 12))
    returns = np.zeros(100)
    for recorded in steps:
        step = recorded.step
        returns[recorded.episode] += 0.95**step.time * step.reward
    for first, second in pairwise(recorded.step for recorded in steps):
        assert first.belief is not None
        assert second.belief is not None
        expected = model.start
        if second.time > 0:
            expected, _ = update_belief(model, first.belief, first.action, first.observation)
            assert second.state == first.next_state
        assert second.belief.tolist() == expected.tolist()
    assert returns == pytest.approx(told.returns)


def test_an_interrupt_keeps_the_episodes_that_were_reported() -> None:
    model = tiger()
    steps: list[RecordedStep] = []
    result = simulate(
        model,
        pomdptool.solve(model).policy,
        episodes=100,
        steps=5,
        rng=np.random.default_rng(1),
        on_step=steps.append,
        interrupted=lambda: len(steps) > 5 * 70,  # in the second batch of episodes
    )
    assert result.interrupted
    assert len(result.returns) == 70
    assert len(steps) == 5 * 70 + 1


def test_interrupted_simulation_returns_completed_episodes() -> None:
    model = tiger()
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] == 33  # after five steps, each asked of twice, and once more, three times

    planner = Pomcp(model, sims=20)
    result = simulate(
        model,
        planner,
        episodes=1000,
        steps=5,
        rng=np.random.default_rng(1),
        interrupted=interrupted,
    )
    assert result.interrupted
    assert len(result.returns) == 3


@pytest.mark.parametrize(
    ("old", "new", "value"), [("on_seen", "on_step", print), ("at_once", "batch_size", 2)]
)
def test_former_keywords_are_accepted_with_a_warning(old: str, new: str, value: object) -> None:
    def returns(**keyword: Any) -> list[float]:
        rng = np.random.default_rng(3)
        return list(simulate(tiger(), None, episodes=3, steps=4, rng=rng, **keyword).returns)

    with pytest.warns(DeprecationWarning, match=f"{old}= is now {new}="):
        former = returns(**{old: value})
    assert former == returns(**{new: value})
