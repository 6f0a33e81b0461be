"""Online planners: POMCP and POUCT (Silver and Veness 2010).

Both build a search tree over histories by simulations from the current belief, and keep the subtree
of the actual history after each step; the tree itself (layout, UCB, expansion) is in
`kernels.simulation.pomcp`. POUCT updates the belief exactly, POMCP by particles (see `particles`);
if none is consistent with an observation, they are resampled from the exact belief.
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import InitVar, dataclass, field

import numpy as np

from pomdptool.acting.agents import (
    EpisodeInterruptedError,
    Interrupted,
    impossible_observation,
    initial_belief,
)
from pomdptool.acting.compile_model import compile_model
from pomdptool.acting.particles import systematic_sample, updated_particles
from pomdptool.acting.rollout_policy import best_node
from pomdptool.acting.search_settings import Prior, default_depth, default_exploration, make_plan
from pomdptool.arguments import as_model
from pomdptool.deprecation import renamed
from pomdptool.errors import PomdpError
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation import random
from pomdptool.kernels.simulation.pomcp import Plan, Tree
from pomdptool.kernels.simulation.simulator import Simulator, filter_belief
from pomdptool.limits import Clock
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.randomness import generator
from pomdptool.readable import short_name
from pomdptool.solving.solution import check_sum
from pomdptool.sparse import FloatArray, IntArray

SIMS_PER_CALL = 4096
"""Simulations between checks of the time limit."""

MAX_NODES = 1 << 22
"""Capacity of the largest tree; a search ends when it is full."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Result of a search: number of simulations, visits and values of the root's actions."""

    action: int
    sims: int
    visits: IntArray
    values: FloatArray


