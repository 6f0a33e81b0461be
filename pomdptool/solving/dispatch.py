"""One function for every method of solving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pomdptool.errors import PomdpError
from pomdptool.model import Model
from pomdptool.solving.bounds import solve_bound
from pomdptool.solving.solution import OnStep, Solution, Watch

DEFAULT_METHOD = "exact"


def _exact(model: Model, *, precision: float, horizon: int | None, watch: Watch | None) -> Solution:
    from pomdptool.solving.exact import solve_exact  # loads the LP solver

    return solve_exact(model, precision=precision, horizon=horizon, watch=watch)


METHODS: dict[str, Callable[..., Solution]] = {
    "exact": _exact,
    "qmdp": lambda model, **options: solve_bound(model, "qmdp", **options),
    "fib": lambda model, **options: solve_bound(model, "fib", **options),
    "mdp": lambda model, **options: solve_bound(model, "mdp", **options),
    "blind": lambda model, **options: solve_bound(model, "blind", **options),
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
    if discount is not None:
        if not 0.0 <= discount <= 1.0:
            raise PomdpError(f"the discount must lie between 0 and 1, not {discount}")
        model = replace(model, discount=discount)
    if horizon is not None and horizon < 1:
        raise PomdpError(f"the horizon must be at least 1, not {horizon}")
    watch = Watch(time_limit, max_vectors, on_step, interrupted)
    return METHODS[method](model, precision=precision, horizon=horizon, watch=watch)
