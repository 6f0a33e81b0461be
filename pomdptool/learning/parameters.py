"""What is learned: T, O, the start and how rewards are distributed, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pomdptool.model import Model
from pomdptool.sparse import FloatArray


def no_rewards() -> FloatArray:
    """A table of rewards of one level, which every step has: nothing is learned from it."""
    return np.ones((1, 1, 1, 1, 1))


@dataclass(frozen=True, eq=False, slots=True)
class Parameters:
    """Probabilities of a model with A actions, S states and O observations.

    Attributes
    ----------
    T
        T[a, s, s'], shape (A, S, S).
    Z
        Z[a, s', o], shape (A, S, O); or (1, S, O), shared by all actions.
    start
        Shape (S,).
    W
        W[a, s, s', o, k], the probability that a step's reward is of level k (see
        `pomdptool.learning.rewards`), of length 1 along axes that it does not depend on.
    terminal
        Shape (S,): the terminal states, where data tell which episodes ended in one; they are not
        learned. None: there are none, or nothing is known of them.
    """

    T: FloatArray
    Z: FloatArray
    start: FloatArray
    W: FloatArray = field(default_factory=no_rewards)
    terminal: NDArray[np.bool_] | None = None

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return len(self.start)

    @property
    def shared(self) -> bool:
        """Whether observations do not depend on the action."""
        return len(self.Z) == 1

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """T, Z, start and W."""
        return self.T, self.Z, self.start, self.W


def parameters_of(model: Model) -> Parameters:
    """Tables of a model; observations are shared where no action changes them.

    Raises
    ------
    ModelError
        Where the model is too large for dense tables.
    """
    Z = model.Z
    shared = bool((Z[:1] == Z).all())
    return Parameters(model.T, Z[:1] if shared else Z, model.start)
