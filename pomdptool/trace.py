"""Records of runs: steps of simulated episodes, and iterations of learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step of an episode.

    Attributes
    ----------
    episode, step
        Numbers from 0.
    state
        Name of the state before the action; empty if unknown.
    belief
        Probabilities of states before the action, by name; empty without a belief.
    reward
        The cost, if the model has costs.
    sims, visits, values
        Number of simulations of an online planner; visits and value of each action (None if not
        visited).
    """

    episode: int
    step: int
    state: str
    belief: dict[str, float]
    action: str
    observation: str
    reward: float
    sims: int | None = None
    visits: tuple[int, ...] = ()
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Restart:
    """One run of EM, with the seed of its random initialisation (None: the user's model).

    The log-likelihood is that of observations and rewards.
    """

    seed: int | None
    loglik: float
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class FitReport:
    """The course of learning.

    Attributes
    ----------
    states, steps
        Number of states of the model, and number of steps of the data.
    history
        Log-likelihood of observations and rewards after each iteration of the best run.
    restarts
        All runs.
    details
        Other entries, by the keys of the JSON document.
    """

    states: int
    steps: int
    history: tuple[float, ...]
    restarts: tuple[Restart, ...]
    details: dict[str, Any] = field(default_factory=dict)
