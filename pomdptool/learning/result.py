"""The result of learning: the model, its likelihood and the course of EM."""

from __future__ import annotations

from dataclasses import dataclass, field
from warnings import warn

from pomdptool.learning.criteria import aic, bic
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import LearnedRewards
from pomdptool.model import Model
from pomdptool.readable import Readable, counted
from pomdptool.trace import Restart


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Fit(Readable):
    """A learned model.

    Attributes
    ----------
    model
        The model, with states named "0", "1", ..., and rewards if the data have them.
    estimate
        Its parameters as arrays, with the probabilities of the reward bins.
    loglik
        Log-likelihood of the observations. NaN, as is `joint`, if a limit was reached before.
    joint
        Log-likelihood of observations and binned rewards (see `pomdptool.learning.rewards`), the
        objective of learning; equals `loglik` without rewards.
    n_steps, n_observed, n_informative
        Number of steps; of those with an observation; of those with an observation or a reward.
    iterations, history
        EM iterations of the best restart, and `joint` after each.
    restarts
        All restarts, in order.
    converged, stop_reason
        Whether the gain fell below the tolerance; "tolerance", "rounding", "iterations",
        "interrupted" or "time-limit".
    parameters
        Number of free parameters learned, including those of the reward probabilities.
    rewards
        R and expected visits; None without rewards.
    """

    model: Model
    estimate: Parameters
    loglik: float
    joint: float
    n_steps: int
    n_observed: int
    n_informative: int
    iterations: int
    history: tuple[float, ...]
    restarts: tuple[Restart, ...]
    converged: bool
    stop_reason: str
    parameters: int
    warnings: tuple[str, ...] = ()
    rewards: LearnedRewards | None = None
    settings: MStepSettings = field(default_factory=MStepSettings)

    def _summary(self) -> str:
        sizes = f"{counted(self.model.n_states, 'state')}, {counted(self.n_steps, 'step')}"
        likelihood = f"log-likelihood {self.loglik:.8g}, BIC {self.bic:.8g}"
        return f"{sizes}, {likelihood}, stopped by {self.stop_reason}"

    @property
    def tables(self) -> Parameters:
        """Former name of `estimate`."""
        warn("Fit.tables is now Fit.estimate", DeprecationWarning, stacklevel=2)
        return self.estimate

    @property
    def loglik_per_step(self) -> float:
        """Log-likelihood per observation."""
        return self.loglik / max(1, self.n_observed)

    @property
    def joint_per_step(self) -> float:
        """Log-likelihood of observations and rewards, per step with either."""
        return self.joint / max(1, self.n_informative)

    @property
    def bic(self) -> float:
        """BIC of `joint`, with n the number of steps with an observation or a reward."""
        return bic(self.parameters, self.joint, self.n_informative)

    @property
    def aic(self) -> float:
        """AIC of `joint`."""
        return aic(self.parameters, self.joint)
