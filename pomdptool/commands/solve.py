"""`pomdptool solve`: compute a policy with certified bounds."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.models import open_model, open_policy, warn, write_result
from pomdptool.commands.numbers import Real, Whole
from pomdptool.commands.options import (
    EXISTING,
    collected,
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
from pomdptool.commands.progress import announce_compiling, solver_progress
from pomdptool.commands.report import show_graph, show_solution
from pomdptool.commands.terminal import say_wrapped
from pomdptool.formats.models import Kind
from pomdptool.formats.policy.write import POLICY_KINDS, PolicyKind, encode_policy
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.graph_evaluation import probabilities_along
from pomdptool.solving.solve import ALGORITHMS, METHODS, RANDOM, default_method, solve


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """Options that are keywords of `pomdptool.solve`."""

    method: str | None
    horizon: int | None
    precision: float
    discount: float | None
    time_limit: float | None
    max_vectors: int | None
    memory: int | None
    full_simplex: bool
    all_horizons: bool
    algorithm: str | None

    def check(self, terminal_file: str | None, kind: PolicyKind) -> None:
        """Reject options that would be ignored.

        Raises
        ------
        UsageError
            If options cannot be combined.
        """
        for option, used in (
            ("--terminal-values", terminal_file is not None),
            ("--all-horizons", self.all_horizons),
        ):
            if used and self.horizon is None:
                raise click.UsageError(f"{option} needs --horizon.")
        if self.all_horizons and kind != "json":
            raise click.UsageError("--all-horizons needs .json output.")
        if self.algorithm is not None and self.method not in (None, "exact"):
            raise click.UsageError("--algorithm needs --method exact.")
        if self.full_simplex and self._method == "sarsop":
            raise click.UsageError("--full-simplex needs --method exact.")

    def keywords(self, kind: PolicyKind) -> dict[str, Any]:
        """Keywords of `pomdptool.solve` for an output format."""
        full = self.full_simplex or (kind in ("alpha", "appl") and self._method != "sarsop")
        return asdict(self) | {"full_simplex": full}

    @property
    def _method(self) -> str:
        return self.method or default_method(self.horizon, self.algorithm)


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
@output_option("Write the policy to this file: .json, .alpha, .policy, .pg or .dot, also .gz.")
@click.option(
    "--method",
    type=Choice(list(METHODS)),
    help="sarsop (default): converging lower and upper bounds; exact (default with a horizon): "
    "value iteration; perseus: randomised point-based value iteration, a lower bound; qmdp, fib, "
    "mdp: upper bounds; blind: a lower bound.",
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
@click.option(
    "--discount", metavar="D", type=Real(0.0, 1.0), help="Discount factor, in place of the model's."
)
@time_limit_option
@click.option(
    "--max-vectors",
    metavar="N",
    type=Whole(),
    help="Maximum number of vectors in a set (sarsop: in total); when it is reached, the best "
    "result so far is returned.",
)
@memory_option
@click.option(
    "--full-simplex",
    cls=Renamed,
    former="--full-set",
    is_flag=True,
    help="With exact: compute vectors over all states, as is always done for .alpha.",
)
@click.option(
    "--terminal-values",
    "terminal_file",
    metavar="FILE",
    type=EXISTING,
    help="With a horizon: value function after the last step, from an .alpha file or a policy.",
)
@click.option(
    "--all-horizons",
    cls=Renamed,
    former="--all-stages",
    is_flag=True,
    help="With a horizon: also write the value functions for 1, 2, ... steps to go, in .json.",
)
@click.option(
    "--algorithm",
    cls=Renamed,
    former="--pruning",
    type=Choice(ALGORITHMS),
    help="With exact: backup algorithm, for comparison. Default: vertex enumeration on small "
    "faces of the simplex, incremental pruning on larger ones.",
)
@click.option(
    "--resume",
    "resume_file",
    metavar="FILE",
    type=EXISTING,
    help="Continue from a .json policy of sarsop.",
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
@click.option(
    "--json", "as_json", is_flag=True, help="Print the policy as JSON even on a terminal."
)
@seed_option
@from_option
@quiet_option
@verbose_option
@collected("options", SolveOptions)
def command(
    path: str,
    output: str | None,
    options: SolveOptions,
    terminal_file: str | None,
    resume_file: str | None,
    graph_depth: int | None,
    graph_probability: float,
    as_json: bool,
    seed: int | None,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> int:
    """Compute a policy with certified bounds on the optimal value.

    An interrupt (Ctrl-C) writes the best policy so far and exits with code 130.
    """
    from pomdptool.formats.policy.read import load_vectors
    from pomdptool.solving.observed.solver import observes_state

    expected = ".json, .alpha, .policy, .pg or .dot"
    policy_kind: PolicyKind = output_kind(output, POLICY_KINDS, expected, "json")
    options.check(terminal_file, policy_kind)
    model = open_model(path, kind, quiet=quiet)
    if not model.rewards.stored.any():
        warn(["all rewards are 0: every policy is optimal"], quiet=quiet)
    if options.algorithm is not None and observes_state(model):
        warn(["--algorithm has no effect on an MDP: this model observes its state"], quiet=quiet)
    terminal = None if terminal_file is None else load_vectors(terminal_file, model)
    resume = None if resume_file is None else open_policy(resume_file, model)
    rng = generator(seed, quiet) if options.method in RANDOM else None
    if not quiet:
        announce_compiling()
    with (
        interruptible() as interrupted,
        solver_progress(model, interrupted, quiet=quiet, verbose=verbose) as on_step,
    ):
        solution = solve(
            model,
            **options.keywords(policy_kind),
            terminal=terminal,
            resume=resume,
            rng=rng,
            on_step=on_step,
            interrupted=interrupted,
        )
    as_table = output is None and not as_json and sys.stdout.isatty()
    if not as_table:
        text = _encoded(model, solution.policy, policy_kind, graph_depth, graph_probability)
        write_result(text, output)
    if verbose and not quiet and solution.detail:
        say_wrapped(solution.detail)
    if as_table or not quiet:
        show_solution(solution, sys.stdout if as_table else sys.stderr)
    if as_table:
        show_graph(solution, sys.stdout)
        if not quiet:
            say_wrapped(f"nothing was saved; `-o {_file_name(model)}` saves the policy")
    return INTERRUPTED if solution.stop_reason == "interrupted" else 0


def _file_name(model: Model) -> str:
    """A file name for the policy of a model."""
    return f"{model.name}.json" if re.fullmatch(r"[\w.-]{1,40}", model.name) else "policy.json"


def _encoded(
    model: Model, policy: SolvedPolicy, kind: PolicyKind, depth: int | None, probability: float
) -> str:
    """Encode a policy; leave out graph nodes beyond the depth and edges below the probability."""
    likely = None
    if kind == "dot" or (kind == "pg" and probability > 0.0):
        likely = probabilities_along(model, policy)
    if policy.graph is not None and kind in ("pg", "dot"):
        graph, likely = policy.graph.trimmed(depth, likely, probability)
        policy = replace(policy, graph=graph)
    return encode_policy(policy, kind, likely)
