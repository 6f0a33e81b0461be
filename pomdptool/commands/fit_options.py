"""Options of `pomdptool fit`: the number of states and the settings of EM."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from pomdptool.commands.click_help import Choice
from pomdptool.commands.numbers import Real, Whole
from pomdptool.commands.options import collected, threads_option, time_limit_option
from pomdptool.learning.fit import ObservationModel
from pomdptool.learning.m_step import FIXABLE, PSEUDO_COUNT
from pomdptool.learning.select import Criterion
from pomdptool.learning.utile_distinction import MAX_STATES, SIGNIFICANCE


@dataclass(frozen=True, slots=True)
class StateOptions:
    """The options of `state_options`: the number of hidden states."""

    states: tuple[int, ...]
    method: str
    significance: float
    max_states: int
    by: Criterion

    @property
    def first(self) -> int | None:
        """The first number of states; for udm, the initial one."""
        return self.states[0] if self.states else None

    def check(self, init: str | None, fix: Collection[str]) -> None:
        """Reject options that would be ignored.

        Raises
        ------
        UsageError
            If options cannot be combined.
        """
        utile = self.method == "udm"
        if not self.states and init is None and not utile:
            raise click.UsageError("--states is missing: the number of states to learn.")
        if utile and len(self.states) > 1:
            raise click.UsageError("--method udm takes one number of initial --states.")
        if utile and self.states and self.states[0] > self.max_states:
            raise click.UsageError(
                f"--states {self.states[0]} is more than --max-states {self.max_states}."
            )
        source = click.get_current_context().get_parameter_source
        for name, option, applies, requirement in (
            ("significance", "--significance", utile, "needs --method udm"),
            ("max_states", "--max-states", utile, "needs --method udm"),
            ("by", "--select", len(self.states) > 1, "needs several --states, such as 2:4"),
            ("restarts", "--restarts", init is None, "cannot be used with --init"),
            ("fix", "--fix", init is not None or utile or set(fix) <= {"start"}, "needs --init"),
        ):
            if source(name) is ParameterSource.COMMANDLINE and not applies:
                raise click.UsageError(f"{option} {requirement}.")


@dataclass(frozen=True, slots=True)
class EmOptions:
    """The options of `em_options`, which are keywords of `pomdptool.fit`."""

    observation_model: ObservationModel
    reward_model: Any
    restarts: int
    max_iter: int
    tol: float
    prior_transition: float
    prior_observation: float
    prior_start: float
    prior_reward: float
    damping: float
    fix: Collection[str]
    discount: float
    threads: int | None
    time_limit: float | None


def _sizes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Parse numbers of states such as `4`, `2:8` or `2,4,6`."""
    if value is None:
        return ()
    if re.fullmatch(r"[0-9]{1,5}:[0-9]{1,5}", value):
        low, high = map(int, value.split(":"))
        sizes = tuple(range(low, high + 1))
    elif re.fullmatch(r"[0-9]{1,5}(,[0-9]{1,5})*", value):
        sizes = tuple(map(int, value.split(",")))
    else:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise click.BadParameter(f"{value!r} is not like 4, 2:8 or 2,4,6.", ctx, param)
    return sizes


def _parts(ctx: click.Context, param: click.Parameter, value: str) -> Collection[str]:
    parts = [part for part in value.split(",") if part]
    for part in parts:
        if part not in FIXABLE:
            raise click.BadParameter(f"{part!r} is not one of {', '.join(FIXABLE)}.", ctx, param)
    return parts


def _prior(table: str) -> Callable[[Any], Any]:
    return click.option(
        f"--prior-{table}",
        metavar="K",
        type=Real(min=0.0),
        default=PSEUDO_COUNT,
        show_default=True,
        help=f"Dirichlet pseudo-count of each {table} probability.",
    )


state_options = collected(
    "choice",
    StateOptions,
    click.option(
        "--states",
        metavar="N",
        callback=_sizes,
        help="Number of hidden states, such as 4; or candidates, such as 2:8 or 2,4,6.",
    ),
    click.option(
        "--method",
        type=Choice(["em", "udm"]),
        default="em",
        show_default=True,
        help="em: Baum-Welch with a fixed number of states; udm: utile distinction, which splits "
        "states whose returns differ.",
    ),
    click.option(
        "--significance",
        metavar="P",
        type=Real(0.0, 1.0, min_open=True, max_open=True),
        default=SIGNIFICANCE,
        show_default=True,
        help="With udm: significance level for splitting a state.",
    ),
    click.option(
        "--max-states",
        metavar="N",
        type=Whole(),
        default=MAX_STATES,
        show_default=True,
        help="With udm: maximum number of states.",
    ),
    click.option(
        "--select",
        "by",
        type=Choice(["bic", "aic", "heldout"]),
        default="bic",
        show_default=True,
        help="Criterion that selects among several --states.",
    ),
)
"""Options of the number of states."""


em_options = collected(
    "em",
    EmOptions,
    click.option(
        "--observation-model",
        type=Choice(["per-action", "shared"]),
        default="per-action",
        show_default=True,
        help="per-action: O depends on the action; shared: one O for all actions.",
    ),
    click.option(
        "--reward-model",
        type=Choice(["auto", "state", "transition"]),
        default="auto",
        show_default=True,
        help="state: R[a, s]; transition: R[a, s, s', o]; auto: chosen from the data.",
    ),
    click.option(
        "--restarts",
        metavar="N",
        type=Whole(1, 10_000),
        default=10,
        show_default=True,
        help="Number of random initialisations; the best result is kept.",
    ),
    click.option(
        "--max-iter",
        metavar="N",
        type=Whole(),
        default=1000,
        show_default=True,
        help="Maximum number of EM iterations per restart.",
    ),
    click.option(
        "--tol",
        metavar="X",
        type=Real(min=0.0),
        default=1e-6,
        show_default=True,
        help="Stop when an iteration improves the log-likelihood per step by less than X.",
    ),
    *map(_prior, ("transition", "observation", "start", "reward")),
    click.option(
        "--damping",
        metavar="W",
        type=Real(0.0, 1.0, max_open=True),
        default=0.0,
        show_default=True,
        help="Weight of the old parameters in each update.",
    ),
    click.option(
        "--fix",
        metavar="T,O,start",
        callback=_parts,
        default="",
        help="Parameters kept at their values in --init. Without --init: start only, kept uniform.",
    ),
    click.option(
        "--discount",
        metavar="D",
        type=Real(0.0, 1.0),
        default=0.95,
        show_default=True,
        help="Discount factor of the learned model.",
    ),
    threads_option,
    time_limit_option,
)
"""Options of EM."""
