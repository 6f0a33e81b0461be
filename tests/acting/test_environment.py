"""Environments in a loop of the user's."""

from __future__ import annotations

import numpy as np

import pomdptool
from models import tiger
from pomdptool.acting.agents import agent_for
from pomdptool.acting.environment import Environment, episode


def test_custom_loop_over_an_environment() -> None:
    model = tiger()
    policy = pomdptool.solve(model).policy
    environment, agent = Environment(model), agent_for(model, policy)
    rng, total = np.random.default_rng(0), []
    for _ in range(300):
        rows = list(episode(environment, agent, 60, rng))
        total.append(sum(model.discount**row.time * row.reward for row in rows))
    assert abs(np.mean(total) - 19.37) < 4.0 * np.std(total) / np.sqrt(300) + 1.0
