"""`pomdptool simulate`: the expected return of a planner or a saved policy."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.models import open_carried_policy, open_model, write_json
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
from pomdptool.commands.paths import Output
from pomdptool.commands.planners import DEFAULT_PLANNER, PlannerOptions, planner_options
from pomdptool.commands.progress import announce_compiling, simulation_progress
from pomdptool.commands.returns import interval, short, statistics, summary
from pomdptool.commands.steps import step_recorder
from pomdptool.commands.terminal import show_pairs
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.models import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.simulate import Simulation


@click.command(
    cls=Command,
    example="pomdptool simulate tiger.pomdp --episodes 10 --sims 500\n"
    "pomdptool simulate tiger.pomdp --policy tiger.json --trace trace.jsonl",
    sections={
        "Policy": ("planner", "policy_file", "compared"),
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
    "--policy", "policy_file", metavar="FILE", type=EXISTING, help="Simulate this saved policy."
)
@click.option(
    "--compare",
    "compared",
    metavar="FILE",
    type=EXISTING,
    multiple=True,
    help="Compare with this saved policy on the same random streams; may be repeated.",
)
@episodes_option(100)
@steps_option(
    "Maximum number of steps per episode, at most the policy's horizon; by default until 0.1% of "
    "the discounted reward remains."
)
@planner_options
@output_option("Write the result to this file, as JSON.")
@click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=Output(),
    help="Write each step to this file, as JSON lines.",
)
@seed_option
@threads_option
@json_option
@from_option
@quiet_option
@verbose_option
def command(
    path: str,
    policy_file: str | None,
    compared: tuple[str, ...],
    episodes: int,
    steps: int | None,
    planning: PlannerOptions,
    output: str | None,
    trace_file: str | None,
    seed: int | None,
    threads: int | None,
    as_json: bool,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Estimate the expected discounted return, with a 95% confidence interval.

    An interrupt (Ctrl-C) prints the statistics so far and exits with code 130.
    """
    import numpy as np

    from pomdptool.acting.simulate import simulate
    from pomdptool.kernels.jit import cores

    if planning.planner and policy_file:
        raise click.UsageError("--planner and --policy cannot be combined.")
    if compared and not policy_file:
        raise click.UsageError("--compare needs --policy.")
    if not quiet:
        announce_compiling()
    model = open_model(path, kind, quiet=quiet)
    read = partial(open_carried_policy, model=model, quiet=quiet)
    first = read(policy_file) if policy_file else planning.planner_for(model)
    others = [read(file) for file in compared]
    number = chosen_seed(seed, quiet)
    results: list[Simulation] = []
    with (
        interruptible() as interrupted,
        step_recorder(model, trace_file, verbose and not quiet) as on_step,
        simulation_progress(model, episodes, interrupted, quiet=quiet) as on_episode,
    ):
        for policy in (first, *others):
            result = simulate(
                model,
                policy,
                episodes=episodes,
                rng=np.random.default_rng(number),
                steps=steps,
                threads=threads or cores(),
                on_step=on_step if policy is first else None,
                on_episode=on_episode,
                interrupted=interrupted,
                batch_size=1 if others else None,
            )
            results.append(result)
            if result.interrupted:
                break
    name = policy_file or planning.planner or DEFAULT_PLANNER
    document = to_jsonable(_document(model, results, [name, *compared], number, first))
    if output is not None or as_json:
        write_json(document, output)
    if not as_json and output != "-":
        show_pairs(_rows(model, document), sys.stdout)
    return INTERRUPTED if results[-1].interrupted else 0


def _document(
    model: Model, results: list[Simulation], names: list[str], seed: int, first: Any
) -> dict[str, Any]:
    """The result as JSON."""
    from pomdptool.acting.pomcp import Pomcp
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
        difference = sign * (other.returns[:n] - result.returns[:n])
        document["compared"].append(
            {"policy": name}
            | summary(model, other.summary)
            | {
                "difference": float(difference.mean()),
                "difference_standard_error": standard_error(difference),
                "difference_confidence_95": confidence(difference),
            }
        )
    return document


def _rows(model: Model, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The result as a table."""
    kind, planner = "cost" if model.costs else "return", document["planner"]
    settings = [f"{k} {short(v)}" for k, v in planner.items() if k != "name" and v is not None]
    rows = [("problem", model.name or "-"), ("policy", planner["name"])]
    if settings:
        rows.append(("settings", ", ".join(settings)))
    rows += statistics(document, kind)
    if document["sims_per_second"]:
        rows.append(("simulations", f"{document['sims_per_second']:.3g} per second"))
    rows.append(("seconds", f"{document['seconds']:.2f}"))
    for entry in document.get("compared", []):
        rows += [("compared with", entry["policy"]), *statistics(entry, kind)]
        confidence = f"95% interval {interval(*entry['difference_confidence_95'])}"
        rows.append(("difference", f"{short(entry['difference'])}, {confidence}"))
    return rows
