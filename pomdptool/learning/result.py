"""What learning returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from pomdptool.learning.criteria import aic, bic
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import LearnedRewards
from pomdptool.model import Model
from pomdptool.trace import Restart


@dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """A learned model and how it came about.

    Attributes
    ----------
    model
        States are named "0", "1", ...; with rewards where the data have them.
    tables
        The same as arrays, with the distributions of rewards' levels.
    loglik
        Log-likelihood of the observations of all episodes. NaN, as is `joint`, where a limit was
        met before it was known.
    joint
        Log-likelihood of observations and rewards, which is what learning raises; of rewards by
        their levels (see `pomdptool.learning.rewards`). The same as `loglik` without rewards.
    n_steps, n_observed, n_informative
        Steps of all episodes; those with an observation; those with an observation or a reward.
    iterations, history
        Passes over the data of the best start, and `joint` after each.
    restarts
        All starts, in order.
    converged, stop_reason
        Whether the gain has fallen below the tolerance; "tolerance", "rounding", "iterations",
        "interrupted" or "time-limit".
    parameters
        Free parameters that were learned, those of the rewards' distributions among them.
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

    @property
    def loglik_per_step(self) -> float:
        """Log-likelihood of the observations, per step with one."""
        return self.loglik / max(1, self.n_observed)

    @property
    def joint_per_step(self) -> float:
        """Log-likelihood of observations and rewards, per step with one of them."""
        return self.joint / max(1, self.n_informative)

    @property
    def bic(self) -> float:
        """BIC of `joint`; n counts steps with an observation or a reward, others are no data."""
        return bic(self.parameters, self.joint, self.n_informative)

    @property
    def aic(self) -> float:
        """AIC of `joint`."""
        return aic(self.parameters, self.joint)
