"""Utile distinction (McCallum 1993): states are split where what follows them pays differently.

Learning begins with few states, one for each observation where no more is said. After EM the
returns that follow each state are compared (see `pomdptool.learning.returns`): by the transition, a
state and an action, that it was entered by, for each action that follows. Of the states where these
differ significantly the one with the clearest difference is split: transitions followed by higher
returns than the best cut now lead to a copy of it. EM learns on from there, and a split that it
takes back, so that the two no longer differ, is undone. It ends when no difference is significant.

A distinction that pays off only after several steps that each look alike is not found: no single
transition shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.learning.encoding import encode
from pomdptool.learning.fit import fit
from pomdptool.learning.relabel import relabel
from pomdptool.learning.result import Fit
from pomdptool.learning.returns import Returns, returns_by_transition, welch_p_value
from pomdptool.learning.rewards import reward_bin_edges
from pomdptool.learning.select import LIMIT_REASONS
from pomdptool.learning.state_splitting import model_of_observations, split_state
from pomdptool.limits import LimitReached, Limits
from pomdptool.model import Model
from pomdptool.sparse import FloatArray

SIGNIFICANCE = 0.01
"""Probability, by default, of a split in a round where no state needs one."""

MAX_STATES = 64
"""Most states, by default."""


@dataclass(frozen=True, slots=True)
class IncomingTransition:
    """A transition that a state was entered by, and the returns that followed."""

    state: str
    action: str
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Split:
    """A state that was split.

    Attributes
    ----------
    state, copy
        Names of the two.
    action
        What was done next, where the returns differ.
    p
        Probability of such a difference by chance, times the number of tests.
    stay, go
        Transitions that lead to the state, and to its copy.
    states
        Number of states after the split.
    kept
        Whether the two still differed after learning.
    """

    state: str
    copy: str
    action: str
    p: float
    stay: tuple[IncomingTransition, ...]
    go: tuple[IncomingTransition, ...]
    states: int
    kept: bool


@dataclass(frozen=True, eq=False, slots=True)
class Distinction:
    """What utile distinction has learned: the model, and the splits that led to it, in order."""

    fit: Fit
    splits: tuple[Split, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Difference:
    """State s, the action that follows, p, and the transitions [a, i] that go to the copy."""

    s: int
    action: int
    p: float
    known: NDArray[np.bool_]
    goes: NDArray[np.bool_]


def distinguish(
    episodes: Episodes,
    states: int | None = None,
    *,
    rng: np.random.Generator,
    significance: float = SIGNIFICANCE,
    max_states: int = MAX_STATES,
    discount: float = 0.95,
    init: Model | None = None,
    time_limit: float | None = None,
    on_split: Callable[[Split], None] | None = None,
    **options: Any,
) -> Distinction:
    """Learn a POMDP with the states that returns call for; `options` are others of `fit`.

    Parameters
    ----------
    episodes
        The data, with rewards.
    states
        How many states to begin with; by default those of `init`, or one for each observation.
    significance
        Below which probability of chance a difference leads to a split.
    max_states
        No state is split beyond so many.
    time_limit
        Seconds for all of it.
    on_split
        Called after each split.

    Raises
    ------
    DataError
        Without rewards, or where `fit` raises it.
    """
    shared = options.get("observation_model") == "shared"
    episodes, init = _prepare(episodes, states, init, significance, shared)
    limits = Limits(time_limit, options.get("interrupted"))
    options = {**options, "rng": rng, "discount": discount}
    if options.get("reward_model", "auto") == "auto":
        options["reward_model"] = "state"  # as long as states are too few rewards depend on more
    sequences = encode(episodes, reward_bin_edges(episodes), merge=False)

    def returns(found: Fit) -> Returns:
        return returns_by_transition(found.estimate, sequences, episodes, discount, limits.check)

    def learned(model: Model | None, states: int | None = None) -> Fit:
        left = limits.clock.left_of(time_limit)
        return fit(episodes, states, init=model, time_limit=left, **options)

    search = _Splitter(learned, returns, significance, max_states, on_split)
    return search.run(learned(init, states))


@dataclass(slots=True)
class _Splitter:
    """Splits states one by one; `returns` raises LimitReached where a limit is met."""

    learned: Callable[..., Fit]
    returns: Callable[[Fit], Returns]
    significance: float
    max_states: int
    on_split: Callable[[Split], None] | None
    splits: list[Split] = field(default_factory=list)

    def run(self, here: Fit) -> Distinction:
        """Split until no difference is significant, or a limit is met."""
        rejected: set[int] = set()
        try:
            returns = self._returns(here)
            while True:
                difference = _most_significant(returns, rejected)
                if difference is None or difference.p > self.significance:
                    break
                if here.model.n_states >= self.max_states:
                    more = f"there are {self.max_states} states, and returns call for more"
                    here = replace(here, warnings=(*here.warnings, f"{more}: see --max-states"))
                    break
                further = self.learned(split_state(here.model, difference.s, difference.goes))
                beyond = self._returns(further)
                if self._is_kept(here, further, returns, beyond, difference):
                    here, returns, rejected = further, beyond, set()
                else:
                    rejected.add(difference.s)
        except LimitReached as stopped:
            here = replace(here, stop_reason=stopped.reason, converged=False)
        return Distinction(here, tuple(self.splits))

    def _returns(self, found: Fit) -> Returns:
        if found.stop_reason in LIMIT_REASONS:
            raise LimitReached(found.stop_reason)
        return self.returns(found)

    def _is_kept(
        self, old: Fit, new: Fit, returns: Returns, beyond: Returns, difference: _Difference
    ) -> bool:
        """Note a split, and tell whether returns still differ after it."""
        kept = _returns_differ(beyond, difference.s, new.model.n_states - 1, self.significance)
        self.splits.append(_describe_split(old.model, new.model, returns, difference, kept))
        if self.on_split is not None:
            self.on_split(self.splits[-1])
        return kept


def _prepare(
    episodes: Episodes, states: int | None, init: Model | None, significance: float, shared: bool
) -> tuple[Episodes, Model | None]:
    """Check what is given, and make the model to begin with where no number of states is."""
    if episodes.rewards is None or np.isnan(episodes.rewards).all():
        raise DataError("utile distinction compares returns: the data need a column of rewards")
    if not 0.0 < significance < 1.0:
        raise DataError(f"the significance must lie between 0 and 1, not {significance}")
    if init is not None:
        return relabel(episodes, init), init
    return episodes, model_of_observations(episodes, shared=shared) if states is None else None


def _most_significant(returns: Returns, rejected: set[int]) -> _Difference | None:
    """Find the state and action whose returns differ most clearly; p is Bonferroni's."""
    A, _, S, _ = returns.mean.shape
    comparable = returns.comparable
    found: tuple[float, int, int] | None = None
    tests = 0
    for s in range(S):
        for action in range(A):
            known = comparable[:, action, :, s]
            tests += known.sum() > 1
            if s in rejected or known.sum() < 2:
                continue
            parts = (
                x[:, action, :, s][known] for x in (returns.mean, returns.variance, returns.blocks)
            )
            p = welch_p_value(*parts)
            if found is None or p < found[0]:
                found = p, s, action
    if found is None:
        return None
    p, s, action = found
    known = comparable[:, action, :, s]
    mean, variance = returns.mean[:, action, :, s], returns.variance[:, action, :, s]
    cut = _best_threshold(mean[known], variance[known])
    goes = (mean > cut) & (returns.weight[:, action, :, s] > 0.0)
    return _Difference(s, action, min(1.0, p * tests), known, goes)


