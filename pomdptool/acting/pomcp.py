"""Planners that search online: POMCP and POUCT (Silver and Veness 2010).

Both grow a tree of histories from the current belief by simulations, compiled in
`kernels.simulation.pomcp`. POMCP keeps the belief as particles (see `particles`); where none of
them agrees with an observation, new ones are drawn from the exact belief, so that the filter never
runs out. POUCT keeps the exact belief. After a step the subtree of the observed history is kept.
"""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import InitVar, dataclass, field

import numpy as np

from pomdptool.acting.agents import (
    EpisodeInterruptedError,
    Interrupted,
    impossible,
    initial_belief,
)
from pomdptool.acting.compile_model import simulator_of
from pomdptool.acting.particles import evenly_drawn, moved
from pomdptool.acting.rollout_policy import guide_at
from pomdptool.acting.search_settings import Prior, default_depth, default_exploration, plan_of
from pomdptool.deprecation import renamed
from pomdptool.errors import PomdpError
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation import random as numbers
from pomdptool.kernels.simulation.pomcp import Plan, Tree
from pomdptool.kernels.simulation.simulator import Simulator, filter_belief
from pomdptool.limits import Clock
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solution import check_sum
from pomdptool.sparse import FloatArray, IntArray

SIMS_AT_ONCE = 4096
"""Simulations after which the clock is looked at."""

MOST_NODES = 1 << 22
"""Nodes of the largest tree; a search that fills it ends."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a search found: simulations done, visits and values of the root's actions."""

    action: int
    sims: int
    visits: IntArray
    values: FloatArray


