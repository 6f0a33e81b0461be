"""Properties of a model: sizes, sparsity, initial belief, rewards and belief structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pomdptool.arguments import as_model
from pomdptool.belief import belief_blocks
from pomdptool.distributions import Renormalised
from pomdptool.errors import Finding
from pomdptool.model import Model
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ModelInfo(Readable):
    """Properties of a model.

    Attributes
    ----------
    states, actions, observations
        Numbers of states, actions and observations.
    discount
        Discount factor.
    values
        "reward" (maximised) or "cost" (minimised).
    start
        Initial belief, shape (S,).
    nonzero_T, nonzero_O
        Number of nonzero entries of T, shape (A, S, S), and of O, shape (A, S, Z).
    terminal_states
        Names of the terminal states: absorbing under every action, without reward.
    blocks, largest_block
        Number of belief blocks, and of states in the largest: every belief after the first step
        has its support in one block.
    reward_min, reward_max
        Minimum and maximum reward of a step, or cost if `values` is "cost".
    warnings
        Warnings of the parser, `file:line:column: warning code: message` each.
    renormalised
        Number of rows of "T", "O" and "start" that did not sum to 1 and were normalised, and the
        largest deviation.
    """

    states: int
    actions: int
    observations: int
    discount: float
    values: Literal["reward", "cost"]
    start: FloatArray
    nonzero_T: int
    nonzero_O: int
    terminal_states: tuple[str, ...]
    blocks: int
    largest_block: int
    reward_min: float
    reward_max: float
    warnings: tuple[str, ...]
    renormalised: dict[str, Renormalised]


def info(model: Model, findings: Sequence[Finding] = ()) -> ModelInfo:
    """Describe a model; `findings` are warnings of the parser, as `check` returns them."""
    blocks = belief_blocks(as_model(model))
    stored = model.rewards.stored
    sign = -1.0 if model.costs else 1.0
    ends = sign * float(stored.min()), sign * float(stored.max())
    return ModelInfo(
        states=model.n_states,
        actions=model.n_actions,
        observations=model.n_observations,
        discount=model.discount,
        values="cost" if model.costs else "reward",
        start=model.start,
        nonzero_T=model.sparse_T.nonzeros,
        nonzero_O=model.sparse_Z.nonzeros,
        terminal_states=tuple(model.states[s] for s in model.terminal_states),
        blocks=blocks.count,
        largest_block=blocks.largest,
        reward_min=min(ends) + 0.0,
        reward_max=max(ends) + 0.0,
        warnings=tuple(map(str, findings)),
        renormalised={table: off for table, off in model.renormalised.items() if off.rows},
    )
