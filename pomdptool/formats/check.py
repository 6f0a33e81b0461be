"""All errors and warnings about a model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.models import Kind, read_model
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model
from pomdptool.readable import Readable


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Check(Readable):
    """Result of checking a model file.

    Attributes
    ----------
    file
        File name in messages.
    findings
        Errors and warnings in the order of the text, with line and column (from 1) and code.
    model
        The model; None if a finding is an error.
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
    """Report all errors and warnings about a model file, for which `load` raises or warns.

    Parameters
    ----------
    source
        A path (`.pomdp`, `.mdp`, `.json`, `.pomdpx`, also `.gz`) or an open file.
    strict
        Report dialects as errors, as the reference reader does, not as warnings.
    kind
        "pomdp", "json" or "pomdpx"; by default detected from the text, or else the file name.
    file
        File name for messages; by default that of the source.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    try:
        text, name = read_source(source)
    except FormatError as error:
        return Check(file or error.file, error.findings, None)
    model, findings = read_model(text, file or name, kind=kind, strict=strict)
    return Check(file or name, findings, model)
