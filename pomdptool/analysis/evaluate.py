"""Policy evaluation: exact values of policy graphs, Bellman residuals, and simulation.

The value of a finite-state controller is that of a Markov chain. The Bellman residual of a value
function V at a belief b is

    max over a of ( r[a] . b + g sum over o of P(o | b, a) V(b after a and o) )  -  V(b).

If it is nowhere negative, V is a lower bound on the expected return of its greedy policy. It is
computed at beliefs visited in simulated episodes: a sample, not a bound. With a finite horizon it
would compare values of the same number of steps, and is not computed.

Each part is limited: the graph by the size of its linear system, the simulation and the residuals
by default to the work of a few seconds, and both by the time limit. The work is counted, not timed,
so that the same seed gives the same result.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from pomdptool.acting.agents import Interrupted, controller_of
from pomdptool.acting.simulate import Summary, default_steps, simulate
from pomdptool.analysis.parts import STOPPED, OnPart, cut, report_nothing
from pomdptool.analysis.residuals import BELIEFS, Residuals, visited_residuals
from pomdptool.analysis.transfer import GraphValues, too_large
from pomdptool.arguments import as_model, as_policy
from pomdptool.errors import PomdpError
from pomdptool.limits import LimitReached, Limits
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, SolvedPolicy, check_fits
from pomdptool.randomness import generator
from pomdptool.solving.graph_evaluation import initial_value
from pomdptool.solving.solution import Solution, check_sum

EPISODES, FEWEST_EPISODES = 1000, 20
"""Default number of simulated episodes, and the number for policies that are slow to simulate."""

SIMULATION_WORK = 2_000_000_000
"""Multiplications of the default simulation, unless it has the fewest episodes."""

SLOW_STEP = 1_000_000
"""Multiplications that take as long as a step of a policy that acts in Python."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Evaluation(Summary):
    """Expected return of a policy from the initial belief, and statistics of a simulation.

    Attributes
    ----------
    method
        Method that computed the policy.
    graph_value
        Exact expected discounted return of the policy graph; None without a graph, or if it is too
        large.
    vector_value
        Value of the best alpha vector at the initial belief; None if the values of a transferred
        graph are not computed.
    bounds
        Certified bounds on the optimal value; infinite if unknown.
    residual_min, residual_max, residual_beliefs
        Minimum and maximum Bellman residual at visited beliefs, and the number of these; None and 0
        if it was not computed.
    interrupted
        Whether the evaluation was interrupted.
    graph_reason, vector_reason, residual_reason, simulation_reason
        Why a value is None, or was computed for fewer beliefs or episodes than requested; None if
        there is nothing to tell. With no episodes their means are NaN.
    """

    method: str
    graph_value: float | None
    vector_value: float | None
    bounds: tuple[float, float]
    residual_min: float | None
    residual_max: float | None
    residual_beliefs: int
    interrupted: bool
    graph_reason: str | None = None
    vector_reason: str | None = None
    residual_reason: str | None = None
    simulation_reason: str | None = None


