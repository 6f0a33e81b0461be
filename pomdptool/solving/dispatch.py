"""One function for every method of solving."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.model import Model
from pomdptool.solving.bounds import Method, solve_bound
from pomdptool.solving.solution import OnStep, Solution, Watch, discounted_steps

DEFAULT_METHOD = "exact"

LARGEST_VALUE = 1e100


def _exact(
    model: Model, *, precision: float, horizon: int | None, full_set: bool, watch: Watch
) -> Solution:
    from pomdptool.solving.exact import solve_exact  # loads the kernels

    return solve_exact(model, precision=precision, horizon=horizon, full_set=full_set, watch=watch)


def _bound(
    method: Method,
    model: Model,
    *,
    precision: float,
    horizon: int | None,
    full_set: bool,
    watch: Watch,
) -> Solution:
    del full_set  # vectors of bounds cover all states in any case
    return solve_bound(model, method, precision=precision, horizon=horizon, watch=watch)


METHODS: dict[str, Callable[..., Solution]] = {
    "exact": _exact,
    "qmdp": partial(_bound, "qmdp"),
    "fib": partial(_bound, "fib"),
    "mdp": partial(_bound, "mdp"),
    "blind": partial(_bound, "blind"),
}


def solve(
    model: Model,
    method: str = DEFAULT_METHOD,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    discount: float | None = None,
    time_limit: float | None = None,
    max_vectors: int | None = None,
    full_set: bool = False,
    on_step: OnStep | None = None,
    interrupted: Callable[[], bool] | None = None,
) -> Solution:
    """Solve a model.

    Parameters
    ----------
    method
        "exact", "qmdp", "fib", "mdp" or "blind".
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
    full_set
        Whether `exact` computes vectors over all states also where it can do without.
    on_step
        Called with a `Progress` after each iteration.
    interrupted
        Asked between steps whether to stop and return the best so far.

    Raises
    ------
    PomdpError
        With an unknown method, or discount 1 and no horizon.
    """
    if method not in METHODS:
        import difflib

        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f": one of {', '.join(METHODS)}"
        raise PomdpError(f"there is no method {method!r}{hint}")
    _check_options(precision, horizon, discount, time_limit)
    asked = model if discount is None else replace(model, discount=discount)
    _check_size(asked, horizon)
    watch = Watch(time_limit, max_vectors, on_step, interrupted)
    solution = METHODS[method](
        asked, precision=precision, horizon=horizon, full_set=full_set, watch=watch
    )
    if discount is None:
        return solution
    # The policy belongs to the model as it was read.
    problem = replace(solution.policy.problem, digest=model.digest)
    return replace(solution, policy=replace(solution.policy, problem=problem))


def _check_options(
    precision: float, horizon: int | None, discount: float | None, time_limit: float | None
) -> None:
    if not 0.0 < precision < math.inf:
        raise PomdpError(f"the precision must be above 0, not {precision}")
    if horizon is not None and (not isinstance(horizon, int) or horizon < 1):
        raise PomdpError(f"the horizon must be a whole number above 0, not {horizon}")
    if discount is not None and not 0.0 <= discount <= 1.0:
        raise PomdpError(f"the discount must lie between 0 and 1, not {discount}")
    if time_limit is not None and not time_limit >= 0.0:
        raise PomdpError(f"the time limit must not be negative, not {time_limit}")


def _check_size(model: Model, horizon: int | None) -> None:
    """Refuse values beyond which sums of floats say nothing."""
    steps = discounted_steps(model.discount, 0, horizon)
    largest = float(np.abs(model.expected_rewards).max())
    if steps < math.inf and not largest * steps < LARGEST_VALUE:
        raise PomdpError(f"rewards up to {largest:g} are too large to be added up")
