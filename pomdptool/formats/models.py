"""Reads and writes models in all formats, detected from the text or the file name."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import IO, Literal, cast

from pomdptool.errors import Finding, FormatError, PomdpWarning
from pomdptool.formats.kinds import kind_of_path, with_compressed
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK, read_pomdp
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model

WrittenKind = Literal["pomdp", "json"]
Kind = Literal[WrittenKind, "pomdpx"]

WRITTEN_KINDS: dict[str, WrittenKind] = with_compressed(
    {".pomdp": "pomdp", ".mdp": "pomdp", ".json": "json"}
)
MODEL_KINDS: dict[str, Kind] = {**WRITTEN_KINDS, **with_compressed({".pomdpx": "pomdpx"})}

MAX_SOURCE = 10_000
"""Maximum length of the line of a file that a finding keeps."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")

DATA_KINDS: dict[str, str] = with_compressed({".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl"})
"""Extensions of data, which other functions read."""

NAMES: dict[Kind, str] = {"pomdp": ".pomdp", "json": "JSON", "pomdpx": "POMDPX"}
"""Names of the formats in messages."""

_BEGIN = re.compile(
    r"[\ufeff \t\r\n]*(?:(?P<json>\{)|(?P<pomdpx><)|(?:#[^\r\n]*[\r\n]\s*)*"
    r"(?P<pomdp>(?:discount|values|states|actions|observations)\s*:))"
)


def kind_of_text(text: str) -> Kind | None:
    """Format by the first characters: `{` JSON, `<` XML, a preamble .pomdp; None if unclear."""
    begin = _BEGIN.match(text)
    return cast("Kind", begin.lastgroup) if begin else None


def is_model(text: str) -> bool:
    """Whether a text is a model in .pomdp or POMDPX; for JSON the document must be parsed."""
    kind = kind_of_text(text)
    return kind == "pomdp" or (kind == "pomdpx" and "<pomdpx" in text)


def read_model(
    text: str, file: str, *, kind: Kind | None = None, strict: bool = False
) -> tuple[Model | None, tuple[Finding, ...]]:
    """Read a model (None after an error), and the findings.

    Without `kind` the format is detected from the text, with a warning if the file extension is
    that of another format, or else from the extension.
    """
    named = kind or kind_of_path(file, MODEL_KINDS)
    read_as = kind or kind_of_text(text) or named or "pomdp"
    model, findings = _read(text, file, read_as, strict=strict)
    if named not in (None, read_as):
        message = f"{NAMES[read_as]} in a file named as {NAMES[named]}: read as {NAMES[read_as]}"
        findings = (Finding(file, 1, 1, "warning", "PT111", message), *findings)
    return model, _with_source(findings, text)


def _with_source(findings: tuple[Finding, ...], text: str) -> tuple[Finding, ...]:
    """Findings with the lines of the text that they are about."""
    if not findings:
        return ()
    lines: dict[int, str] = dict.fromkeys((finding.line for finding in findings), "")
    last = max(lines)
    for k, match in enumerate(_LINE.finditer(text), start=1):
        if k in lines:
            lines[k] = match[0][:MAX_SOURCE].rstrip("\r\n")
        if k >= last:
            break
    return tuple(
        replace(f, source=lines[f.line]) if f.column <= MAX_SOURCE else f for f in findings
    )


def _read(
    text: str, file: str, kind: Kind, *, strict: bool
) -> tuple[Model | None, tuple[Finding, ...]]:
    if kind == "pomdpx":
        from pomdptool.formats.pomdpx.read import read_pomdpx

        return read_pomdpx(text.removeprefix(BYTE_ORDER_MARK), file, strict=strict)
    if kind == "json":
        from pomdptool.formats.model_json import read_model_json

        try:
            return read_model_json(text.removeprefix(BYTE_ORDER_MARK), file), ()
        except FormatError as error:
            return None, error.findings
    return read_pomdp(text, file, strict=strict)


def loads(
    text: str,
    *,
    strict: bool = False,
    kind: Kind | None = None,
    file: str = "<text>",
    _from_load: bool = False,
) -> Model:
    """Read a model from text.

    Parameters
    ----------
    strict
        Refuse dialects, as the reference reader does; by default each is a `PomdpWarning`.
    kind
        "pomdp", "json" or "pomdpx"; by default detected from the text, or else from `file`.
    file
        File name for messages.

    Raises
    ------
    FormatError
        If the text is not a valid model.
    """
    model, findings = read_model(text, file, kind=kind, strict=strict)
    if model is None:
        raise FormatError(findings)
    for finding in findings:
        warnings.warn(str(finding), PomdpWarning, stacklevel=3 if _from_load else 2)
    return model


def load(source: str | Path | IO[str] | IO[bytes], *, strict: bool = False) -> Model:
    """Read a model from a path (`.pomdp`, `.mdp`, `.json`, `.pomdpx`, also `.gz`) or an open file.

    Raises
    ------
    FormatError
        If the file is not a valid model.
    OSError
        If it cannot be read.
    """
    text, file = read_source(source)
    if (reader := _other_reader(text, file)) is not None:
        message = f"this is not a model: read it with pomdptool.{reader}"
        raise FormatError.at(file, 1, 1, "PT001", message)
    return loads(text, strict=strict, file=file, _from_load=True)


def _other_reader(text: str, file: str) -> str | None:
    """The function that reads the file, if that is not `load`."""
    if re.match(r'\s*\{\s*"format":\s*"pomdptool/policy"', text):
        return "load_policy"
    is_data = kind_of_text(text) is None and kind_of_path(file, DATA_KINDS) is not None
    return "load_data" if is_data else None


def encode_model(model: Model, kind: WrittenKind, header: str = "") -> tuple[str, list[str]]:
    """Text of a model, and messages about replaced names (see `pomdp.names`).

    A .pomdp text begins with `header` as comments.
    """
    if kind == "json":
        from pomdptool.formats.model_json import write_model_json

        return write_model_json(model), []
    from pomdptool.formats.pomdp.names import valid_names
    from pomdptool.formats.pomdp.write import write_pomdp

    model, changes = valid_names(model)
    return write_pomdp(model, header), changes
