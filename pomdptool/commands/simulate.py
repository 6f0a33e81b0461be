"""`pomdptool simulate`: what a planner or a saved policy earns."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from pomdptool.commands.help import Choice, Command
from pomdptool.commands.interrupts import interruptible
from pomdptool.commands.models import open_model, read_text, write_result
from pomdptool.commands.options import (
    chosen_seed,
    cores,
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
from pomdptool.commands.report import (
    announce_compiling,
    interval,
    json_number,
    returns_of,
)
from pomdptool.commands.terminal import show_pairs
from pomdptool.formats.files import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.planner import Pomcp, Prior
    from pomdptool.acting.simulate import OnSeen, Seen, Simulation
    from pomdptool.policy import SolvedPolicy

PLANNERS = ("pomcp", "pouct", "random", "qmdp")

existing = click.Path(exists=True, dir_okay=False)


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
    "beliefs; qmdp: the best actions were the state known; random: any action.",
)
@click.option("--policy", "policy_file", metavar="FILE", type=existing, help="A saved policy.")
@click.option(
    "--compare",
    "compared",
    metavar="FILE",
    type=existing,
    multiple=True,
    help="Another saved policy, to compare in the same random streams; more than once for more.",
)
@episodes_option(100)
@steps_option("Steps of an episode at most; by default until a thousandth is left to earn.")
@click.option(
    "--sims",
    metavar="N",
    type=click.IntRange(min=1),
    help="Simulations for each decision; 4000, or with --time no limit.",
)
@click.option(
    "--time",
    "time_limit",
    metavar="SECONDS",
    type=click.FloatRange(min=0.0, min_open=True),
    help="For each decision.",
)
@click.option(
    "--exploration",
    metavar="C",
    type=click.FloatRange(min=0.0),
    help="Constant of UCB1; by default from bounds on the start belief's value.",
)
@click.option(
    "--depth",
    metavar="D",
    type=click.IntRange(min=1),
    help="Steps of a simulation; by default until a hundredth is left to earn.",
)
@click.option(
    "--rollout",
    metavar="random|qmdp|FILE",
    default="qmdp",
    show_default=True,
    help="What stands for the rest where a simulation leaves the tree; FILE: a saved policy.",
)
@click.option(
    "--leaf",
    "leaf_file",
    metavar="FILE",
    type=existing,
    help="A saved policy, whose values stand for rollouts.",
)
@click.option(
    "--prior",
    "prior_file",
    metavar="FILE",
    type=existing,
    help="JSON, {action: {visits, value}}: what the actions of a new node begin with; by default "
    "one visit with QMDP's value.",
)
@click.option(
    "--belief",
    type=Choice(["exact", "particles"]),
    help="How a planner keeps its belief; pomcp: particles, pouct: exact.",
)
@click.option(
    "--particles",
    metavar="N",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
)
@output_option("Write the result here, as JSON.")
@click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="A JSON line a step.",
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

    if planner and policy_file:
        raise click.UsageError("--planner and --policy exclude each other.")
    if compared and not policy_file:
        raise click.UsageError("--compare needs --policy.")
    if not quiet:
        announce_compiling()
    model = open_model(path, kind, quiet=quiet)
    first: Pomcp | SolvedPolicy | None
    if policy_file is not None:
        first = _policy(policy_file, model)
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
    others = [_policy(file, model) for file in compared]
    number = chosen_seed(seed, quiet)
    results: list[Simulation] = []
    with (
        interruptible() as interrupted,
        _seen(model, trace_file, verbose and not quiet) as on_seen,
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
    document = _document(model, results, [name, *compared], number, first)
    if output is not None or as_json:
        write_result(json.dumps(document, indent=2, allow_nan=False) + "\n", output)
    if not as_json and output != "-":
        show_pairs(_rows(model, document), sys.stdout)
    return 130 if results[-1].interrupted else 0


def _policy(path: str, model: Model) -> SolvedPolicy:
    """Read a saved policy."""
    from pomdptool.formats.policy_read import load_policy

    return load_policy(path, model)


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
        rollout=rollout if rollout in ("random", "qmdp") else _policy(rollout, model),
        leaf=None if leaf_file is None else _policy(leaf_file, model),
        prior=None if prior_file is None else _prior(prior_file, model),
        **settings,
    )


def _prior(path: str, model: Model) -> Prior:
    """Read visits and values of actions."""
    import numpy as np

    from pomdptool.acting.planner import Prior
    from pomdptool.errors import DataError, nearest
    from pomdptool.formats.documents import Place, read_json

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


@contextlib.contextmanager
def _seen(model: Model, trace_file: str | None, verbose: bool) -> Iterator[OnSeen | None]:
    """What is done with every step: written as JSON, and told."""
    if trace_file is None and not verbose:
        yield None
        return
    from pomdptool.formats.atomic import writing_whole

    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(writing_whole(Path(trace_file))) if trace_file else None

        def on_seen(seen: Seen) -> None:
            if stream is not None:
                _trace(model, seen, stream)
            if verbose:
                click.echo(_told(model, seen), err=True)

        yield on_seen


def _trace(model: Model, seen: Seen, stream: IO[bytes]) -> None:
    """Write a step as one JSON object."""
    step, decision, sign = seen.step, seen.decision, -1.0 if model.costs else 1.0
    belief = {}
    if seen.belief is not None:
        held = seen.belief.nonzero()[0].tolist()
        belief = {model.states[s]: float(seen.belief[s]) for s in held}
    document: dict[str, Any] = {
        "episode": seen.episode,
        "step": step.time,
        "state": model.states[step.state],
        "belief": belief,
        "action": model.actions[step.action],
        "observation": model.observations[step.observation],
        "reward": sign * step.reward + 0.0,
    }
    if decision is not None:
        document["sims"] = decision.sims
        document["visits"] = decision.visits.tolist()
        document["values"] = [
            sign * v if math.isfinite(v) else None for v in decision.values.tolist()
        ]
    stream.write((json.dumps(document) + "\n").encode())


def _told(model: Model, seen: Seen) -> str:
    """Say a step in a line."""
    step, sign = seen.step, -1.0 if model.costs else 1.0
    likely = ""
    if seen.belief is not None:
        best = seen.belief.argsort(kind="stable")[::-1][:3].tolist()
        held = [f"{model.states[s]} {seen.belief[s]:.3g}" for s in best if seen.belief[s] > 0.0]
        more = int((seen.belief > 0.0).sum()) - len(held)
        likely = "  belief " + ", ".join(held) + (f" and {more} more" if more else "")
    sims = f"  sims {seen.decision.sims}" if seen.decision is not None else ""
    return (
        f"{seen.episode}.{step.time}  state {model.states[step.state]}{likely}  "
        f"action {model.actions[step.action]}  reward {sign * step.reward + 0.0:g}  "
        f"observation {model.observations[step.observation]}{sims}"
    )


def _summary(model: Model, result: Simulation) -> dict[str, Any]:
    """Statistics of one simulation; costs are positive where the model has them."""
    sign = -1.0 if model.costs else 1.0
    low, high = sorted(sign * x for x in result.confidence_95)
    plain = float(result.undiscounted.mean())
    return {
        "episodes": len(result.returns),
        "steps": result.steps,
        "mean_discounted_return": json_number(sign * result.mean),
        "standard_error": json_number(result.standard_error),
        "confidence_95": [json_number(low), json_number(high)],
        "mean_undiscounted_return": json_number(sign * plain),
        "mean_length": float(result.lengths.mean()),
        "terminated": result.terminated,
        "truncation_bound": json_number(result.truncation_bound),
    }


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
    document = _summary(model, result) | {
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
            | _summary(model, other)
            | {
                "difference": json_number(float(less.mean())),
                "difference_standard_error": json_number(standard_error(less)),
                "difference_confidence_95": [json_number(x) for x in confidence(less)],
            }
        )
    return document


def _rows(model: Model, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The result as a table."""
    what, planner = "cost" if model.costs else "return", document["planner"]
    given = [(k, v) for k, v in planner.items() if k != "name" and v is not None]
    rows = [("problem", model.name or "-"), ("acting", planner["name"])]
    rows += [("with", ", ".join(f"{k} {_short(v)}" for k, v in given))] * bool(given)
    rows += _statistics(document, what)
    if document["sims_per_second"]:
        rows.append(("simulations", f"{document['sims_per_second']:.3g} a second"))
    rows.append(("seconds", f"{document['seconds']:.2f}"))
    for entry in document.get("compared", []):
        rows += [("compared", entry["policy"]), *_statistics(entry, what)]
        between = interval(*entry["difference_confidence_95"])
        rows.append(("difference", f"{_short(entry['difference'])}, 95% {between}"))
    return rows


def _statistics(entry: dict[str, Any], what: str) -> list[tuple[str, str]]:
    """The rows that each simulation has."""
    mean, error = _short(entry["mean_discounted_return"]), _short(entry["standard_error"])
    played = f"{entry['episodes']} of at most {entry['steps']} steps"
    return [
        ("episodes", f"{played}, {entry['terminated']} ended before"),
        (f"mean {what}", f"{mean} discounted, standard error {error}"),
        ("95% interval", interval(*entry["confidence_95"])),
        ("beyond", f"at most {_short(entry['truncation_bound'])} from steps after the last"),
        ("undiscounted", f"{_short(entry['mean_undiscounted_return'])} on average"),
    ]


def _short(x: Any) -> str:
    if x is None:
        return "unknown"
    return f"{x:.6g}" if isinstance(x, float) else str(x)
