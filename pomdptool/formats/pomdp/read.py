"""Reads .pomdp text: normalises it, parses it into statements and builds the model.

`T:`, `O:` and `R:` lines: single entries are parsed in `bulk_entries`, rows and matrices in `build`
(grammar in `grammars/pomdp.lark`).
"""

from __future__ import annotations

from pomdptool.errors import Finding
from pomdptool.formats.findings import Findings, SourceText
from pomdptool.formats.pomdp.build import build
from pomdptool.formats.pomdp.syntax import parse
from pomdptool.model import Model

BYTE_ORDER_MARK = "\ufeff"


def read_pomdp(text: str, file: str, *, strict: bool) -> tuple[Model | None, tuple[Finding, ...]]:
    """Read a model (None after an error), and the findings.

    `file` is the name for messages; `strict` turns deviations that pomdp-solve rejects into errors.
    """
    marked = text.startswith(BYTE_ORDER_MARK)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if marked:
        text = " " + text[1:]
    findings = Findings(SourceText(file, text), strict)
    if marked:
        findings.dialect("PT102", 0, "the file begins with a byte-order mark")
    if "\0" in text:
        findings.error("PT011", text.index("\0"), "not a text file: it contains a zero byte")
        return None, findings.finish()
    model = build(parse(findings), findings)
    sorted_findings = findings.finish()
    return (None if findings.errors else model), sorted_findings
