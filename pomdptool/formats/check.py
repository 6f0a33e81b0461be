"""Every error and warning of a model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.models import Kind, read_model
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model


@dataclass(frozen=True, eq=False, slots=True)
class Check:
    """What the reader reports of a model file.

    Attributes
    ----------
    file
        The name that it is reported by.
    findings
        Errors and warnings in the order of the text, each with line and column, from 1, and a code.
    model
        The model; None where a finding is an error.
    """

    file: str
    findings: tuple[Finding, ...]
    model: Model | None


def check(
    source: str | Path | IO[str] | IO[bytes],
    *,
    strict: bool = False,
    kind: Kind | None = None,
    file: str | None = None,
) -> Check:
    """Read a model file, and report every error and warning, where `load` raises.

    Parameters
    ----------
    source
        A path (`.pomdp`, `.mdp`, `.json`, `.pomdpx`, also `.gz`) or an open file.
    strict
        Refuse dialects, as the reference reader does; by default each is a warning.
    kind
        "pomdp", "json" or "pomdpx"; by default known by the text's beginning, else by the name.
    file
        Name to report; by default that of the source.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        text, name = read_source(source)
    except FormatError as error:
        return Check(file or error.file, error.findings, None)
    model, findings = read_model(text, file or name, kind=kind, strict=strict)
    return Check(file or name, findings, model)