@renamed(leaf="leaf_values")
@dataclass(eq=False, repr=False, slots=True)
class Pomcp:
    """An online planner.

    Attributes
    ----------
    sims, time_limit
        Simulations and seconds per decision; the search ends at the first limit reached.
    exploration
        UCB1 constant c; default 0.3 x (FIB upper bound - blind lower bound) at the initial belief.
    depth
        Maximum depth of a simulation; by default rewards beyond it are discounted by 0.01 or less.
    rollout
        Rollout policy at leaf nodes: "random", a saved policy, or "qmdp", whose rollouts are
        replaced by the optimal value of the MDP.
    leaf_values
        A saved policy whose values evaluate leaf nodes instead of rollouts.
    exact, particles
        Whether the belief is exact (POUCT), not particles (POMCP); number of particles.
    prior
        Initial visits and values of new nodes.
    rng
        Random number generator; default seed 0. `simulate` replaces it for each episode.
    seed
        Deprecated: use `rng=np.random.default_rng(seed)`.
    states, sums
        States of the exact belief and its cumulative probabilities, or particles and no sums.
    searched, history
        Simulations so far; actions and observations since the last exact belief, `belief`.

    Raises
    ------
    PomdpError
        If a setting is out of range, or sums of rewards would overflow.
    PolicyError
        If a policy was made for another model, or its vectors are not linked.
    """

    model: Model
    sims: int | None = 4000
    time_limit: float | None = None
    exploration: float | None = None
    depth: int | None = None
    rollout: str | SolvedPolicy = "qmdp"
    leaf_values: SolvedPolicy | None = None
    exact: bool = False
    particles: int = 2000
    prior: Prior | None = None
    rng: np.random.Generator | int | None = None
    interrupted: Interrupted | None = None
    seed: InitVar[int | None] = None
    decision: Decision | None = field(init=False, default=None)
    searched: int = field(init=False, default=0)
    seconds: float = field(init=False, default=0.0)
    simulator: Simulator = field(init=False)
    plan: Plan = field(init=False)
    tree: Tree = field(init=False)
    states: IntArray = field(init=False)
    sums: FloatArray = field(init=False)
    belief: FloatArray = field(init=False)
    history: list[tuple[int, int]] = field(init=False, default_factory=list)
    rng_state: IntArray = field(init=False)

    def __post_init__(self, seed: int | None) -> None:
        if seed is not None:
            warnings.warn(
                "Pomcp(seed=...) is deprecated; use rng=np.random.default_rng(seed)",
                DeprecationWarning,
                stacklevel=3,
            )
            if self.rng is not None:
                raise PomdpError("rng and seed are mutually exclusive")
            self.rng = np.random.default_rng(seed)
        as_model(self.model)
        if self.sims is None and self.time_limit is None:
            raise PomdpError("a planner needs a number of simulations or a time limit")
        for name in ("sims", "particles", "depth"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PomdpError(f"{name} must be 1 or more, not {value}")
        self.depth = default_depth(self.model) if self.depth is None else self.depth
        check_sum("rewards", float(np.abs(self.model.rewards.stored).max(initial=0.0)), self.depth)
        if self.exploration is None:
            self.exploration = default_exploration(self.model, self.depth)
        self.simulator = compile_model(self.model)
        self.plan = make_plan(
            *(self.model, self.exploration, self.depth),
            rollout=self.rollout,
            leaf_values=self.leaf_values,
            prior=self.prior,
        )
        capacity = min(MAX_NODES, max(1024, 2 * (self.sims or SIMS_PER_CALL)))
        self.tree = _tree(self.model.n_actions, capacity)
        request_compilation((self.sims or SIMS_PER_CALL) * self.depth)
        self.reseed(generator(0 if self.rng is None else self.rng))
        self.reset()

    def __repr__(self) -> str:
        limit = f"{self.sims} simulations" if self.sims else f"{self.time_limit:g} s"
        return f"<Pomcp {short_name(self.model.name)}: {limit}, depth {self.depth}>"

    def clone(self) -> Pomcp:
        """A planner with the same settings and its own tree, for another thread."""
        other = copy(self)
        other.tree = Tree(self.tree.i.copy(), self.tree.f.copy())
        other.history, other.rng_state = list(self.history), self.rng_state.copy()
        other.plan = self.plan._replace(guide=self.plan.guide.copy())
        other.searched, other.seconds = 0, 0.0
        return other

    def reseed(self, rng: np.random.Generator) -> None:
        """Seed the random numbers of the simulations."""
        self.rng_state = rng.integers(1, 2**31, random.STATE)

    def reset(self, state: int | None = None) -> None:
        """Start an episode at the initial belief with an empty tree."""
        self.decision = None
        self._set_belief(initial_belief(self.model, state))
        kernel.clear(self.tree, self.plan, int(self.states[0]))

    def act(self) -> int:
        """Search, and return the action with the largest value at the root."""
        clock, done = Clock(), 0
        assert self.depth is not None
        path, returns = np.zeros(self.depth, np.int64), np.zeros(self.depth)
        while self.sims is None or done < self.sims:
            remaining = SIMS_PER_CALL if self.sims is None else self.sims - done
            sims = min(remaining, scaled_budget(SIMS_PER_CALL))
            self._grow_tree(sims)
            n = kernel.search(
                *(self.simulator, self.tree, self.states, self.sums, self.plan),
                *(path, returns, sims, self.rng_state),
            )
            done += n
            if self.interrupted is not None and self.interrupted():
                raise EpisodeInterruptedError
            spent = clock.seconds
            if n < sims or (self.time_limit is not None and spent >= self.time_limit):
                break
        self.searched += done
        self.seconds += clock.seconds
        self.decision = self._best(done)
        return self.decision.action

    def observe(self, action: int, observation: int) -> None:
        """Update the belief, and keep the subtree of the action and observation.

        Raises PolicyError if the observation is impossible.
        """
        after = None
        if not self.exact:
            after = updated_particles(
                self.simulator, self.states, action, observation, self.rng_state
            )
        if after is None:
            self._set_belief(self._exact_belief(action, observation))
        else:
            self.states = after
            self.history.append((action, observation))
            self._set_rollout_node()
        place = np.zeros(self.tree.i[kernel.N_NODES], np.int64)
        n_observations = self.model.n_observations
        kernel.follow(
            self.tree, action, observation, n_observations, place, self.plan, int(self.states[0])
        )

    @property
    def settings(self) -> dict[str, object]:
        """Settings, for reports."""
        policy = self.leaf_values if self.leaf_values is not None else self.rollout
        kind = policy.method if isinstance(policy, SolvedPolicy) else policy
        return {
            "name": "pouct" if self.exact else "pomcp",
            "sims": self.sims,
            "time": self.time_limit,
            "exploration": self.exploration,
            "depth": self.depth,
            "leaf" if self.leaf_values is not None else "rollout": kind,
            "belief": "exact" if self.exact else "particles",
            "particles": None if self.exact else self.particles,
        }

    def _best(self, sims: int) -> Decision:
        """The root's action with the largest value."""
        A = self.model.n_actions
        rows = self.tree.f[kernel.NODE : kernel.NODE + 2 * A].reshape(A, 2)
        values = np.where(rows[:, 0] > 0.0, rows[:, 1], -np.inf)
        return Decision(int(np.argmax(values)), sims, rows[:, 0].astype(np.int64), values)

    def _set_belief(self, b: FloatArray) -> None:
        """Start simulations from an exact belief, or from particles sampled from it."""
        self.belief = b
        self.history.clear()
        support = np.flatnonzero(b)
        sums = np.cumsum(b[support])
        sums[-1] = 1.0
        if self.exact:
            self.states, self.sums = support, sums
        else:
            self.states, self.sums = systematic_sample(support, sums, self.particles), np.zeros(0)
        self._set_rollout_node()

    def _exact_belief(self, action: int, observation: int) -> FloatArray:
        """The exact belief after a step, updated from the last exact one."""
        b = self.belief
        for a, o in (*self.history, (action, observation)):
            after = np.zeros(self.model.n_states)
            if filter_belief(self.simulator, b, a, o, after) == 0.0:
                raise impossible_observation(self.model, action, observation)
            b = after
        return b

    def _set_rollout_node(self) -> None:
        """Start the rollout policy in the best node at the current belief."""
        policy = self.rollout if self.leaf_values is None else self.leaf_values
        if isinstance(policy, SolvedPolicy):
            b = self.belief
            if not self.exact:
                b = np.bincount(self.states, minlength=self.model.n_states) / len(self.states)
            self.plan.guide[kernel.GUIDE] = best_node(policy, b)

    def _grow_tree(self, sims: int) -> None:
        """Extend the tree's capacity, if needed for more simulations."""
        n, capacity = int(self.tree.i[kernel.N_NODES]), int(self.tree.i[kernel.CAPACITY])
        if n + sims <= capacity or capacity == MAX_NODES:
            return
        larger = _tree(self.model.n_actions, min(MAX_NODES, max(2 * capacity, n + sims)))
        larger.f[: len(self.tree.f)] = self.tree.f
        larger.i[kernel.N_NODES] = n
        kernel.rehash(larger)
        self.tree = larger


def _tree(n_actions: int, capacity: int) -> Tree:
    """Arrays of an empty tree."""
    size = 1 << (2 * capacity).bit_length()
    i = np.zeros(kernel.TREE_HEADER + size, np.int64)
    i[: kernel.TREE_HEADER] = 0, capacity, n_actions, size
    i[kernel.TREE_HEADER :] = kernel.NONE
    return Tree(i, np.zeros(capacity * (kernel.NODE + 2 * n_actions)))
