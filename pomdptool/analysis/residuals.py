"""Bellman residuals of a policy's value function at beliefs visited in simulated episodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import agent_for
from pomdptool.acting.environment import Environment, episode
from pomdptool.analysis.bellman import bellman_residuals
from pomdptool.limits import LimitReached, Limits
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray

BELIEFS = 200
"""Default number of beliefs."""

WORK = 50_000_000_000
"""Multiplications, in products of dense matrices, that residuals take by default; a few seconds."""


@dataclass(frozen=True, eq=False, slots=True)
class Residuals:
    """Bellman residuals of n distinct beliefs, shape (n,).

    `beliefs` counts the visited beliefs that are equal to one of these. `stop_reason` is
    "time-limit", "interrupted" or "work" if others are missing, else None.
    """

    values: FloatArray
    beliefs: int
    stop_reason: str | None


def visited_residuals(
    model: Model,
    policy: SolvedPolicy,
    beliefs: int | None,
    *,
    rng: np.random.Generator,
    limits: Limits,
    on_belief: Callable[[int], None],
) -> Residuals:
    """Bellman residuals at visited beliefs.

    Parameters
    ----------
    beliefs
        Number of beliefs; None for `BELIEFS`, or as many of them as take about `WORK`.
    on_belief
        Called with the number of beliefs done.
    """
    left = WORK if beliefs is None else math.inf
    found, done = [np.zeros(0)], 0
    reason: str | None = None

    def tick(work: int) -> None:
        nonlocal left
        limits.check()
        left -= work
        if done and left < 0:
            raise LimitReached("work")

    try:
        visited = visited_beliefs(model, policy, beliefs or BELIEFS, rng, limits.check)
        distinct, first, counts = np.unique(
            np.array(visited), axis=0, return_index=True, return_counts=True
        )
        order = np.argsort(first)  # as they were visited
        for part in bellman_residuals(model, policy.values, distinct[order], tick):
            found.append(part)
            done = sum(map(len, found))
            on_belief(int(counts[order[:done]].sum()))
    except LimitReached as stopped:
        reason = stopped.reason
    n = int(counts[order[:done]].sum()) if done else 0
    return Residuals(np.concatenate(found), n, reason)


def visited_beliefs(
    model: Model,
    policy: SolvedPolicy,
    count: int,
    rng: np.random.Generator,
    check: Callable[[], None] = lambda: None,
) -> list[FloatArray]:
    """Beliefs visited by a policy in simulated episodes, at most `count`.

    `check` is called after every step and may raise.
    """
    environment, agent = Environment(model), agent_for(model, policy)
    visited: list[FloatArray] = []
    for _ in range(count):
        for step in episode(environment, agent, max(1, count // 10), rng, beliefs=True):
            check()
            assert step.belief is not None
            visited.append(step.belief)
            if len(visited) >= count:
                return visited
    return visited or [model.start]
