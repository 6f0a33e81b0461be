"""Acting on one core, after compilation: simulations of POMCP, steps of saved policies, threads.

    python tests/bench/acting.py

Searches are from the start belief with random rollouts, 100,000 simulations, best of three.
pomdp-py runs beside on the tiger where it is installed; AI-Toolbox (05c935c, C++) is told as
recorded on another machine, 2 cores of a Xeon at 2.1 GHz.
"""

from __future__ import annotations

import importlib.util
import time
import warnings

import numpy as np

import pomdptool
from bench.anytime import path_of
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.search_settings import Prior
from pomdptool.acting.simulate import simulate
from pomdptool.model import Model

SEARCHES = (
    ("tiger.95", 20, 100.0, "440k"),
    ("tag", 50, 20.0, "310k"),
    ("RockSample_7_8", 50, 20.0, "512k"),
    ("hallway2", 50, 1.0, "287k"),
)
SIMS = 100_000


def searched(model: Model, depth: int, exploration: float) -> float:
    """Simulations per second of a fresh search."""
    A, best = model.n_actions, 0.0
    planner = Pomcp(
        model,
        sims=SIMS,
        depth=depth,
        exploration=exploration,
        rollout="random",
        exact=True,
        prior=Prior(np.zeros(A, np.int64), np.zeros(A)),
    )
    for _ in range(4):  # the first one compiles
        planner.reset()
        began = time.perf_counter()
        planner.act()
        best = max(best, SIMS / (time.perf_counter() - began))
    return best


def theirs(depth: int) -> str:
    """Simulations per second of pomdp-py on its own tiger."""
    if importlib.util.find_spec("pomdp_py") is None:
        return "-"
    import pomdp_py
    from pomdp_py.problems.tiger.tiger_problem import TigerProblem, TigerState

    belief = pomdp_py.Histogram({TigerState("tiger-left"): 0.5, TigerState("tiger-right"): 0.5})
    problem = TigerProblem(0.15, TigerState("tiger-left"), belief)
    planner = pomdp_py.POUCT(
        max_depth=depth,
        discount_factor=0.95,
        num_sims=10_000,
        exploration_const=100,
        rollout_policy=problem.agent.policy_model,
    )
    began = time.perf_counter()
    planner.plan(problem.agent)
    return f"{10_000 / (time.perf_counter() - began):,.0f}"


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    print(f"{'search':<20}{'depth':>6}{'ours, sims/s':>16}{'pomdp-py':>12}{'AI-Toolbox*':>14}")
    for name, depth, exploration, recorded in SEARCHES:
        path = path_of(name)
        if path is None:
            continue
        rate = searched(pomdptool.load(path), depth, exploration)
        beside = theirs(depth) if name == "tiger.95" else ""
        print(f"{name:<20}{depth:>6}{rate:>16,.0f}{beside:>12}{recorded:>14}", flush=True)
    print("\n" + f"{'saved policy':<20}{'method':>10}{'steps/s':>14}")
    for name, method in (("tiger.95", "exact"), ("hallway2", "sarsop"), ("tag", "sarsop")):
        path = path_of(name)
        if path is None:
            continue
        model = pomdptool.load(path)
        policy = pomdptool.solve(model, method, time_limit=5.0).policy
        for episodes in (100, 2000):
            result = simulate(model, policy, episodes=episodes, rng=np.random.default_rng(1))
        print(f"{name:<20}{method:>10}{result.lengths.sum() / result.seconds:>14,.0f}", flush=True)
    model = pomdptool.load(path_of("tiger.95") or "")
    seconds: dict[int, float] = {}
    for threads in (1, 2, 1, 2):
        planner = Pomcp(model, sims=2000)
        result = simulate(
            model, planner, episodes=16, rng=np.random.default_rng(1), threads=threads
        )
        seconds[threads] = min(seconds.get(threads, np.inf), result.seconds)
    print(f"\ntwo threads play {seconds[1] / seconds[2]:.2f} times the episodes of one")
    print("* recorded on another machine")


if __name__ == "__main__":
    main()
