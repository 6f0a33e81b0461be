"""`pomdptool evaluate`: policy evaluation."""

from __future__ import annotations

from typing import Any

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.live import live_line
from pomdptool.commands.models import (
    open_carried_policy,
    open_model,
    result_stream,
    write_json,
)
from pomdptool.commands.numbers import Whole
from pomdptool.commands.options import (
    chosen_seed,
    first_model_argument,
    from_option,
    ignored_verbose_option,
    json_option,
    output_option,
    policy_argument,
    quiet_option,
    seed_option,
    steps_option,
    threads_option,
    time_limit_option,
)
from pomdptool.commands.progress import announce_compiling, part_progress
from pomdptool.commands.returns import interval, short, summary
from pomdptool.commands.terminal import plural, show_pairs
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.models import Kind
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy


@click.command(
    cls=Command,
    example="pomdptool evaluate tiger.pomdp tiger.json",
    sections={"Simulation": ("episodes", "steps")},
)
@first_model_argument
@policy_argument
@click.option(
    "--episodes",
    metavar="N",
    type=Whole(),
    help="Number of episodes; by default 1000, or fewer if they would take more than a few "
    "seconds.",
)
@steps_option("Maximum number of steps of a simulated episode.")
@time_limit_option
@seed_option
@threads_option
@output_option("Write the result to this file.")
@json_option
@from_option
@quiet_option
@ignored_verbose_option
def command(
    path: str,
    policy_file: str,
    episodes: int | None,
    steps: int | None,
    time_limit: float | None,
    seed: int | None,
    threads: int | None,
    output: str | None,
    as_json: bool,
    kind: Kind | None,
    quiet: bool,
) -> int:
    """Evaluate a policy exactly by its graph, by its alpha vectors and by simulation.

    POLICY is .json, .alpha, .policy (APPL) or .pg, each also with .gz. The graph of a policy for
    another model is transferred by the names of actions and observations.

    An interrupt (Ctrl-C) prints the parts done so far and exits with code 130.
    """
    import numpy as np

    from pomdptool.analysis.evaluate import evaluate
    from pomdptool.kernels.jit import cores

    if not quiet:
        announce_compiling()
    model = open_model(path, kind, quiet=quiet)
    with live_line("reading the policy ...", quiet, verbose=False):
        policy = open_carried_policy(policy_file, model, quiet=quiet)
    number = chosen_seed(seed, quiet)
    with interruptible() as interrupted, part_progress(interrupted, quiet=quiet) as on_part:
        evaluation = evaluate(
            model,
            policy,
            episodes=episodes,
            steps=steps,
            rng=np.random.default_rng(number),
            threads=threads or cores(),
            time_limit=time_limit,
            on_part=on_part,
            interrupted=interrupted,
        )
    document = to_jsonable({**summary(model, evaluation), "seed": number})
    del document["interrupted"]
    if as_json:
        write_json(document, output)
    else:
        with result_stream(output) as stream:
            show_pairs(_rows(model, policy, document), stream)
    return INTERRUPTED if evaluation.interrupted else 0


def _rows(model: Model, policy: SolvedPolicy, d: dict[str, Any]) -> list[tuple[str, str]]:
    """The result as a table."""
    graph, vectors = d["graph_value"], d["vector_value"]
    exact = None if graph is None else f"{short(graph)} (exact)"
    rows = [
        ("problem", model.name or "-"),
        ("policy", policy.method),
        ("graph value", _or_reason(exact, d["graph_reason"])),
        ("vector value", _or_reason(vectors and short(vectors), d["vector_reason"])),
    ]
    if (optimum := interval(*d["bounds"])) != "unknown":
        rows.append(("optimal value", f"{optimum} (from the file)"))
    if policy.terminal is not None:
        rows.append(("terminal values", "included in the vector value and bounds only"))
    residual = None
    if d["residual_beliefs"]:
        residual = f"{short(d['residual_min'])} to {short(d['residual_max'])}"
        residual += f" at {plural(d['residual_beliefs'], 'visited belief')}"
    if policy.horizon is None:
        rows.append(("residual", _or_reason(residual, d["residual_reason"])))
    simulated = None
    if d["episodes"]:
        simulated = f"{short(d['mean_discounted_return'])}, "
        simulated += f"95% interval {interval(*d['confidence_95'])}, "
        simulated += plural(d["episodes"], "episode")
    rows.append(("simulated", _or_reason(simulated, d["simulation_reason"])))
    if d["episodes"]:
        rows.append(("truncation", f"error at most {short(d['truncation_bound'])}"))
    return rows


def _or_reason(text: str | None, reason: str | None) -> str:
    """A result, and why this is not all of it; or why there is none."""
    if text is None:
        return f"not computed: {reason}"
    return text if reason is None else f"{text} ({reason})"
