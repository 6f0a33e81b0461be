"""The worked example: an opponent in the repeated prisoner's dilemma, learned and answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pomdptool
from models import ROOT
from pomdptool.acting.sample import sample
from processes import run

OPPONENT = ROOT / "problems" / "tit-for-two-tats.pomdp"
BEST = sum(0.95**t * (5.0, 3.0)[t % 2] for t in range(2000))
"""To defect and cooperate in turn."""


def test_the_model_plays_tit_for_two_tats() -> None:
    """Games sampled from it are those of the strategy, written in a line."""
    games = sample(pomdptool.load(OPPONENT), episodes=50, steps=40, rng=np.random.default_rng(1))
    pay = {("C", "C"): 3.0, ("C", "D"): 0.0, ("D", "C"): 5.0, ("D", "D"): 1.0}
    assert games.rewards is not None
    for e in range(games.n_episodes):
        at = games.episode(e)
        mine = "".join("CD"[a] for a in games.actions[at])
        its = ["D" if mine[max(0, t - 2) : t] == "DD" else "C" for t in range(40)]
        assert its == ["CD"[o] for o in games.observations[at]]
        paid = [pay[pair] for pair in zip(mine, its, strict=True)]
        assert games.rewards[at].tolist() == paid


@pytest.mark.parametrize(
    "how", [["--states", "5"], ["--states", "2:5", "--restarts", "4"], ["--method", "udm"]]
)
def test_the_learned_opponent_is_answered_best(how: list[str], tmp_path: Path) -> None:
    games, learned, policy = (tmp_path / name for name in ("games.csv", "it.pomdp", "p.json"))
    drawn = ("--episodes", "300", "--steps", "50", "--seed", "2")
    assert run("sample", OPPONENT, *drawn, "-o", games).returncode == 0
    fitted = run("fit", games, *how, "--seed", "1", "-o", learned)
    assert fitted.returncode == 0, fitted.stderr
    assert run("solve", learned, "-q", "-o", policy).returncode == 0
    model = pomdptool.load(OPPONENT)
    found = pomdptool.carried(pomdptool.load_policy(policy), model)
    assert found.values.value(model.start) == pytest.approx(BEST, abs=1e-6)
