"""Parameters of a POMDP as dense arrays: T, O, the initial belief and reward probabilities."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pomdptool.model import Model
from pomdptool.sparse import FloatArray


def no_rewards() -> FloatArray:
    """W with a single reward bin: rewards are ignored."""
    return np.ones((1, 1, 1, 1, 1))


@dataclass(frozen=True, eq=False, slots=True)
class Parameters:
    """Parameters of a model with A actions, S states, O observations and K reward bins.

    Attributes
    ----------
    T
        T[a, s, s'], shape (A, S, S).
    Z
        Z[a, s', o], shape (A, S, O), or (1, S, O) if observations do not depend on the action.
    start
        Initial belief, shape (S,).
    W
        W[a, s, s', o, k], the probability that the reward lies in bin k (see
        `pomdptool.learning.rewards`); length 1 along axes it does not depend on.
    terminal
        Mask of the terminal states, shape (S,), which is not learned; None if there are none or if
        the data do not record how episodes ended.
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
    """Parameters of a model; Z is shared if observations do not depend on the action.

    Raises ModelError if the model is too large for dense arrays.
    """
    Z = model.Z
    shared = bool((Z[:1] == Z).all())
    return Parameters(model.T, Z[:1] if shared else Z, model.start)
