"""Utile distinction (McCallum 1993): states are split if returns depend on the way to them.

Learning starts with few states, by default one per observation. After EM, the mean returns after
each state and next action are compared between incoming transitions, a state and an action each
(see `pomdptool.learning.returns`). The state with the most significant difference is split:
transitions with mean returns above the best threshold lead to a copy of it. EM continues from this
model, and the split is undone if the returns of the two states no longer differ. The algorithm
stops when no difference is significant.

Distinctions that need more than one past step are not detected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.arguments import as_episodes
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
from pomdptool.randomness import generator
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray

SIGNIFICANCE = 0.01
"""Default significance level: probability of a false split in a round."""

MAX_STATES = 64
"""Default maximum number of states."""


@dataclass(frozen=True, slots=True)
class IncomingTransition:
    """A transition into a state, and the mean return after it."""

    state: str
    action: str
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Split:
    """A split of a state.

    Attributes
    ----------
    state, copy
        Names of the state and its copy.
    action
        Next action for which returns differ.
    p
        p-value of the difference, Bonferroni-corrected.
    stay, go
        Transitions to the state, and those redirected to its copy.
    states
        Number of states after the split.
    kept
        Whether returns still differed after learning; if not, the split was undone.
    """

    state: str
    copy: str
    action: str
    p: float
    stay: tuple[IncomingTransition, ...]
    go: tuple[IncomingTransition, ...]
    states: int
    kept: bool


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Distinction(Readable):
    """Result of utile distinction: the learned model and all splits, in order."""

    fit: Fit
    splits: tuple[Split, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Difference:
    """State s, next action, p-value, and masks of transitions [a, i]: compared, redirected."""

    s: int
    action: int
    p: float
    known: NDArray[np.bool_]
    goes: NDArray[np.bool_]


def distinguish(
    episodes: Episodes,
    states: int | None = None,
    *,
    rng: np.random.Generator | int,
    significance: float = SIGNIFICANCE,
    max_states: int = MAX_STATES,
    discount: float = 0.95,
    init: Model | None = None,
    time_limit: float | None = None,
    on_split: Callable[[Split], None] | None = None,
    **options: Any,
) -> Distinction:
    """Learn a POMDP by utile distinction; further `options` are passed to `fit`.

    Parameters
    ----------
    episodes
        The data, with rewards.
    states
        Initial number of states; default that of `init`, or one per observation.
    significance
        Significance level for splitting a state.
    max_states
        Maximum number of states.
    time_limit
        Total limit in seconds.
    on_split
        Callback after each split.

    Raises
    ------
    DataError
        Without rewards, and as `fit`.
    """
    shared = options.get("observation_model") == "shared"
    episodes, init = _prepare(as_episodes(episodes), states, init, significance, shared)
    limits = Limits(time_limit, options.get("interrupted"))
    options = {**options, "rng": generator(rng), "discount": discount}
    if options.get("reward_model", "auto") == "auto":
        options["reward_model"] = "state"  # unsplit states would favour "transition"
    sequences = encode(episodes, reward_bin_edges(episodes), merge=False)

    def returns(result: Fit) -> Returns:
        if result.stop_reason in LIMIT_REASONS:
            raise LimitReached(result.stop_reason)
        return returns_by_transition(result.estimate, sequences, episodes, discount, limits.check)

    def learned(model: Model | None, states: int | None = None) -> Fit:
        left = limits.clock.remaining(time_limit)
        return fit(episodes, states, init=model, time_limit=left, **options)

    splitter = _Splitter(learned, returns, significance, max_states, on_split)
    return splitter.run(learned(init, states))


@dataclass(slots=True)
class _Splitter:
    """Splits states one by one; `returns` raises LimitReached at a limit."""

    learned: Callable[..., Fit]
    returns: Callable[[Fit], Returns]
    significance: float
    max_states: int
    on_split: Callable[[Split], None] | None
    splits: list[Split] = field(default_factory=list)

    def run(self, current: Fit) -> Distinction:
        """Split until no difference is significant, or a limit is reached."""
        rejected: set[int] = set()
        try:
            returns = self.returns(current)
            while True:
                difference = _most_significant(returns, rejected)
                if difference is None or difference.p > self.significance:
                    break
                if current.model.n_states >= self.max_states:
                    more = f"returns call for more than {self.max_states} states: see --max-states"
                    current = replace(current, warnings=(*current.warnings, more))
                    break
                split = self.learned(split_state(current.model, difference.s, difference.goes))
                new_returns = self.returns(split)
                if self._is_kept(current, split, returns, new_returns, difference):
                    current, returns, rejected = split, new_returns, set()
                else:
                    rejected.add(difference.s)
        except LimitReached as stopped:
            current = replace(current, stop_reason=stopped.reason, converged=False)
        return Distinction(current, tuple(self.splits))

    def _is_kept(
        self, old: Fit, new: Fit, returns: Returns, after: Returns, difference: _Difference
    ) -> bool:
        """Record a split; returns whether returns still differ after it."""
        kept = _returns_differ(after, difference.s, new.model.n_states - 1, self.significance)
        self.splits.append(_describe_split(old.model, new.model, returns, difference, kept))
        if self.on_split is not None:
            self.on_split(self.splits[-1])
        return kept


def _prepare(
    episodes: Episodes, states: int | None, init: Model | None, significance: float, shared: bool
) -> tuple[Episodes, Model | None]:
    """Validate the arguments, and make the initial model if the number of states is not set."""
    if episodes.rewards is None or np.isnan(episodes.rewards).all():
        raise DataError("utile distinction compares returns: the data need a column of rewards")
    if not 0.0 < significance < 1.0:
        raise DataError(f"the significance level must be between 0 and 1, not {significance}")
    if init is not None:
        return relabel(episodes, init), init
    return episodes, model_of_observations(episodes, shared=shared) if states is None else None


def _most_significant(returns: Returns, rejected: set[int]) -> _Difference | None:
    """Find the state and next action with the smallest p-value, Bonferroni-corrected."""
    A, _, S, _ = returns.mean.shape
    comparable = returns.comparable
    best: tuple[float, int, int] | None = None
    tests = 0
    for s in range(S):
        for action in range(A):
            known = comparable[:, action, :, s]
            tests += known.sum() > 1
            if s in rejected or known.sum() < 2:
                continue
            groups = (returns.mean, returns.variance, returns.blocks)
            p = welch_p_value(*(x[:, action, :, s][known] for x in groups))
            if best is None or p < best[0]:
                best = p, s, action
    if best is None:
        return None
    p, s, action = best
    known = comparable[:, action, :, s]
    mean, variance = returns.mean[:, action, :, s], returns.variance[:, action, :, s]
    threshold = _best_threshold(mean[known], variance[known])
    goes = (mean > threshold) & (returns.weight[:, action, :, s] > 0.0)
    return _Difference(s, action, min(1.0, p * tests), known, goes)


def _best_threshold(mean: FloatArray, variance: FloatArray) -> float:
    """Threshold that splits means into two groups with the largest difference in z-score."""
    order = np.argsort(mean)
    m, w = mean[order], 1.0 / variance[order]
    weight, sums = np.cumsum(w), np.cumsum(w * m)
    left, right = weight[:-1], weight[-1] - weight[:-1]
    difference = (sums[-1] - sums[:-1]) / right - sums[:-1] / left
    k = int((difference**2 / (1.0 / left + 1.0 / right)).argmax())
    return float(0.5 * (m[k] + m[k + 1]))


def _returns_differ(returns: Returns, s: int, copy: int, significance: float) -> bool:
    """Whether returns after two states differ significantly for some next action."""
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
    k, s = difference.action, difference.s
    mean, variance = returns.mean[:, k, :, s], returns.variance[:, k, :, s]

    def incoming(which: NDArray[np.bool_]) -> tuple[IncomingTransition, ...]:
        return tuple(
            IncomingTransition(
                old.states[i],
                old.actions[a],
                returns.unit * float(mean[a, i]),
                returns.unit * float(np.sqrt(variance[a, i])),
            )
            for a, i in np.argwhere(which & difference.known)
        )

    return Split(
        state=old.states[s],
        copy=new.states[-1],
        action=old.actions[k],
        p=difference.p,
        stay=incoming(~difference.goes),
        go=incoming(difference.goes),
        states=new.n_states,
        kept=kept,
    )
