"""Entry point to all solvers, and the contract of their results.

For an alpha vector with action a, let its backup at belief b be

    (B alpha)(b) = r[a] . b + g sum over o of P(o | b, a) V(b after a and o),

where V is the maximum over the vectors of the method's own result.

- Lower bound (sarsop, exact, perseus, blind): alpha . b <= (B alpha)(b) for every vector and every
  belief over its states. Then V is a lower bound on the value of its own greedy policy at every
  belief. If pruning has removed vectors that others were backed up from, the inequality holds only
  with the optimal value for V; such a method provides a policy graph and is listed in
  `acting.agents.BY_GRAPH`, so that the graph is executed instead.
- Upper bound (qmdp, fib, mdp): one vector per action, with alpha . b >= (B alpha)(b). The greedy
  policy has no guarantee; the graph is that of the best blind policy.
- With a finite horizon V has one step less to go. The vectors have all steps to go, or, after a
  stop, `stats["iterations"]` steps.
- `Solution.bounds` enclose the optimal value of the initial belief, with all rounding and
  approximation errors. The policy (of an upper bound: its graph) attains at least the lower bound.
- `converged` is true if the requested precision or horizon was reached; `stop_reason` is then
  "precision" or "horizon". Otherwise it names the limit, or is "fixed-point" or "rounding" if the
  method cannot improve further.
- A run stopped at a limit returns its best result so far, to which all of this applies.

`tests/solving/test_method_contract.py` checks this for all of `METHODS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from pomdptool.arguments import as_model
from pomdptool.deprecation import renamed
from pomdptool.errors import PomdpError, nearest
from pomdptool.memory import default_memory_limit
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.randomness import generator
from pomdptool.solving.bounds import Method, solve_bound
from pomdptool.solving.graph_evaluation import evaluate, is_cheap
from pomdptool.solving.options import Options, Solver, checked_terminal
from pomdptool.solving.solution import (
    Monitor,
    OnStep,
    Progress,
    Solution,
    check_sum,
    discounted_steps,
)
from pomdptool.sparse import FloatArray

ALGORITHMS = ("incremental", "witness", "linear-support", "enumerate")
"""Classic algorithms of method "exact"."""

TRACE_GROWTH = 1.02
"""Growth of the elapsed time between two rows of a policy's trace."""


def _exact() -> Solver:
    from pomdptool.solving.exact.value_iteration import solve_exact

    return solve_exact


def _sarsop() -> Solver:
    from pomdptool.solving.observed.solver import observes_state, solve_observed
    from pomdptool.solving.sarsop.solver import solve_sarsop

    def solver(
        model: Model, *, precision: float, resume: SolvedPolicy | None, monitor: Monitor
    ) -> Solution:
        observed = model.mdp or observes_state(model)
        chosen: Solver = solve_observed if observed else solve_sarsop
        return chosen(model, precision=precision, resume=resume, monitor=monitor)

    return solver


def _perseus() -> Solver:
    from pomdptool.solving.perseus import solve_perseus

    return solve_perseus


def _bound(method: Method) -> Solver:
    return partial(solve_bound, method=method)


METHODS: dict[str, Callable[[], Solver]] = {
    "sarsop": _sarsop,
    "exact": _exact,
    "perseus": _perseus,
    "qmdp": partial(_bound, "qmdp"),
    "fib": partial(_bound, "fib"),
    "mdp": partial(_bound, "mdp"),
    "blind": partial(_bound, "blind"),
}
"""Importer of each method's solver; solvers with kernels are imported only when used."""

RANDOM = frozenset({"perseus"})
"""Methods that use random numbers."""


def default_method(horizon: int | None, algorithm: str | None) -> str:
    """Return the method to use if none is specified."""
    return "sarsop" if horizon is None and algorithm is None else "exact"


