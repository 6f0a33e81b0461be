"""`pomdptool simulate`: what a planner or a saved policy earns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.help import Choice, Command
from pomdptool.commands.interrupts import interruptible
from pomdptool.commands.models import open_model, open_policy, read_text, write_json
from pomdptool.commands.numbers import MOST_KEPT, Real, Whole
from pomdptool.commands.options import (
    EXISTING,
    chosen_seed,
    episodes_option,
    from_option,
    json_option,
    model_argument,
    output_option,
    quiet_option,
    seed_option,
    steps_option,
    threads_option,
    verbose_option,
)
from pomdptool.commands.paths import Input, Output
from pomdptool.commands.progress import announce_compiling, returns_of
from pomdptool.commands.returns import interval, short, statistics, summary
from pomdptool.commands.steps import seen_steps
from pomdptool.commands.terminal import show_pairs
from pomdptool.formats.documents import plain
from pomdptool.formats.files import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.planner import Pomcp, Prior
    from pomdptool.acting.simulate import Simulation
    from pomdptool.policy import SolvedPolicy

PLANNERS = ("pomcp", "pouct", "random", "qmdp")


@click.command(
    cls=Command,
    example="pomdptool simulate tiger.pomdp --episodes 10 --sims 500\n"
    "pomdptool simulate tiger.pomdp --policy tiger.json --trace trace.jsonl",
    sections={
        "What acts": ("planner", "policy_file", "compared"),
        "Episodes": ("episodes", "steps"),
        "Planner": (
            *("sims", "time_limit", "exploration", "depth", "rollout", "leaf_file"),
            *("prior_file", "belief", "particles"),
        ),
        "Output": ("output", "trace_file"),
    },
)
@model_argument
@click.option(
    "--planner",
    type=Choice(PLANNERS),
    help="pomcp (the default without a policy): search with particles; pouct: search with exact "
    "beliefs; qmdp: the QMDP policy; random: uniform actions.",
)
@click.option("--policy", "policy_file", metavar="FILE", type=EXISTING, help="A saved policy.")
@click.option(
    "--compare",
    "compared",
    metavar="FILE",
    type=EXISTING,
    multiple=True,
    help="Another saved policy, compared on the same random streams; may be repeated.",
)
@episodes_option(100)
@steps_option(
    "Largest number of steps of an episode, up to the policy's horizon; by default until 0.1% of "
    "the return is left."
)
@click.option(
    "--sims",
    metavar="N",
    type=Whole(),
    help="Simulations per decision; default 4000, with --time no limit.",
)
@click.option(
    "--time",
    "time_limit",
    metavar="SECONDS",
    type=Real(min=0.0, min_open=True),
    help="Planning time per decision.",
)
@click.option(
    "--exploration",
    metavar="C",
    type=Real(min=0.0),
    help="Exploration constant of UCB1; by default from bounds on the value of the initial belief.",
)
@click.option(
    "--depth",
    metavar="D",
    type=Whole(1, MOST_KEPT),
    help="Depth of a simulation; by default until 1% of the discounted reward is left.",
)
@click.option(
    "--rollout",
    metavar="random|qmdp|FILE",
    type=Input(words=("random", "qmdp")),
    default="qmdp",
    show_default=True,
    help="Rollout policy at leaf nodes; FILE: a saved policy.",
)
@click.option(
    "--leaf-values",
    "leaf_file",
    cls=Renamed,
    former="--leaf",
    metavar="FILE",
    type=EXISTING,
    help="A saved policy whose value function evaluates leaf nodes, instead of rollouts.",
)
@click.option(
    "--prior",
    "prior_file",
    metavar="FILE",
    type=EXISTING,
    help="JSON, {action: {visits, value}}: initial counts and values of the actions of a new node; "
    "by default one visit with the QMDP value.",
)
@click.option(
    "--belief",
    type=Choice(["exact", "particles"]),
    help="Belief of the planner; default particles for pomcp, exact for pouct.",
)
@click.option(
    "--particles",
    metavar="N",
    type=Whole(1, MOST_KEPT),
    default=2000,
    show_default=True,
    help="Number of particles, with --belief particles.",
)
@output_option("Write the result here, as JSON.")
@click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=Output(),
    help="Write each step here, as JSON lines.",
)
@seed_option
@threads_option
@json_option
@from_option
@quiet_option
@verbose_option
def command(
    path: str,
    planner: str | None,
    policy_file: str | None,
    compared: tuple[str, ...],
    episodes: int,
    steps: int | None,
    sims: int | None,
    time_limit: float | None,
    exploration: float | None,
    depth: int | None,
    rollout: str,
    leaf_file: str | None,
    prior_file: str | None,
    belief: str | None,
    particles: int,
    output: str | None,
    trace_file: str | None,
    seed: int | None,
    threads: int | None,
    as_json: bool,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Play episodes, and estimate the expected discounted return with its 95% interval.

    An interrupt (Ctrl-C) gives the statistics so far and exits with code 130.
    """
    import numpy as np

    from pomdptool.acting.simulate import simulate
    from pomdptool.kernels.jit import cores

    if planner and policy_file:
        raise click.UsageError("--planner and --policy exclude each other.")
    if compared and not policy_file:
        raise click.UsageError("--compare needs --policy.")
    if not quiet:
        announce_compiling()
    model = open_model(path, kind, quiet=quiet)
    first: Pomcp | SolvedPolicy | None
    if policy_file is not None:
        first = open_policy(policy_file, model)
    else:
        exact = (planner == "pouct") if belief is None else belief == "exact"
        first = _planner(
            planner or "pomcp",
            model,
            sims=(sims or 4000) if time_limit is None else sims,
            time_limit=time_limit,
            exploration=exploration,
            depth=depth,
            rollout=rollout,
            leaf_file=leaf_file,
            prior_file=prior_file,
            exact=exact,
            particles=particles,
        )
    others = [open_policy(file, model) for file in compared]
    number = chosen_seed(seed, quiet)
    results: list[Simulation] = []
    with (
        interruptible() as interrupted,
        seen_steps(model, trace_file, verbose and not quiet) as on_seen,
        returns_of(model, episodes, quiet) as on_episode,
    ):
        for policy in (first, *others):
            result = simulate(
                model,
                policy,
                episodes=episodes,
                rng=np.random.default_rng(number),
                steps=steps,
                threads=threads or cores(),
                on_seen=on_seen if policy is first else None,
                on_episode=on_episode,
                interrupted=interrupted,
                at_once=1 if others else None,
            )
            results.append(result)
            if result.interrupted:
                break
    name = planner or (policy_file or "pomcp")
    document = plain(_document(model, results, [name, *compared], number, first))
    if output is not None or as_json:
        write_json(document, output)
    if not as_json and output != "-":
        show_pairs(_rows(model, document), sys.stdout)
    return 130 if results[-1].interrupted else 0


