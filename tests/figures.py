"""Policies and graphs to draw, and the text of figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models import random_model
from pomdptool.drawing import canvas
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, Problem, SolvedPolicy, problem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def policy_of(model: Model, values: np.ndarray, actions: list[int]) -> SolvedPolicy:
    """A policy of these vectors, with bounds over time."""
    return SolvedPolicy(
        problem=problem_of(model),
        method="exact",
        values=AlphaVectors(np.array(actions), values),
        bounds=Bounds(1.0, 2.0),
        converged=True,
        stop_reason="precision",
        trace=((0.1, -np.inf, 9.0, 1), (0.2, 0.5, 3.0, 2), (0.4, 1.0, 2.0, 3)),
    )


def named(n: int, actions: int, observations: int, word: str = "") -> Problem:
    model = random_model(1, n, actions, observations)
    return replace(
        problem_of(model),
        actions=tuple(f"{word}action-{a}" for a in range(actions)),
        observations=tuple(f"{word}sight-{o}" for o in range(observations)),
    )


def random_graph(n: int, actions: int, observations: int, seed: int = 1) -> PolicyGraph:
    """A graph whose start reaches all nodes."""
    rng = np.random.default_rng(seed)
    links = rng.integers(NOWHERE, n, size=(n, observations))
    links[np.arange(n - 1) // 2, np.arange(n - 1) % 2] = np.arange(1, n)
    return PolicyGraph(rng.integers(actions, size=n), links)


def svg_of(figure: Figure) -> str:
    """Text of a figure, drawn with the style that files have."""
    return canvas.render(lambda: figure, "svg").decode()
