"""`pomdptool solve`: a policy with certified bounds."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.help import Choice, Command
from pomdptool.commands.interrupts import interruptible
from pomdptool.commands.models import open_model, open_policy, write_result
from pomdptool.commands.numbers import Real, Whole
from pomdptool.commands.options import (
    EXISTING,
    from_option,
    generator,
    memory_option,
    model_argument,
    output_kind,
    output_option,
    quiet_option,
    seed_option,
    time_limit_option,
    verbose_option,
)
from pomdptool.commands.progress import announce_compiling, progress_of
from pomdptool.commands.report import show_graph, show_solution
from pomdptool.commands.terminal import say
from pomdptool.formats.files import Kind
from pomdptool.formats.policies import POLICY_KINDS, PolicyKind, encode_policy
from pomdptool.model import Model
from pomdptool.solving.controller import probabilities_along
from pomdptool.solving.dispatch import ALGORITHMS, METHODS, RANDOM, solve
from pomdptool.sparse import FloatArray


@click.command(
    cls=Command,
    updates=("resume_file",),
    example="pomdptool solve tiger.pomdp -o tiger.json\n"
    "pomdptool solve tiger.pomdp --horizon 10 -o tiger.pg",
    sections={
        "Method": ("method", "horizon", "discount", "resume_file", "terminal_file", "algorithm"),
        "Limits": ("precision", "time_limit", "max_vectors", "memory"),
        "Output": ("output", "full_simplex", "all_horizons", "graph_depth", "graph_probability"),
    },
)
@model_argument
@output_option("Write the policy here: .json, .alpha, .policy, .pg or .dot, also with .gz.")
@click.option(
    "--method",
    type=Choice(list(METHODS)),
    help="sarsop (the default): two bounds that close in on each other; exact (the default with a "
    "horizon): value iteration; perseus: a lower bound at beliefs drawn at random; qmdp, fib, mdp: "
    "upper bounds; blind: a lower bound.",
)
@click.option(
    "--horizon", metavar="H", type=Whole(), help="Number of steps; infinite horizon if omitted."
)
@click.option(
    "--precision",
    metavar="P",
    type=Real(min=0.0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Stop when upper - lower bound is below P * max(1, |value|).",
)
@click.option("--discount", metavar="D", type=Real(0.0, 1.0), help="Overrides the model's.")
@time_limit_option
@click.option(
    "--max-vectors",
    metavar="N",
    type=Whole(),
    help="Largest number of vectors in a set (sarsop: computed in all); at the limit the best "
    "result "
    "so far is returned.",
)
@memory_option
@click.option(
    "--full-simplex",
    cls=Renamed,
    former="--full-set",
    is_flag=True,
    help="Compute the vectors over all states, which .alpha holds in any case.",
)
@click.option(
    "--terminal-values",
    "terminal_file",
    metavar="FILE",
    type=EXISTING,
    help="With a horizon: the value after the last step, the maximum over the vectors of this "
    ".alpha file or policy.",
)
@click.option(
    "--all-horizons",
    cls=Renamed,
    former="--all-stages",
    is_flag=True,
    help="With a horizon: write the vectors for 1, 2, ... steps to go too, into .json.",
)
@click.option(
    "--algorithm",
    cls=Renamed,
    former="--pruning",
    type=Choice(ALGORITHMS),
    help="With exact: the classic algorithm of the backups, for comparison. Default: vertex "
    "enumeration for small faces of the simplex, incremental pruning for larger ones.",
)
@click.option(
    "--resume",
    "resume_file",
    metavar="FILE",
    type=EXISTING,
    help="Continue from an earlier result of sarsop, a .json policy.",
)
@click.option(
    "--graph-depth",
    metavar="N",
    type=Whole(0),
    help="In .pg and .dot: only nodes within N steps of the start.",
)
@click.option(
    "--graph-probability",
    metavar="P",
    type=Real(0.0, 1.0),
    default=0.0,
    help="In .pg and .dot: only edges of probability P or more.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the policy also on a terminal.")
@seed_option
@from_option
@quiet_option
@verbose_option
def command(
    path: str,
    output: str | None,
    method: str | None,
    horizon: int | None,
    precision: float,
    discount: float | None,
    time_limit: float | None,
    max_vectors: int | None,
    memory: int | None,
    full_simplex: bool,
    terminal_file: str | None,
    all_horizons: bool,
    algorithm: str | None,
    resume_file: str | None,
    graph_depth: int | None,
    graph_probability: float,
    as_json: bool,
    seed: int | None,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compute a policy, and bounds between which the optimal value certainly lies.

    An interrupt (Ctrl-C) writes the best so far and exits with code 130.
    """
    policy_kind: PolicyKind = output_kind(
        output,
        POLICY_KINDS,
        "a policy is written as .json, .alpha, .policy, .pg or .dot",
        "json",
    )
    if horizon is None and (terminal_file or all_horizons):
        option = "--terminal-values" if terminal_file else "--all-horizons"
        raise click.UsageError(f"{option} needs --horizon.")
    if all_horizons and policy_kind != "json":
        raise click.UsageError("--all-horizons: only .json holds stages.")
    model = open_model(path, kind, quiet=quiet)
    terminal = _terminal(terminal_file, model)
    resume = None if resume_file is None else open_policy(resume_file, model)
    rng = generator(seed, quiet) if method in RANDOM else None
    if not quiet:
        announce_compiling()
    with interruptible() as interrupted, progress_of(model, quiet, verbose) as on_step:
        solution = solve(
            model,
            method,
            precision=precision,
            horizon=horizon,
            discount=discount,
            time_limit=time_limit,
            max_vectors=max_vectors,
            memory=memory,
            terminal=terminal,
            all_horizons=all_horizons,
            algorithm=algorithm,
            resume=resume,
            rng=rng,
            full_simplex=full_simplex or policy_kind in ("alpha", "appl"),
            on_step=on_step,
            interrupted=interrupted,
        )
    as_table = output is None and not as_json and sys.stdout.isatty()
    if not as_table:
        policy, seen = solution.policy, None
        if policy_kind == "dot" or (policy_kind == "pg" and graph_probability > 0.0):
            seen = probabilities_along(model, policy)
        if policy.graph is not None and policy_kind in ("pg", "dot"):
            graph, seen = policy.graph.trimmed(graph_depth, seen, graph_probability)
            policy = replace(policy, graph=graph)
        write_result(encode_policy(policy, policy_kind, seen), output)
    if verbose and not quiet and solution.detail:
        say(solution.detail)
    if as_table or not quiet:
        show_solution(solution, sys.stdout if as_table else sys.stderr)
    if as_table:
        show_graph(solution, sys.stdout)
    return 130 if solution.stop_reason == "interrupted" else 0


def _terminal(path: str | None, model: Model) -> FloatArray | None:
    """Read the vectors of terminal values."""
    if path is None:
        return None
    from pomdptool.formats.policy_read import load_vectors

    return load_vectors(path, model)
