"""What a model is like: its sizes, sparsity, initial belief, rewards and belief structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pomdptool.belief import belief_blocks
from pomdptool.distributions import Renormalised
from pomdptool.errors import Finding
from pomdptool.model import Model
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class ModelInfo:
    """Properties of a model.

    Attributes
    ----------
    states, actions, observations
        Their numbers S, A and Z.
    discount
        Discount factor.
    values
        "reward" or "cost": which of them the model maximises or minimises.
    start
        Shape (S,): the initial belief.
    nonzero_T, nonzero_O
        Entries of T, shape (A, S, S), and of O, shape (A, S, Z), that are not zero.
    terminal_states
        Names of the states that every action keeps without reward.
    blocks, largest_block
        Belief blocks: groups of states inside one of which every belief lies after the first step;
        their number, and the states in the largest.
    reward_min, reward_max
        Least and largest reward of a step, or cost where `values` is "cost".
    warnings
        What the reader of its file warns of, `file:line:column: warning code: message` each.
    renormalised
        For "T", "O" and "start", where rows did not sum to 1 and were divided by their sums: how
        many, and by how much the worst sum was off.
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
    """Describe a model.

    Parameters
    ----------
    findings
        Warnings of its reader, as `check` returns them.
    """
    blocks = belief_blocks(model)
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