def _best_threshold(mean: FloatArray, variance: FloatArray) -> float:
    """Value between two groups of means that are the farthest apart, for their variances."""
    order = np.argsort(mean)
    m, w = mean[order], 1.0 / variance[order]
    weight, sums = np.cumsum(w), np.cumsum(w * m)
    left, right = weight[:-1], weight[-1] - weight[:-1]
    apart = (sums[-1] - sums[:-1]) / right - sums[:-1] / left
    k = int((apart**2 / (1.0 / left + 1.0 / right)).argmax())
    return float(0.5 * (m[k] + m[k + 1]))


def _returns_differ(returns: Returns, s: int, copy: int, significance: float) -> bool:
    """Whether returns after two states differ, for some action."""
    A = returns.mean.shape[1]
    for action in range(A):
        means, variances, blocks = [], [], []
        for state in (s, copy):
            n = returns.weight[:, action, :, state]
            total = n.sum()
            if not total > 0.0:
                return False
            means.append((n * returns.mean[:, action, :, state]).sum() / total)
            variances.append((n * n * returns.variance[:, action, :, state]).sum() / total**2)
            blocks.append(max(2.0, returns.blocks[:, action, :, state].max()))
        if welch_p_value(np.array(means), np.array(variances), np.array(blocks)) * A < significance:
            return True
    return False


def _describe_split(
    old: Model, new: Model, returns: Returns, difference: _Difference, kept: bool
) -> Split:
    def entered(which: NDArray[np.bool_]) -> tuple[IncomingTransition, ...]:
        return tuple(
            IncomingTransition(
                old.states[i],
                old.actions[a],
                returns.unit * float(returns.mean[a, difference.action, i, difference.s]),
                returns.unit
                * float(np.sqrt(returns.variance[a, difference.action, i, difference.s])),
            )
            for a, i in np.argwhere(which & difference.known)
        )

    return Split(
        state=old.states[difference.s],
        copy=new.states[-1],
        action=old.actions[difference.action],
        p=difference.p,
        stay=entered(~difference.goes),
        go=entered(difference.goes),
        states=new.n_states,
        kept=kept,
    )
