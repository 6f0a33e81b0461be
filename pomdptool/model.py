"""POMDP models as sparse matrices, validated on construction.

In state s action a leads to s' with probability T[a, s, s'], to observation o with probability
Z[a, s', o], and to the reward R[a, s, s', o]. Rewards are maximised; costs are stored negated, with
the flag `costs`. An MDP has observable states: Z is the identity, and the flag `mdp` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pomdptool.belief_input import belief_over, index_of_name
from pomdptool.distributions import Renormalised, checked_rows, checked_start
from pomdptool.errors import ModelError
from pomdptool.filtering import arrivals, posterior
from pomdptool.model_input import names_of, observation_rows, transition_rows
from pomdptool.readable import Readable, counted, short_name
from pomdptool.rewards import Rewards, by_state_only, four_axes, reward_table
from pomdptool.sparse import (
    FloatArray,
    IntArray,
    SparseRows,
    read_only,
)
from pomdptool.steps import Steps, steps_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

V = TypeVar("V")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Model(Readable):
    """A POMDP with A actions, S states and Z observations. Make one with `make_model` or `load`.

    Attributes
    ----------
    states, actions, observations
        Names; "0", "1", ... if the file only gives their number.
    sparse_T
        Transition probabilities: row a * S + s, column s'.
    sparse_Z
        Observation probabilities: row a * S + s', column o.
    rewards
        R; see `pomdptool.rewards`.
    start
        Initial belief, shape (S,).
    discount
        In [0, 1], per step.
    costs
        Whether the file of the model gives costs; R holds rewards (negated costs) nevertheless.
    mdp
        Whether the states are observable and the file has no observations.
    name
        File stem, for messages.
    renormalised
        Renormalisation of each table ("T", "O", "start").
    """

    states: tuple[str, ...]
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    sparse_T: SparseRows
    sparse_Z: SparseRows
    rewards: Rewards
    start: FloatArray
    discount: float
    costs: bool = False
    mdp: bool = False
    name: str = field(default="", compare=False)
    renormalised: dict[str, Renormalised] = field(default_factory=dict, compare=False)
    _cache: dict[str, Any] = field(default_factory=dict, init=False, compare=False)

    def _summary(self) -> str:
        sizes = (self.n_states, "state"), (self.n_actions, "action")
        parts = [counted(n, noun) for n, noun in sizes]
        kind = "observable states" if self.mdp else counted(self.n_observations, "observation")
        return f"{short_name(self.name)}: {', '.join(parts)}, {kind}, discount {self.discount:g}"

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return len(self.states)

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return len(self.actions)

    @property
    def n_observations(self) -> int:
        """Number of observations Z."""
        return len(self.observations)

    @property
    def T(self) -> FloatArray:
        """T[a, s, s'], dense and read-only. Raises ModelError if it is too large."""
        return self._cached("T", lambda: self.sparse_T.dense("T", self.n_actions))

    @property
    def Z(self) -> FloatArray:
        """Z[a, s', o], dense and read-only. Raises ModelError if it is too large."""
        return self._cached("Z", lambda: self.sparse_Z.dense("Z", self.n_actions))

    @property
    def R(self) -> FloatArray:
        """R[a, s, s', o], shape (A, S, S, Z), read-only: a view that needs no memory of its own.

        If R is stored on the support of T and Z, impossible steps have reward 0.
        Raises ModelError if it is too large.
        """
        tables = (self.sparse_T, self.sparse_Z, self.n_actions)
        shape = (self.n_actions, self.n_states, self.n_states, self.n_observations)
        return self._cached("R", lambda: np.broadcast_to(self.rewards.dense(*tables), shape))

    @property
    def expected_rewards(self) -> FloatArray:
        """Expected immediate rewards r[a, s], shape (A, S), read-only."""
        tables = (self.sparse_T, self.sparse_Z, self.n_actions)
        return self._cached("r", lambda: read_only(self.rewards.expected(*tables)))

    @property
    def steps(self) -> Steps:
        """Every step (a, s, s', o) of positive probability. Raises ModelError if too many."""
        return self._cached("steps", lambda: steps_of(self.sparse_T, self.sparse_Z))

    def update(
        self, b: ArrayLike | Mapping[str, float], action: str | int, observation: str | int
    ) -> FloatArray:
        """Belief after an action and an observation, by name or index, shape (S,).

        `b` is an array or {state: probability}. Raises ModelError if the observation is impossible,
        a name is unknown, or `b` is not a belief.
        """
        belief, a = self._checked(b, action)
        o = index_of_name(observation, self.observations, "observation")
        state, symbol, chance = arrivals(self.sparse_T, self.sparse_Z, belief, a)
        after, probability = posterior(self.n_states, state, chance, symbol == o)
        if probability == 0.0:
            raise ModelError(
                f"observation {self.observations[o]!r} is impossible after action "
                f"{self.actions[a]!r} at this belief"
            )
        return after

    def observation_probabilities(
        self, b: ArrayLike | Mapping[str, float], action: str | int
    ) -> FloatArray:
        """P(o | b, a) of every observation, shape (Z,); arguments and errors as of `update`."""
        _, symbol, chance = arrivals(self.sparse_T, self.sparse_Z, *self._checked(b, action))
        probabilities = np.bincount(symbol, weights=chance, minlength=self.n_observations)
        return probabilities.astype(np.float64, copy=False)

    def _checked(
        self, b: ArrayLike | Mapping[str, float], action: str | int
    ) -> tuple[FloatArray, int]:
        """A belief and the index of an action."""
        return belief_over(b, self.states), index_of_name(action, self.actions, "action")

    def _cached(self, key: str, compute: Callable[[], V]) -> V:
        if key not in self._cache:
            self._cache[key] = compute()
        value: V = self._cache[key]
        return value

    @property
    def terminal_states(self) -> IntArray:
        """Indices of the terminal states: absorbing under every action, with reward 0."""
        A, S, T = self.n_actions, self.n_states, self.sparse_T
        row = np.arange(A * S)
        first = T.indices[np.minimum(T.indptr[:-1], T.nonzeros - 1)]
        stays = (np.diff(T.indptr) == 1) & (first == row % S)
        if self.rewards.depends_on_observation:
            paid = np.flatnonzero(self.rewards.on_steps(self.steps))
            free = np.bincount(self.steps[paid].row, minlength=A * S) == 0
        else:
            free = self.expected_rewards.ravel() == 0
        return np.flatnonzero((stays & free).reshape(A, S).all(axis=0))

    @property
    def digest(self) -> str:
        """SHA-256 of names and numbers, the same for models that are equal by `equals`."""
        import hashlib
        import json

        h = hashlib.sha256()
        h.update(json.dumps([self.states, self.actions, self.observations]).encode())
        h.update(np.array([self.discount, self.costs, self.mdp], dtype=np.float64).tobytes())
        for table in (self.sparse_T, self.sparse_Z):
            h.update(table.indptr.tobytes() + table.indices.tobytes() + table.data.tobytes())
        h.update(str(self.rewards.stored.shape).encode() + self.rewards.stored.tobytes())
        h.update(self.start.tobytes())
        return h.hexdigest()

    def equals(self, other: Model) -> bool:
        """Whether both models have the same names and numbers, as `==`; `name` may differ."""
        return self == other


def make_model(
    T: ArrayLike | SparseRows,
    Z: ArrayLike | SparseRows | None = None,
    R: ArrayLike | Rewards | None = None,
    discount: float | None = None,
    *,
    O: ArrayLike | SparseRows | None = None,  # noqa: E741
    start: ArrayLike | None = None,
    states: Sequence[str] | int | None = None,
    actions: Sequence[str] | int | None = None,
    observations: Sequence[str] | int | None = None,
    costs: bool = False,
    name: str = "",
) -> Model:
    """Build and validate a Model.

    Parameters
    ----------
    T
        T[a, s, s'], shape (A, S, S), or sparse rows.
    Z
        Z[a, s', o], shape (A, S, Z), or (S, Z) if independent of the action, or sparse rows. None
        makes an MDP. Files call it O, which is accepted as a keyword too.
    R
        Rewards to maximise: an array broadcast to (A, S, S, Z), with missing axes appended (so
        R[a, s] and R[a, s, s'] are valid), or Rewards. Default 0.
    start
        Initial belief, shape (S,); default uniform.
    states, actions, observations
        Names; default "0", "1", ... A number is checked against the shapes.
    costs
        Whether files of this model are written with costs; R holds rewards nevertheless.

    Raises
    ------
    ModelError
        If shapes disagree, a number is out of range, a row's sum differs from 1 by more than 1e-5,
        or names repeat or are not text.
    """
    if O is not None:
        if Z is not None:
            raise ModelError("O is another name of Z: pass only one of them")
        Z = O
    t_rows = transition_rows(T)
    S = t_rows.n_columns
    A = t_rows.n_rows // S
    mdp = Z is None
    z_rows = observation_rows(Z, A, S)
    if discount is None:
        raise ModelError("a discount is needed: make_model(T, Z, R, discount)")
    if not isinstance(discount, (int, float)) or not 0.0 <= discount <= 1.0:
        raise ModelError(f"the discount must lie between 0 and 1, not {discount}")
    state_names = names_of(states, S, "state")
    action_names = names_of(actions, A, "action")
    if mdp and observations is None:
        observations = state_names
    observation_names = names_of(observations, z_rows.n_columns, "observation")
    t_rows, t_off = checked_rows(t_rows, "T", action_names, state_names)
    z_rows, z_off = checked_rows(z_rows, "Z", action_names, state_names)
    start_array, start_off = checked_start(start, S)
    if not isinstance(R, Rewards):
        table = np.zeros((1, 1, 1, 1)) if R is None else four_axes(R, A, S, z_rows.n_columns)
        R = reward_table(by_state_only(table) if mdp else table)
    return Model(
        states=state_names,
        actions=action_names,
        observations=observation_names,
        sparse_T=t_rows,
        sparse_Z=z_rows,
        rewards=R,
        start=start_array,
        discount=float(discount),
        costs=costs,
        mdp=mdp,
        name=name,
        renormalised={"T": t_off, "O": z_off, "start": start_off},
    )
