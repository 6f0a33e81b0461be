"""`pomdptool convert`: convert a model or a policy to another format."""

from __future__ import annotations

import click

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import (
    open_carried_policy,
    open_model,
    open_text,
    read_text,
    warn,
    write_result,
)
from pomdptool.commands.options import (
    EXISTING,
    from_option,
    model_argument,
    model_kind,
    output_kind,
    output_option,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.terminal import say
from pomdptool.errors import PolicyError
from pomdptool.formats.kinds import kind_of_path
from pomdptool.formats.models import Kind, WrittenKind, encode_model
from pomdptool.formats.policy.read import is_policy, read_policy
from pomdptool.formats.policy.write import POLICY_KINDS, PolicyKind, encode_policy
from pomdptool.policy import SolvedPolicy

TARGETS = ("pomdp", "json", "alpha", "policy", "pg", "dot")
POLICY_TARGETS: dict[str, PolicyKind] = {
    "json": "json", "alpha": "alpha", "policy": "appl", "pg": "pg", "dot": "dot",
}  # fmt: skip


@click.command(
    cls=Command,
    updates=("path",),
    example="pomdptool convert tiger.pomdp -o tiger.json.gz\n"
    "pomdptool convert tiger.json -o tiger.dot",
)
@model_argument
@output_option(
    "Write the result to this file: a model as .pomdp or .json, a policy as .json, .alpha, "
    ".policy, .pg or .dot; also .gz."
)
@click.option(
    "--to",
    "target",
    type=Choice(TARGETS),
    help="Output format; by default from the extension of the output, else .pomdp, or .json for a "
    "policy.",
)
@click.option(
    "--model",
    "model_file",
    metavar="MODEL",
    type=EXISTING,
    help="The model of the policy; needed to read .alpha, .policy and .pg.",
)
@from_option
@quiet_option
@verbose_option
def command(
    path: str,
    output: str | None,
    target: str | None,
    model_file: str | None,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Convert a model or a policy to another format.

    All numbers are preserved exactly. A policy is recognised by its content; what a format does not
    hold (a .pg file has no values) is left out.
    """
    warnings: list[str] = []
    text, file = read_text(path)
    named = kind_of_path(path, POLICY_KINDS)
    if model_file is not None or is_policy(text):
        policy_target = POLICY_TARGETS.get(target or "") or output_kind(
            output, POLICY_KINDS, ".json, .alpha, .policy, .pg or .dot (or use --to)", "json"
        )
        if target == "pomdp":
            raise click.UsageError("--to pomdp is for models; this is a policy.")
        text = encode_policy(_policy(path, text, file, model_file, quiet=quiet), policy_target)
    elif named in ("alpha", "appl", "pg"):
        raise PolicyError(f"{file}: this format does not name its model: use --model MODEL")
    else:
        if target not in (None, "pomdp", "json"):
            raise click.UsageError(f"--to {target} is for policies; this is a model.")
        model_target: WrittenKind = "json" if target == "json" else "pomdp"
        if target is None:
            model_target = model_kind(output, " (or use --to)")
        text, warnings = encode_model(open_text(text, file, kind, quiet=quiet), model_target)
    write_result(text, output)
    if verbose and not quiet:
        say(f"wrote {len(text)} characters")
    warn(warnings, quiet=quiet)


def _policy(
    path: str, text: str, file: str, model_file: str | None, *, quiet: bool
) -> SolvedPolicy:
    """The policy, with the model if there is one."""
    if model_file is None:
        return read_policy(text, file)
    if path == "-":
        return read_policy(text, file, open_model(model_file, None, quiet=quiet))
    return open_carried_policy(path, open_model(model_file, None, quiet=quiet), quiet=quiet)
