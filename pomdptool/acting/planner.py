"""Planners that search online: POMCP and POUCT (Silver and Veness 2010).

Both grow a tree of histories from the present belief by simulations, `kernels.simulation.pomcp`.
POMCP keeps the belief as particles, which the simulator moves; where too few of them agree with
what was observed, they are drawn anew by weight, and where none does, from the exact belief, so
that they cannot run out. POUCT keeps the exact belief. What the tree knows of the history that came
about is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.acting.agents import (
    EpisodeInterruptedError,
    Interrupted,
    impossible,
    initial_belief,
)
from pomdptool.acting.guide import guide_at, guide_of, no_guide
from pomdptool.acting.simulator import simulator_of
from pomdptool.deprecation import renamed
from pomdptool.episodes import steps_until
from pomdptool.errors import PomdpError
from pomdptool.kernels.jit import budget, expect
from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation import random as numbers
from pomdptool.kernels.simulation.pomcp import Plan, Tree
from pomdptool.kernels.simulation.simulator import Simulator, filter_belief
from pomdptool.limits import Clock
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Watch, check_sum
from pomdptool.sparse import FloatArray, IntArray

SIMS_AT_ONCE = 4096
"""Simulations after which the clock is looked at."""

MOST_NODES = 1 << 22
"""Nodes of the largest tree; a search that fills it ends."""

UNDISCOUNTED_DEPTH = 100
"""Steps of a simulation with discount 1."""

DEPTH_PRECISION = 0.01
"""A simulation is as deep as what lies beyond is worth this share of all that there is to earn."""

EXPLORATION = 0.3
"""The default constant, as a share of what bounds leave open of the start belief's value."""

ATTEMPTS = 10
"""Times as many particles as are wanted that are moved, to find those that agree."""

ENOUGH = 0.1
"""Share of the particles wanted that must agree; else they are weighed."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Visits and values that the actions of a new node begin with, shape (A,) each."""

    visits: IntArray
    values: FloatArray


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
    seed
        Of the simulations.
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
    seed: int = 0
    interrupted: Interrupted | None = None
    decision: Decision | None = None
    searched: int = 0
    seconds: float = 0.0
    simulator: Simulator = field(init=False)
    plan: Plan = field(init=False)
    tree: Tree = field(init=False)
    history: list[tuple[int, int]] = field(default_factory=list)
    states: IntArray = field(init=False)
    sums: FloatArray = field(init=False)
    belief: FloatArray = field(init=False)
    initial: FloatArray = field(init=False)
    numbers: IntArray = field(init=False)

    def __post_init__(self) -> None:
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
        self.plan = _plan(self)
        room = min(MOST_NODES, max(1024, 2 * (self.sims or SIMS_AT_ONCE)))
        self.tree = _tree(self.model.n_actions, room)
        expect((self.sims or SIMS_AT_ONCE) * self.depth)
        self.reseed(np.random.default_rng(self.seed))
        self.reset()

    def twin(self) -> Pomcp:
        """Another planner with the same settings, and a tree of its own."""
        other = object.__new__(Pomcp)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.tree = Tree(self.tree.i.copy(), self.tree.f.copy())
        other.history, other.numbers = list(self.history), self.numbers.copy()
        other.plan = self.plan._replace(guide=self.plan.guide.copy())
        other.searched, other.seconds = 0, 0.0
        return other

    def reseed(self, rng: np.random.Generator) -> None:
        """Draw the state of the simulations' random numbers anew."""
        self.numbers = rng.integers(1, 2**31, numbers.STATE)

    def reset(self, state: int | None = None) -> None:
        """Go to the start belief, or to a state that is observed, with nothing else known."""
        self.history.clear()
        self.initial = initial_belief(self.model, state)
        self.decision = None
        self._believe(self.initial)
        kernel.clear(self.tree, self.plan, int(self.states[0]))

    def act(self) -> int:
        """Search, and return the action with the largest value among those tried."""
        clock, done = Clock(), 0
        assert self.depth is not None
        path, returns = np.zeros(self.depth, np.int64), np.zeros(self.depth)
        while self.sims is None or done < self.sims:
            left = SIMS_AT_ONCE if self.sims is None else self.sims - done
            at_once = min(left, budget(SIMS_AT_ONCE))
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
        """Take in what was observed; the tree below it is kept."""
        self.history.append((action, observation))
        if self.exact:
            after = np.zeros(self.model.n_states)
            if filter_belief(self.simulator, self.belief, action, observation, after) == 0.0:
                self.history.pop()
                raise impossible(self.model, action, observation)
            self._believe(after)
        else:
            self._move_particles(action, observation)
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
        """Begin simulations in an exact belief, or in particles drawn from it."""
        self.belief = b
        support = np.flatnonzero(b)
        sums = np.cumsum(b[support])
        sums[-1] = 1.0
        if self.exact:
            self.states, self.sums = support, sums
        else:
            # Evenly along the running sums: nothing is left to chance.
            points = (np.arange(self.particles) + 0.5) / self.particles
            self.states, self.sums = support[np.searchsorted(sums, points)], np.zeros(0)
        self._guide()

    def _move_particles(self, action: int, observation: int) -> None:
        """Move the particles; weigh them where few agree, ask the exact filter where none does."""
        after = np.zeros(self.particles, np.int64)
        attempts = ATTEMPTS * self.particles
        found = kernel.update_particles(
            self.simulator, self.states, action, observation, after, attempts, self.numbers
        )
        if found >= ENOUGH * self.particles:
            self.states = np.resize(after[:found], self.particles)
            self._guide()
            return
        weights = np.zeros(self.particles)
        total = kernel.weigh_particles(
            self.simulator, self.states, action, observation, after, weights, self.numbers
        )
        if total > 0.0:
            points = (np.arange(self.particles) + 0.5) / self.particles
            sums = np.cumsum(weights) / total
            sums[-1] = 1.0
            self.states = after[np.searchsorted(sums, points)]
            self._guide()
            return
        b = self.initial
        for a, o in self.history:
            after_b = np.zeros(self.model.n_states)
            if filter_belief(self.simulator, b, a, o, after_b) == 0.0:
                self.history.pop()
                raise impossible(self.model, action, observation)
            b = after_b
        self._believe(b)

    def _guide(self) -> None:
        """Let the policy that guides simulations begin where it is best at the belief."""
        policy = self.rollout if self.leaf_values is None else self.leaf_values
        if isinstance(policy, SolvedPolicy):
            b = self.belief
            if not self.exact:
                b = np.bincount(self.states, minlength=self.model.n_states) / len(self.states)
            self.plan.guide[kernel.GUIDE] = guide_at(policy, b)

    def _make_room(self, sims: int) -> None:
        """Lengthen the tree for simulations to come."""
        n, room = int(self.tree.i[kernel.N_NODES]), int(self.tree.i[kernel.ROOM])
        if n + sims <= room or room == MOST_NODES:
            return
        larger = _tree(self.model.n_actions, min(MOST_NODES, max(2 * room, n + sims)))
        larger.f[: len(self.tree.f)] = self.tree.f
        larger.i[kernel.N_NODES] = n
        kernel.rehash(larger)
        self.tree = larger


