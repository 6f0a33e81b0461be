"""Options of `pomdptool simulate` for online planners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.click_help import Choice
from pomdptool.commands.models import open_policy, read_text
from pomdptool.commands.numbers import MAX_STORED, Real, Whole
from pomdptool.commands.options import EXISTING, collected
from pomdptool.commands.paths import Input
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.pomcp import Pomcp
    from pomdptool.acting.search_settings import Prior
    from pomdptool.policy import SolvedPolicy

PLANNERS = ("pomcp", "pouct", "random", "qmdp")
DEFAULT_PLANNER = "pomcp"
DEFAULT_SIMS = 4000


@dataclass(frozen=True, slots=True)
class PlannerOptions:
    """The options of `planner_options`."""

    planner: str | None
    sims: int | None
    time_limit: float | None
    exploration: float | None
    depth: int | None
    rollout: str
    leaf_file: str | None
    prior_file: str | None
    belief: str | None
    particles: int

    def planner_for(self, model: Model) -> Pomcp | SolvedPolicy | None:
        """Make the planner for a model; None for uniformly random actions."""
        from pomdptool.acting.pomcp import Pomcp
        from pomdptool.solving.solve import solve

        if self.planner == "random":
            return None
        if self.planner == "qmdp":
            return solve(model, "qmdp").policy
        built_in = self.rollout in ("random", "qmdp")
        return Pomcp(
            model,
            sims=(self.sims or DEFAULT_SIMS) if self.time_limit is None else self.sims,
            time_limit=self.time_limit,
            exploration=self.exploration,
            depth=self.depth,
            rollout=self.rollout if built_in else open_policy(self.rollout, model),
            leaf_values=None if self.leaf_file is None else open_policy(self.leaf_file, model),
            prior=None if self.prior_file is None else load_prior(self.prior_file, model),
            exact=(self.planner == "pouct") if self.belief is None else self.belief == "exact",
            particles=self.particles,
        )


planner_options = collected(
    "planning",
    PlannerOptions,
    click.option(
        "--planner",
        type=Choice(PLANNERS),
        help="pomcp (default): tree search with a particle belief; pouct: with an exact belief; "
        "qmdp: the QMDP policy; random: uniformly random actions.",
    ),
    click.option(
        "--sims",
        metavar="N",
        type=Whole(),
        help="Simulations per decision; default 4000, unlimited with --time.",
    ),
    click.option(
        "--time",
        "time_limit",
        metavar="SECONDS",
        type=Real(min=0.0, min_open=True),
        help="Planning time per decision.",
    ),
    click.option(
        "--exploration",
        metavar="C",
        type=Real(min=0.0),
        help="UCB1 exploration constant; by default derived from value bounds at the initial "
        "belief.",
    ),
    click.option(
        "--depth",
        metavar="D",
        type=Whole(1, MAX_STORED),
        help="Search depth; by default until 1% of the discounted reward remains.",
    ),
    click.option(
        "--rollout",
        metavar="random|qmdp|FILE",
        type=Input(words=("random", "qmdp")),
        default="qmdp",
        show_default=True,
        help="Rollout policy at leaf nodes; FILE is a saved policy.",
    ),
    click.option(
        "--leaf-values",
        "leaf_file",
        cls=Renamed,
        former="--leaf",
        metavar="FILE",
        type=EXISTING,
        help="Saved policy whose value function evaluates leaf nodes in place of rollouts.",
    ),
    click.option(
        "--prior",
        "prior_file",
        metavar="FILE",
        type=EXISTING,
        help="Initial visit counts and values of actions, as JSON {action: {visits, value}}; by "
        "default one visit with the QMDP value.",
    ),
    click.option(
        "--belief",
        type=Choice(["exact", "particles"]),
        help="Belief representation; default particles for pomcp, exact for pouct.",
    ),
    click.option(
        "--particles",
        metavar="N",
        type=Whole(1, MAX_STORED),
        default=2000,
        show_default=True,
        help="Number of particles, with --belief particles.",
    ),
)
"""Options of the planner."""


def load_prior(path: str, model: Model) -> Prior:
    """Read initial visit counts and values of actions."""
    import numpy as np

    from pomdptool.acting.search_settings import Prior
    from pomdptool.errors import DataError, nearest
    from pomdptool.formats.json_documents import JsonValue
    from pomdptool.formats.strict_json import read_json

    visits, values = np.zeros(model.n_actions, np.int64), np.zeros(model.n_actions)
    text, file = read_text(path)
    for name, entry in JsonValue(read_json(text, file), "", file).members().items():
        if name not in model.actions:
            hint = nearest(name, model.actions)
            raise DataError(f"{path}: the model has no action {name!r}{hint}")
        k = model.actions.index(name)
        value = entry["value"].number()
        visits[k], values[k] = entry["visits"].count(0), -value if model.costs else value
    return Prior(visits, values)