def _planner(
    name: str,
    model: Model,
    *,
    rollout: str,
    leaf_file: str | None,
    prior_file: str | None,
    **settings: Any,
) -> Pomcp | SolvedPolicy | None:
    """What a planner's name stands for."""
    from pomdptool.acting.planner import Pomcp
    from pomdptool.solving.dispatch import solve

    if name == "random":
        return None
    if name == "qmdp":
        return solve(model, "qmdp").policy
    return Pomcp(
        model,
        rollout=rollout if rollout in ("random", "qmdp") else open_policy(rollout, model),
        leaf_values=None if leaf_file is None else open_policy(leaf_file, model),
        prior=None if prior_file is None else _prior(prior_file, model),
        **settings,
    )


def _prior(path: str, model: Model) -> Prior:
    """Read visits and values of actions."""
    import numpy as np

    from pomdptool.acting.planner import Prior
    from pomdptool.errors import DataError, nearest
    from pomdptool.formats.documents import Place
    from pomdptool.formats.strict_json import read_json

    visits, values = np.zeros(model.n_actions, np.int64), np.zeros(model.n_actions)
    text, file = read_text(path)
    for name, entry in Place(read_json(text, file), "", file).members().items():
        if name not in model.actions:
            hint = nearest(name, model.actions)
            raise DataError(f"{path}: the model has no action {name!r}{hint}")
        k = model.actions.index(name)
        value = entry["value"].number()
        visits[k], values[k] = entry["visits"].count(0), -value if model.costs else value
    return Prior(visits, values)


def _document(
    model: Model, results: list[Simulation], names: list[str], seed: int, first: Any
) -> dict[str, Any]:
    """The result as JSON."""
    from pomdptool.acting.planner import Pomcp
    from pomdptool.acting.simulate import confidence, standard_error

    sign = -1.0 if model.costs else 1.0
    result = results[0]
    settings = first.settings if isinstance(first, Pomcp) else {"name": names[0]}
    rate = result.sims / result.search_seconds if result.search_seconds > 0.0 else None
    document = summary(model, result.summary) | {
        "planner": settings,
        "sims_per_second": rate,
        "seconds": result.seconds,
        "seed": seed,
        "interrupted": results[-1].interrupted,
    }
    if len(results) > 1:
        document["compared"] = []
    for name, other in zip(names[1:], results[1:], strict=False):
        n = min(len(other.returns), len(result.returns))
        less = sign * (other.returns[:n] - result.returns[:n])
        document["compared"].append(
            {"policy": name}
            | summary(model, other.summary)
            | {
                "difference": float(less.mean()),
                "difference_standard_error": standard_error(less),
                "difference_confidence_95": confidence(less),
            }
        )
    return document


def _rows(model: Model, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The result as a table."""
    what, planner = "cost" if model.costs else "return", document["planner"]
    given = [(k, v) for k, v in planner.items() if k != "name" and v is not None]
    rows = [("problem", model.name or "-"), ("acting", planner["name"])]
    rows += [("with", ", ".join(f"{k} {short(v)}" for k, v in given))] * bool(given)
    rows += statistics(document, what)
    if document["sims_per_second"]:
        rows.append(("simulations", f"{document['sims_per_second']:.3g} a second"))
    rows.append(("seconds", f"{document['seconds']:.2f}"))
    for entry in document.get("compared", []):
        rows += [("compared", entry["policy"]), *statistics(entry, what)]
        between = interval(*entry["difference_confidence_95"])
        rows.append(("difference", f"{short(entry['difference'])}, 95% {between}"))
    return rows
