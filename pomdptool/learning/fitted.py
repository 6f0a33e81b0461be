"""What learning returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.learning.maximisation import Settings
from pomdptool.learning.rewards import LearnedRewards
from pomdptool.learning.tables import Tables
from pomdptool.model import Model


@dataclass(frozen=True, slots=True)
class Restart:
    """What came of one start: the seed that it was drawn with, None for a model that was given.

    The log-likelihood is that of observations and rewards.
    """

    seed: int | None
    loglik: float
    iterations: int
    converged: bool


@dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """A learned model and how it came about.

    Attributes
    ----------
    model
        States are named "0", "1", ...; with rewards where the data have them.
    tables
        The same as arrays, with the distributions of rewards' levels.
    loglik, n_steps
        Log-likelihood of the observations of all episodes, and how many steps these have.
    joint
        Log-likelihood of observations and rewards, which is what learning raises; of rewards by
        their levels (see `pomdptool.learning.rewards`). The same as `loglik` without rewards.
    iterations, history
        Passes over the data of the best start, and `joint` after each.
    restarts
        All starts, in order.
    converged, stop_reason
        Whether the gain has fallen below the tolerance; "tolerance", "iterations", "interrupted"
        or "time-limit".
    parameters
        Free parameters that were learned, those of the rewards' distributions among them.
    rewards
        R with standard errors; None without rewards.
    """

    model: Model
    tables: Tables
    loglik: float
    joint: float
    n_steps: int
    iterations: int
    history: tuple[float, ...]
    restarts: tuple[Restart, ...]
    converged: bool
    stop_reason: str
    parameters: int
    warnings: tuple[str, ...] = ()
    rewards: LearnedRewards | None = None
    settings: Settings = field(default_factory=Settings)

    @property
    def loglik_per_step(self) -> float:
        """Log-likelihood per step."""
        return self.loglik / self.n_steps

    @property
    def bic(self) -> float:
        """Bayesian information criterion, p log n - 2 joint (Schwarz 1978); less is better."""
        return self.parameters * float(np.log(self.n_steps)) - 2.0 * self.joint

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 p - 2 joint (1974); less is better."""
        return 2.0 * self.parameters - 2.0 * self.joint