@renamed(full_set="full_simplex", all_stages="all_horizons", pruning="algorithm")
def solve(
    model: Model,
    method: str | None = None,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    discount: float | None = None,
    time_limit: float | None = None,
    max_vectors: int | None = None,
    memory: int | None = None,
    full_simplex: bool = False,
    terminal: FloatArray | None = None,
    all_horizons: bool = False,
    algorithm: str | None = None,
    resume: SolvedPolicy | None = None,
    rng: np.random.Generator | int | None = None,
    on_step: OnStep | None = None,
    interrupted: Callable[[], bool] | None = None,
) -> Solution:
    """Solve a model.

    Parameters
    ----------
    method
        "sarsop", "exact", "perseus", "qmdp", "fib", "mdp" or "blind"; by default "sarsop", or
        "exact" with a horizon or an algorithm.
    precision
        Stop when the gap between the bounds at the initial belief is at most this times
        max(1, |value|).
    horizon
        Number of steps; None: infinite horizon, which requires a discount below 1.
    discount
        Replaces the discount of the model.
    time_limit
        Seconds after which to return the best result so far.
    max_vectors
        Number of vectors above which to return the best result so far.
    memory
        Resident memory of the process, in bytes, above which to return the best result so far; by
        default the current size plus half of the free memory.
    full_simplex
        Have `exact` compute vectors over all states even if faces of the simplex suffice.
    terminal
        For `exact` with a horizon: alpha vectors, shape (n, S), of the terminal value function, in
        rewards; by default 0.
    all_horizons
        Have `exact` keep the value functions for 1, 2, ... steps to go, up to the horizon.
    algorithm
        Classic algorithm for the backups of `exact`: "incremental", "witness", "linear-support" or
        "enumerate".
    resume
        Earlier result for a warm start of `sarsop`: its vectors and upper bound, or its values if
        the observations reveal the state.
    rng
        Random number generator or its seed; required by `perseus`.
    on_step
        Called with a `Progress` after each iteration.
    interrupted
        Called often; if true, the solver returns its best result so far.

    Raises
    ------
    PomdpError
        With an unknown method, discount 1 and no horizon, or incompatible options.
    """
    model = as_model(model)
    method = default_method(horizon, algorithm) if method is None else method
    if method not in METHODS:
        hint = nearest(method, METHODS) or f": one of {', '.join(METHODS)}"
        raise PomdpError(f"unknown method {method!r}{hint}")
    if time_limit is not None and not time_limit >= 0.0:
        raise PomdpError(f"the time limit must not be negative, not {time_limit}")
    problem = model if discount is None else replace(model, discount=discount)
    if full_simplex and method == "sarsop":
        raise PomdpError("vectors over the full simplex need method 'exact', not 'sarsop'")
    options = Options(
        precision=precision,
        horizon=horizon,
        full_simplex=full_simplex,
        terminal=None if terminal is None else checked_terminal(problem, terminal),
        all_horizons=all_horizons,
        algorithm=algorithm,
        resume=resume,
        rng=None if rng is None else generator(rng),
    )
    if method in RANDOM and rng is None:
        raise PomdpError(f"method {method!r} is random: pass rng")
    solver = METHODS[method]()
    arguments = options.taken_by(solver, method)
    _check_size(problem, horizon)
    limit = default_memory_limit() if memory is None else memory
    monitor = Monitor(
        time_limit, interrupted, max_vectors=max_vectors, on_step=on_step, memory=limit
    )
    solution = solver(problem, monitor=monitor, **arguments)
    policy = replace(
        solution.policy,
        graph_value=_graph_value(problem, solution.policy),
        trace=_thin_trace(solution.trace),
    )
    if discount is not None:
        # A policy is identified with the unmodified model.
        policy = replace(policy, problem=replace(policy.problem, digest=model.digest))
    return replace(solution, policy=policy)


def _thin_trace(trace: Iterable[Progress]) -> tuple[tuple[float, float, float, int], ...]:
    """Rows (seconds, lower, upper, vectors), thinned by `TRACE_GROWTH`, with the last one."""
    kept: list[tuple[float, float, float, int]] = []
    row = None
    for p in trace:
        row = (p.seconds, p.lower, p.upper, p.vectors)
        if not kept or p.seconds >= TRACE_GROWTH * kept[-1][0]:
            kept.append(row)
    if row is not None and kept[-1] != row:
        kept.append(row)
    return tuple(kept)


def _graph_value(model: Model, policy: SolvedPolicy) -> float | None:
    """Value of the policy graph at the initial belief; None if evaluation is expensive."""
    graph = policy.graph
    if graph is None:
        return None
    values = graph.values
    if values is None:
        if policy.terminal is not None or not is_cheap(model, graph):
            return None
        try:
            values = evaluate(model, graph, patient=False)
        except PomdpError:  # convergence is slow, or the value infinite
            return None
    return graph.initial_value(values, model.start)


def _check_size(model: Model, horizon: int | None) -> None:
    """Check that values stay within the range in which floats can be added."""
    steps = discounted_steps(model.discount, 0, horizon)
    largest = float(np.abs(model.expected_rewards).max())
    if steps < math.inf:
        check_sum("rewards", largest, steps)
