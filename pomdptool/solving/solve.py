"""One function for every method of solving, and what each method promises.

Let (B alpha)(b) be what a vector's action earns at belief b, and the value function from there on,

    (B alpha)(b) = r[a] . b + g sum over o of P(o | b, a) V(b after a and o),

where V is the maximum over the vectors of the method's own result.

- Lower bound (sarsop, exact, perseus, blind): alpha . b <= (B alpha)(b) for every vector at every
  belief over its states. Then V is a lower bound, and acting by the vectors earns at least V from
  every belief. Where pruning has dropped vectors that others were backed up from, the inequality
  holds with the optimal value in place of V only; then the method gives a policy graph, and
  `acting.agents.BY_GRAPH` names it, so that its policies act by that.
- Upper bound (qmdp, fib, mdp): one vector per action, alpha . b >= (B alpha)(b). Agent by the
  vectors promises nothing; the graph is that of the best blind policy.
- With a finite horizon V has a step less to go. The vectors are those with all steps to go, or,
  after a stop, with `stats["iterations"]` of them.
- `Solution.bounds` enclose the optimal value of the initial belief, allowing for rounding and for
  every approximation; the policy (of an upper bound: its graph) earns at least the lower one.
- `converged` is true where the precision or the horizon that was asked for was reached, and
  `stop_reason` is then "precision" or "horizon"; else it names the limit, or "fixed-point" or
  "rounding" where the method can improve no further.
- A run that is stopped returns its best result so far, which keeps all of these promises.

`tests/test_method_contract.py` holds them over all of `METHODS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from pomdptool.deprecation import renamed
from pomdptool.errors import PomdpError, nearest
from pomdptool.memory import half_of_what_is_free
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
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
"""Names of the classic algorithms of `classic`."""

TRACE_GROWTH = 1.02


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
"""What imports each method's solver; those that use kernels are imported only to be run."""

RANDOM = frozenset({"perseus"})
"""Methods that draw random numbers."""


def default_method(horizon: int | None, algorithm: str | None) -> str:
    """Name the method that is used where none is asked for."""
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
    rng: np.random.Generator | None = None,
    on_step: OnStep | None = None,
    interrupted: Callable[[], bool] | None = None,
) -> Solution:
    """Solve a model.

    Parameters
    ----------
    method
        "sarsop", "exact", "perseus", "qmdp", "fib", "mdp" or "blind"; by default "sarsop", or
        "exact" where there is a horizon or an algorithm.
    precision
        Stop when upper less lower bound at the start belief is below this times max(1, |value|).
    horizon
        Steps to go; None is without end, and needs a discount below 1.
    discount
        Instead of the model's.
    time_limit
        Seconds after which the best so far is returned.
    max_vectors
        Size of a set of vectors at which the best so far is returned.
    memory
        Bytes held by this process at which the best so far is returned; by default what it holds
        already, and half of what is free.
    full_simplex
        Whether `exact` computes vectors over all states also where it can do without.
    terminal
        Shape (n, S), for `exact` with a horizon: a belief after the last step is worth the largest
        of these vectors, in rewards; by default 0.
    all_horizons
        Whether `exact` keeps the values with 1, 2, ... steps to go, up to the horizon.
    algorithm
        Have `exact` back up by a classic algorithm: "incremental", "witness", "linear-support" or
        "enumerate".
    resume
        Have `sarsop` begin with an earlier result: its vectors and its upper bound, or the values
        of a model that observes its state.
    rng
        Random numbers, which `perseus` needs.
    on_step
        Called with a `Progress` after each iteration.
    interrupted
        Asked between steps whether to stop and return the best so far.

    Raises
    ------
    PomdpError
        With an unknown method, discount 1 and no horizon, or options that do not go together.
    """
    method = default_method(horizon, algorithm) if method is None else method
    if method not in METHODS:
        hint = nearest(method, METHODS) or f": one of {', '.join(METHODS)}"
        raise PomdpError(f"there is no method {method!r}{hint}")
    if time_limit is not None and not time_limit >= 0.0:
        raise PomdpError(f"the time limit must not be negative, not {time_limit}")
    asked = model if discount is None else replace(model, discount=discount)
    if full_simplex and method == "sarsop":
        raise PomdpError("vectors over the full simplex need method 'exact', not 'sarsop'")
    options = Options(
        precision=precision,
        horizon=horizon,
        full_simplex=full_simplex,
        terminal=None if terminal is None else checked_terminal(asked, terminal),
        all_horizons=all_horizons,
        algorithm=algorithm,
        resume=resume,
        rng=rng,
    )
    if method in RANDOM and rng is None:
        raise PomdpError(f"method {method!r} draws random numbers: give it rng")
    solver = METHODS[method]()
    arguments = options.taken_by(solver, method)
    _check_size(asked, horizon)
    limit = half_of_what_is_free() if memory is None else memory
    monitor = Monitor(
        time_limit, interrupted, max_vectors=max_vectors, on_step=on_step, memory=limit
    )
    solution = solver(asked, monitor=monitor, **arguments)
    policy = replace(
        solution.policy,
        graph_value=_graph_value(asked, solution.policy),
        trace=_thinned(solution.trace),
    )
    if discount is not None:
        # The policy belongs to the model as it was read.
        policy = replace(policy, problem=replace(policy.problem, digest=model.digest))
    return replace(solution, policy=policy)


def _thinned(trace: Iterable[Progress]) -> tuple[tuple[float, float, float, int], ...]:
    """Seconds, bounds and vectors where the seconds have grown by some percent; and the last."""
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
    """What the policy graph earns from the start belief, where that is cheap to say."""
    graph = policy.graph
    if graph is None:
        return None
    values = graph.values
    if values is None:
        if policy.terminal is not None or not is_cheap(model, graph):
            return None
        try:
            values = evaluate(model, graph, patient=False)
        except PomdpError:  # it takes long, or is infinite
            return None
    return graph.worth(values, model.start)


def _check_size(model: Model, horizon: int | None) -> None:
    """Refuse values beyond which sums of floats say nothing."""
    steps = discounted_steps(model.discount, 0, horizon)
    largest = float(np.abs(model.expected_rewards).max())
    if steps < math.inf:
        check_sum("rewards", largest, steps)
