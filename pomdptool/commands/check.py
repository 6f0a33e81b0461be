"""`pomdptool check`: all errors and warnings of a model file."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from pomdptool.commands.click_help import Command
from pomdptool.commands.models import examine_model, show_notes, write_json
from pomdptool.commands.options import (
    from_option,
    json_option,
    model_argument,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.source_lines import show_source
from pomdptool.commands.terminal import plural, say
from pomdptool.formats.models import Kind


@click.command(cls=Command, example="pomdptool check --strict tiger.pomdp")
@model_argument
@click.option("--strict", is_flag=True, help="Also reject files that the reference reader rejects.")
@from_option
@json_option
@quiet_option
@verbose_option
def command(
    path: str, strict: bool, kind: Kind | None, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Report the errors and warnings of a model file.

    Each is a line `file:line:column: error|warning PTnnn: message`; on a terminal the line of the
    file follows. The exit code is 1 if there is an error.
    """
    result = examine_model(path, kind, strict=strict)
    model, findings, file = result.model, result.findings, result.file
    if as_json:
        entries = [asdict(finding) for finding in findings]
        for entry in entries:
            del entry["file"], entry["source"]
        write_json({"file": file, "findings": entries})
    else:
        for finding in findings:
            say(str(finding), sys.stdout)
            if sys.stdout.isatty():
                show_source(finding, sys.stdout)
    if verbose and model is not None and not as_json and not quiet:
        say(f"{file}: {model.n_states} states, {model.n_actions} actions")
    if not quiet:
        errors = sum(f.level == "error" for f in findings)
        if model is not None:
            show_notes(model, file)
        say(_summary(file, errors, len(findings) - errors))
    return 0 if model is not None else 1


def _summary(file: str, errors: int, warnings: int) -> str:
    return f"{file}: {plural(errors, 'error')}, {plural(warnings, 'warning')}"