def evaluate(
    model: Model,
    policy: SolvedPolicy | Solution,
    *,
    rng: np.random.Generator | int,
    episodes: int | None = None,
    steps: int | None = None,
    beliefs: int | None = None,
    threads: int = 1,
    time_limit: float | None = None,
    on_part: OnPart | None = None,
    interrupted: Interrupted | None = None,
) -> Evaluation:
    """Evaluate a policy: its graph exactly, its alpha vectors, and by simulation.

    Parameters
    ----------
    policy
        A policy for this model, or a Solution; `carried` makes one of a policy graph or a policy
        for another model.
    rng
        Random generator of the episodes, or its seed.
    episodes
        Number of simulated episodes; by default 1000, or as many as take a few seconds.
    steps, threads
        As in `simulate`.
    beliefs
        Number of beliefs, from further episodes, at which the Bellman residual is computed; by
        default 200, or as many as take a few seconds.
    time_limit
        Limit in seconds of all parts together, without the compilation of kernels.
    on_part
        Called with the part at work, how much of it is done, and how much there is to do.
    interrupted
        Polled regularly; what is done by then is returned.

    Raises
    ------
    PolicyError
        If the policy is for another model.
    PomdpError
        If values or rewards are too large to be summed.
    """
    rng, model, policy = generator(rng), as_model(model), as_policy(policy)
    check_fits(policy.problem, model)
    task = _Task(model, policy, rng, Limits(time_limit, interrupted), on_part or report_nothing)
    unknown = task.check_values()
    exact, graph_reason = task.graph_value()
    simulation, simulation_reason = task.simulation(episodes, steps, threads)
    residuals, residual_reason = task.residuals(beliefs)
    found = residuals.values
    return Evaluation(
        **asdict(simulation),
        method=policy.method,
        graph_value=exact,
        vector_value=None if unknown else value_at_start(model, policy),
        bounds=(policy.bounds.lower, policy.bounds.upper),
        residual_min=float(found.min()) if len(found) else None,
        residual_max=float(found.max()) if len(found) else None,
        residual_beliefs=residuals.beliefs,
        interrupted=task.limits.reason == "interrupted",
        graph_reason=graph_reason,
        vector_reason=unknown,
        residual_reason=residual_reason,
        simulation_reason=simulation_reason,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Task:
    """The parts of an evaluation; each returns its result, and why this is not all of it."""

    model: Model
    policy: SolvedPolicy
    rng: np.random.Generator
    limits: Limits
    on_part: OnPart

    def check_values(self) -> str | None:
        """Check the size of the values; returns why there are none, if so."""
        values = self.policy.values
        if isinstance(values, GraphValues):
            return too_large(values.graph)
        if isinstance(values, LinkedVectors):
            vectors = list(values.values)
        else:
            vectors = [row.values for row in values.rows()]
        check_sum("values", float(np.abs(np.concatenate(vectors)).max()), 1.0)
        return None

    def graph_value(self) -> tuple[float | None, str | None]:
        """Exact value of the policy graph."""
        values, graph = self.policy.values, self.policy.graph
        if isinstance(values, LinkedVectors):
            graph = values.graph()
        if graph is None:
            return None, "the policy has no graph"
        self.on_part("policy graph: nodes", 0, graph.n_nodes)
        try:
            value = initial_value(self.model, graph, check=self.limits.check)
        except LimitReached as stopped:
            return None, STOPPED[stopped.reason]
        except PomdpError as error:  # discount 1 and a cycle, or slow convergence
            return None, f"{error}; the simulation estimates it"
        return value, f"{too_large(graph)}; the simulation estimates it" if value is None else None

    def simulation(
        self, episodes: int | None, steps: int | None, threads: int
    ) -> tuple[Summary, str | None]:
        """Statistics of simulated episodes. Residuals to come get half of the remaining time."""
        model, policy, limits = self.model, self.policy, self.limits
        if limits.time_limit is not None and policy.horizon is None:
            limits = replace(limits, time_limit=(limits.seconds + limits.time_limit) / 2.0)
        n = default_episodes(model, policy, steps) if episodes is None else episodes

        def report(done: int) -> None:
            self.on_part("simulation: episodes", done, n)

        report(0)
        try:
            result = simulate(
                model, policy, episodes=n, steps=steps, rng=self.rng, threads=threads,
                on_episode=lambda done, _: report(done),
                interrupted=lambda: limits.reason is not None,
            )  # fmt: skip
        except KeyboardInterrupt:
            if limits.reason is None:
                raise
            return _no_episodes(steps or default_steps(model, policy.horizon)), cut(
                limits.reason, 0, n, "episodes"
            )
        done = len(result.returns)
        if result.interrupted and limits.reason is not None:
            return result.summary, cut(limits.reason, done, n, "episodes")
        few = episodes is None and n < EPISODES
        reason = f"{n} episodes by default, because each takes long; see --episodes"
        return result.summary, reason if few else None

    def residuals(self, beliefs: int | None) -> tuple[Residuals, str | None]:
        """Bellman residuals at visited beliefs."""
        nothing, values = Residuals(np.zeros(0), 0, None), self.policy.values
        if self.policy.horizon is not None:
            return nothing, "not defined with a finite horizon"
        if isinstance(values, GraphValues):
            return nothing, too_large(values.graph)
        n = beliefs or BELIEFS

        def report(done: int) -> None:
            self.on_part("Bellman residual: beliefs", done, n)

        report(0)
        found = visited_residuals(
            self.model, self.policy, beliefs, rng=self.rng, limits=self.limits, on_belief=report
        )
        if found.stop_reason is None:
            return found, None
        if found.stop_reason == "work":
            return found, f"{found.beliefs} of {n} beliefs, because each takes long"
        return found, cut(found.stop_reason, found.beliefs, n, "beliefs")


def _no_episodes(steps: int) -> Summary:
    """Statistics of no episodes."""
    nan, inf = math.nan, math.inf
    return Summary(0, steps, nan, nan, (-inf, inf), nan, nan, 0, inf)


def default_episodes(model: Model, policy: SolvedPolicy, steps: int | None) -> int:
    """Number of episodes that take a few seconds: at most `EPISODES`."""
    work = steps or default_steps(model, policy.horizon)
    if controller_of(model, policy) is None:
        n_vectors = sum(1 for _ in policy.values.rows())
        compiled = isinstance(policy.values, AlphaVectors)
        work *= n_vectors * model.n_states if compiled else SLOW_STEP
    return min(EPISODES, max(FEWEST_EPISODES, SIMULATION_WORK // work))


def value_at_start(model: Model, policy: SolvedPolicy) -> float:
    """Value at the initial belief; for an MDP the expectation over the observed initial state."""
    if not model.mdp:
        return policy.value(model.start)
    corners = np.eye(model.n_states)
    return sum(
        float(model.start[s]) * policy.value(corners[s]) for s in np.flatnonzero(model.start)
    )
