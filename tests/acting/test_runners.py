"""Episode runners: kernels and Python agents."""

from __future__ import annotations

import numpy as np

import pomdptool
from models import tiger
from pomdptool.acting.agents import agent_for, compiled_agent
from pomdptool.acting.environment import Environment
from pomdptool.acting.runners import AgentRunner, CompiledRunner, returns_of


def test_python_agents_act_like_compiled_ones() -> None:
    model = tiger()
    policy = pomdptool.solve(model, "exact").policy
    agent = compiled_agent(model, policy)
    assert agent is not None
    runners = (
        CompiledRunner(model, agent, 20),
        AgentRunner(Environment(model), agent_for(model, policy), 20),
    )
    means = []
    for runner in runners:
        batch = runner.run(0, 400, np.random.default_rng(1))
        assert batch.lengths.tolist() == [20] * 400
        assert not batch.terminated.any()
        means.append(returns_of(batch, model.discount).returns.mean())
    assert abs(means[0] - means[1]) < 5.0