@renamed(leaf="leaf_values")
@dataclass(eq=False, slots=True)
class Pomcp:
    """A planner.

    Attributes
    ----------
    sims, time_limit
        Simulations for each decision, and seconds: what is reached first ends the search.
    exploration
        The constant c; by default three tenths of what FIB and blind policies leave open of the
        start belief's value.
    depth
        Steps of a simulation at most; by default until what lies beyond is worth a hundredth.
    rollout
        "qmdp" (the best actions were the state known from there on: what they earn is known, and
        stands for rollouts), "random", or a saved policy.
    leaf_values
        A saved policy: its values stand for rollouts.
    exact
        Whether the belief is exact (POUCT), not particles (POMCP).
    particles
        How many.
    prior
        Visits and values to begin with.
    rng
        Draws the random numbers of the simulations; by default a generator of seed 0. `simulate`
        draws others for each episode.
    seed
        Deprecated: `rng=np.random.default_rng(seed)` does the same.

    Raises
    ------
    PomdpError
        Where a setting is out of its range, or rewards are too large to be added up.
    PolicyError
        Where a policy was made for another model, or its vectors are not linked.
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
    rng: np.random.Generator | None = None
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
    since: list[tuple[int, int]] = field(init=False, default_factory=list)
    numbers: IntArray = field(init=False)

    def __post_init__(self, seed: int | None) -> None:
        if seed is not None:
            warnings.warn(
                "Pomcp(seed=...) is deprecated: give rng=np.random.default_rng(seed)",
                DeprecationWarning,
                stacklevel=3,
            )
            if self.rng is not None:
                raise PomdpError("rng and seed exclude each other")
            self.rng = np.random.default_rng(seed)
        if self.sims is None and self.time_limit is None:
            raise PomdpError("a planner needs a number of simulations or a time")
        for name, least in (("sims", 1), ("particles", 1), ("depth", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise PomdpError(f"{name} must be {least} or more, not {value}")
        self.depth = default_depth(self.model) if self.depth is None else self.depth
        check_sum("rewards", float(np.abs(self.model.rewards.stored).max(initial=0.0)), self.depth)
        if self.exploration is None:
            self.exploration = default_exploration(self.model, self.depth)
        self.simulator = simulator_of(self.model)
        self.plan = plan_of(
            *(self.model, self.exploration, self.depth),
            rollout=self.rollout,
            leaf_values=self.leaf_values,
            prior=self.prior,
        )
        room = min(MOST_NODES, max(1024, 2 * (self.sims or SIMS_AT_ONCE)))
        self.tree = _tree(self.model.n_actions, room)
        request_compilation((self.sims or SIMS_AT_ONCE) * self.depth)
        self.reseed(np.random.default_rng(0) if self.rng is None else self.rng)
        self.reset()

    def twin(self) -> Pomcp:
        """Another planner with the same settings, and a tree of its own."""
        other = copy(self)
        other.tree = Tree(self.tree.i.copy(), self.tree.f.copy())
        other.since, other.numbers = list(self.since), self.numbers.copy()
        other.plan = self.plan._replace(guide=self.plan.guide.copy())
        other.searched, other.seconds = 0, 0.0
        return other

    def reseed(self, rng: np.random.Generator) -> None:
        """Draw the state of the simulations' random numbers anew."""
        self.numbers = rng.integers(1, 2**31, numbers.STATE)

    def reset(self, state: int | None = None) -> None:
        """Go to the start belief, or to a state that is observed, with nothing else known."""
        self.decision = None
        self._believe(initial_belief(self.model, state))
        kernel.clear(self.tree, self.plan, int(self.states[0]))

    def act(self) -> int:
        """Search, and return the action with the largest value among those tried."""
        clock, done = Clock(), 0
        assert self.depth is not None
        path, returns = np.zeros(self.depth, np.int64), np.zeros(self.depth)
        while self.sims is None or done < self.sims:
            left = SIMS_AT_ONCE if self.sims is None else self.sims - done
            at_once = min(left, scaled_budget(SIMS_AT_ONCE))
            self._make_room(at_once)
            n = kernel.search(
                self.simulator,
                self.tree,
                self.states,
                self.sums,
                self.plan,
                path,
                returns,
                at_once,
                self.numbers,
            )
            done += n
            if self.interrupted is not None and self.interrupted():
                raise EpisodeInterruptedError
            spent = clock.seconds
            if n < at_once or (self.time_limit is not None and spent >= self.time_limit):
                break
        self.searched += done
        self.seconds += clock.seconds
        self.decision = self._best(done)
        return self.decision.action

    def observe(self, action: int, observation: int) -> None:
        """Take in what was observed; the tree below it is kept.

        Raises
        ------
        PolicyError
            Where that is impossible.
        """
        after = None
        if not self.exact:
            after = moved(self.simulator, self.states, action, observation, self.numbers)
        if after is None:
            self._believe(self._filtered(action, observation))
        else:
            self.states = after
            self.since.append((action, observation))
            self._aim_rollouts()
        place = np.zeros(self.tree.i[kernel.N_NODES], np.int64)
        n_observations = self.model.n_observations
        kernel.follow(
            self.tree, action, observation, n_observations, place, self.plan, int(self.states[0])
        )

    @property
    def settings(self) -> dict[str, object]:
        """What the planner works with, for reports."""
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
        """The root's action of the largest value."""
        A = self.model.n_actions
        rows = self.tree.f[kernel.NODE : kernel.NODE + 2 * A].reshape(A, 2)
        values = np.where(rows[:, 0] > 0.0, rows[:, 1], -np.inf)
        return Decision(int(np.argmax(values)), sims, rows[:, 0].astype(np.int64), values)

    def _believe(self, b: FloatArray) -> None:
        """Start simulations from an exact belief, or from particles drawn from it."""
        self.belief = b
        self.since.clear()
        support = np.flatnonzero(b)
        sums = np.cumsum(b[support])
        sums[-1] = 1.0
        if self.exact:
            self.states, self.sums = support, sums
        else:
            self.states, self.sums = evenly_drawn(support, sums, self.particles), np.zeros(0)
        self._aim_rollouts()

    def _filtered(self, action: int, observation: int) -> FloatArray:
        """The exact belief after a step, filtered from the last one that is known."""
        b = self.belief
        for a, o in (*self.since, (action, observation)):
            after = np.zeros(self.model.n_states)
            if filter_belief(self.simulator, b, a, o, after) == 0.0:
                raise impossible(self.model, action, observation)
            b = after
        return b

    def _aim_rollouts(self) -> None:
        """Start the rollout policy in the node that is best at the belief."""
        policy = self.rollout if self.leaf_values is None else self.leaf_values
        if isinstance(policy, SolvedPolicy):
            b = self.belief
            if not self.exact:
                b = np.bincount(self.states, minlength=self.model.n_states) / len(self.states)
            self.plan.guide[kernel.GUIDE] = guide_at(policy, b)

    def _make_room(self, sims: int) -> None:
        """Lengthen the tree for simulations to come."""
        n, room = int(self.tree.i[kernel.N_NODES]), int(self.tree.i[kernel.CAPACITY])
        if n + sims <= room or room == MOST_NODES:
            return
        larger = _tree(self.model.n_actions, min(MOST_NODES, max(2 * room, n + sims)))
        larger.f[: len(self.tree.f)] = self.tree.f
        larger.i[kernel.N_NODES] = n
        kernel.rehash(larger)
        self.tree = larger


def _tree(n_actions: int, room: int) -> Tree:
    """Arrays of a tree."""
    size = 1 << (2 * room).bit_length()
    i = np.zeros(kernel.TREE_HEADER + size, np.int64)
    i[: kernel.TREE_HEADER] = 0, room, n_actions, size
    i[kernel.TREE_HEADER :] = kernel.NONE
    return Tree(i, np.zeros(room * (kernel.NODE + 2 * n_actions)))
