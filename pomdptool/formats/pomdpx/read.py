"""Reads POMDPX text: parses the XML and builds the model."""

from __future__ import annotations

from pomdptool.errors import Finding
from pomdptool.formats.findings import Findings, SourceText
from pomdptool.formats.pomdpx.build import build_pomdpx
from pomdptool.formats.pomdpx.syntax import parse_pomdpx
from pomdptool.model import Model


def read_pomdpx(text: str, file: str, *, strict: bool) -> tuple[Model | None, tuple[Finding, ...]]:
    """Read a model (None after an error), and the findings; see `read_pomdp`."""
    findings = Findings(SourceText(file, text.replace("\r\n", "\n").replace("\r", "\n")), strict)
    root = parse_pomdpx(findings)
    model = build_pomdpx(root, findings) if root is not None else None
    sorted_findings = findings.finish()
    return (None if findings.errors else model), sorted_findings