def default_depth(model: Model) -> int:
    """Steps after which what lies beyond is worth a hundredth of all there is to earn."""
    return steps_until(model.discount, DEPTH_PRECISION) or UNDISCOUNTED_DEPTH


def default_exploration(model: Model, depth: int) -> float:
    """A share of what lies between FIB's and blind policies' values at the start belief."""
    horizon = depth if model.discount == 1.0 else None
    watch = Watch()
    upper = fixed_point(model, "fib", precision=1.0, horizon=horizon, watch=watch).Q @ model.start
    lower = fixed_point(model, "blind", precision=1.0, horizon=horizon, watch=watch).Q @ model.start
    return max(EXPLORATION * float(upper.max() - lower.max()), 1e-6)


def _plan(planner: Pomcp) -> Plan:
    """Settings as kernels want them."""
    model, A = planner.model, planner.model.n_actions
    assert planner.exploration is not None
    assert planner.depth is not None
    horizon = planner.depth if model.discount == 1.0 else None
    prior = planner.prior or Prior(np.zeros(A, np.int64), np.zeros(A))
    if planner.prior is None:
        Q = fixed_point(model, "mdp", precision=1e-3, horizon=horizon, watch=Watch()).Q
        prior = Prior(np.ones(A, np.int64), np.ascontiguousarray(Q.T).ravel())
    guide, values = no_guide(), np.zeros(1)
    policy = planner.rollout if planner.leaf_values is None else planner.leaf_values
    if isinstance(policy, SolvedPolicy):
        guide, values = guide_of(model, policy)
        kind = kernel.CONTROLLER if planner.leaf_values is None else kernel.NODE_VALUES
    elif policy == "qmdp":
        Q = fixed_point(model, "mdp", precision=1e-3, horizon=horizon, watch=Watch()).Q
        kind, values = kernel.VALUES, Q.max(axis=0)
    elif policy == "random":
        kind = kernel.UNIFORM
    else:
        raise PomdpError(f"rollout must be 'random', 'qmdp' or a policy, not {policy!r}")
    return Plan(
        discount=float(model.discount),
        exploration=float(planner.exploration),
        depth=planner.depth,
        rollout=kind,
        guide=guide,
        values=values,
        prior_visits=prior.visits.astype(np.float64),
        prior_values=prior.values.astype(np.float64),
    )


def _tree(n_actions: int, room: int) -> Tree:
    """Arrays of a tree."""
    size = 1 << (2 * room).bit_length()
    i = np.zeros(kernel.TREE_HEADER + size, np.int64)
    i[: kernel.TREE_HEADER] = 0, room, n_actions, size
    i[kernel.TREE_HEADER :] = kernel.NONE
    return Tree(i, np.zeros(room * (kernel.NODE + 2 * n_actions)))
