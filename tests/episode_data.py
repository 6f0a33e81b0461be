"""Episodes and learned tables that several tests of learning draw from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pomdptool as pt
from naive_learning import Steps
from pomdptool.episodes import NONE, TERMINATED, TRUNCATED, Episodes
from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.em import EM, EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor
from pomdptool.model import Model, make_model


def rows(rng: np.random.Generator, *shape: int, zeros: float = 0.0) -> np.ndarray:
    weights = rng.exponential(size=shape) * (rng.random(shape) >= zeros)
    weights[..., 0] += 1e-3
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def random_parameters(
    seed: int, S: int = 3, A: int = 2, Z: int = 2, *, shared: bool = False, zeros: float = 0.0
) -> Parameters:
    rng = np.random.default_rng(seed)
    return Parameters(
        rows(rng, A, S, S, zeros=zeros), rows(rng, 1 if shared else A, S, Z), rows(rng, S)
    )


def episodes_of(lots: list[Steps], A: int = 2, Z: int = 2) -> Episodes:
    flat = np.array([step for lot in lots for step in lot], dtype=np.int64).reshape(-1, 2)
    first = np.cumsum([0, *map(len, lots)])
    names = tuple(map(str, range(max(A, Z))))
    return Episodes(names[:A], names[:Z], flat[:, 0].copy(), flat[:, 1].copy(), first)


def random_steps(
    rng: np.random.Generator, n: int, A: int = 2, Z: int = 2, *, early: bool = False
) -> Steps:
    """Some observations are missing; `early` has one before any action."""
    steps = [(int(rng.integers(A)), int(rng.integers(-1, Z))) for _ in range(n)]
    return [(NONE, int(rng.integers(-1, Z))), *steps] if early else steps


def em_run(
    parameters: Parameters,
    lots: list[Steps],
    settings: MStepSettings,
    *,
    accelerate: bool,
    iterations: int = 30,
) -> EMRun:
    A, Z = len(parameters.T), parameters.Z.shape[2]
    run = EMRun(0, None, parameters)
    with Threads(1) as threads:
        em = EM(
            encode(episodes_of(lots, A, Z)), settings, threads, LearningMonitor(),
            0.0, iterations, accelerate,
        )  # fmt: skip
        em.improve(run)
    return run


NO_PRIORS = MStepSettings(0.0, 0.0, 0.0)


def logged(
    model: Model, n: int, length: int, rng: np.random.Generator, actions: int | None = None
) -> Episodes:
    """Sample episodes with rewards R[a, s], actions uniformly at random."""
    A = actions or model.n_actions
    s = (rng.random((n, 1)) > model.start.cumsum()).sum(axis=1)
    chosen, observed, paid = (np.zeros((n, length)) for _ in range(3))
    for t in range(length):
        a = rng.integers(A, size=n)
        paid[:, t] = model.expected_rewards[a, s]
        s = (rng.random((n, 1)) > model.T[a, s].cumsum(axis=1)).sum(axis=1)
        chosen[:, t] = a
        observed[:, t] = (rng.random((n, 1)) > model.Z[a, s].cumsum(axis=1)).sum(axis=1)
    return Episodes(
        model.actions,
        model.observations,
        chosen.ravel().astype(np.int64),
        observed.ravel().astype(np.int64),
        np.arange(n + 1) * length,
        paid.ravel(),
    )


def written(data: Episodes, path: Path) -> Path:
    """Write episodes as CSV."""
    assert data.rewards is not None
    lines = ["episode,step,action,observation,reward"]
    for e in range(data.n_episodes):
        lines += [
            f"{e},{t - data.first[e]},{data.action_names[data.actions[t]]},"
            f"{data.observation_names[data.observations[t]]},{float(data.rewards[t])}"
            for t in range(data.first[e], data.first[e + 1])
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def numbered(n: int, *, actions: bool) -> Episodes:
    """Steps of n different actions, or observations."""
    many, few = np.arange(n), np.arange(n) % 2
    names, two = tuple(map(str, range(n))), ("x", "y")
    first = np.array([0, n])
    if actions:
        return Episodes(names, two, many, few, first)
    return Episodes(two, names, few, many, first)


def counted(parameters: Parameters, episodes: list[Steps], threads: int = 1) -> ExpectedCounts:
    A, Z = len(parameters.T), parameters.Z.shape[2]
    with Threads(threads) as pool:
        return expected_counts(parameters, encode(episodes_of(episodes, A, Z)), pool)


def shared_model(seed: int, S: int) -> Model:
    rng = np.random.default_rng(seed)
    T, Z = rows(rng, 2, S, S, zeros=0.3), rows(rng, S, 2)
    return make_model(T, Z, discount=0.9, start=rows(rng, S))


def some_steps(S: int, *, early: bool) -> list[Steps]:
    rng = np.random.default_rng(S)
    return [random_steps(rng, n, early=early and n % 2 == 0) for n in (5, 4, 1)]


PATH_CASES = [(S, shared) for S in (1, 2, 3, 5) for shared in (False, True)]


def path_case(S: int, shared: bool) -> tuple[Model, list[Steps]]:
    if shared:
        return shared_model(S, S), some_steps(S, early=True)
    rng = np.random.default_rng(S)
    model = make_model(rows(rng, 2, S, S), rows(rng, 2, S, 2), discount=0.9, start=rows(rng, S))
    return model, some_steps(S, early=False)


def terminated_episodes() -> tuple[pt.Model, Episodes]:
    """Each step ends the episode with 1/4; nothing is seen of it but that."""
    model = make_model(
        [[[0.75, 0.25], [0.0, 1.0]]], np.ones((1, 2, 1)), [[1.0, 0.0]], discount=0.9, start=[1, 0]
    )
    flat = np.zeros(6, dtype=np.int64)
    first, ends = np.array([0, 3, 5, 6]), np.array([TERMINATED, TRUNCATED, TERMINATED])
    return model, Episodes(model.actions, model.observations, flat, flat, first, ends=ends)
