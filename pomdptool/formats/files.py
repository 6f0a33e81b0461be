"""Models from and to files: which format, by the name or by the first character."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from pomdptool.episodes import Episodes
from pomdptool.errors import Finding, FormatError, PomdpError, PomdpWarning
from pomdptool.formats.atomic import write_whole
from pomdptool.formats.pomdp_read import BYTE_ORDER_MARK, read_pomdp
from pomdptool.formats.text_input import text_of
from pomdptool.model import Model

WrittenKind = Literal["pomdp", "json"]
Kind = Literal[WrittenKind, "pomdpx"]

WRITTEN_KINDS: dict[str, WrittenKind] = {".pomdp": "pomdp", ".mdp": "pomdp", ".json": "json"}
MODEL_KINDS: dict[str, Kind] = {**WRITTEN_KINDS, ".pomdpx": "pomdpx"}

NAMES: dict[Kind, str] = {"pomdp": ".pomdp", "json": "JSON", "pomdpx": "POMDPX"}
"""What people call the formats."""

_BEGIN = re.compile(
    r"[\ufeff \t\r\n]*(?:(?P<json>\{)|(?P<pomdpx><)|(?:#[^\r\n]*[\r\n]\s*)*"
    r"(?P<pomdp>(?:discount|values|states|actions|observations)\s*:))"
)


def kind_of_path(path: str) -> Kind | None:
    """Format that a file name tells of (None: none that is known); `.gz` is looked through."""
    return MODEL_KINDS.get(_suffix(path))


def written_kind_of_path(path: str) -> WrittenKind | None:
    """Format that a file name asks for, of those that are written."""
    return WRITTEN_KINDS.get(_suffix(path))


def _suffix(path: str) -> str:
    return Path(path.lower().removesuffix(".gz")).suffix


def kind_of_text(text: str) -> Kind | None:
    """Format that a text's beginning shows: `{` JSON, `<` XML, a preamble .pomdp; None: unclear."""
    begin = _BEGIN.match(text)
    kinds: dict[str | None, Kind] = {"json": "json", "pomdpx": "pomdpx", "pomdp": "pomdp"}
    return kinds[begin.lastgroup] if begin else None


def read_model(
    text: str, file: str, *, kind: Kind | None = None, strict: bool = False
) -> tuple[Model | None, tuple[Finding, ...]]:
    """Read a model and every finding about it; the model is None where one is an error.

    Without `kind` the text decides the format where it can, with a warning if the file's name is
    for another one; else the name does.
    """
    named = kind or kind_of_path(file)
    read_as = kind or kind_of_text(text) or named or "pomdp"
    model, findings = _read(text, file, read_as, strict=strict)
    if named not in (None, read_as):
        message = f"{NAMES[read_as]} in a file named as {NAMES[named]}: read as {NAMES[read_as]}"
        findings = (Finding(file, 1, 1, "warning", "PT111", message), *findings)
    return model, findings


def _read(
    text: str, file: str, kind: Kind, *, strict: bool
) -> tuple[Model | None, tuple[Finding, ...]]:
    if kind == "pomdpx":
        from pomdptool.formats.pomdpx_read import read_pomdpx

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
        "pomdp", "json" or "pomdpx"; by default known by the text's beginning, else by `file`.
    file
        Name to report.

    Raises
    ------
    FormatError
        If the text is not a model.
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
        If the file is not a model.
    OSError
        If it cannot be read.
    """
    content, file = text_of(source)
    return loads(content, strict=strict, file=file, _from_load=True)


def encode_model(model: Model, kind: WrittenKind, header: str = "") -> tuple[str, list[str]]:
    """Text of a model, and what had to be changed (names that the format does not allow).

    A .pomdp text begins with the lines of `header` as comments.
    """
    if kind == "json":
        from pomdptool.formats.model_json import write_model_json

        return write_model_json(model), []
    from pomdptool.formats.pomdp_write import valid_names, write_pomdp

    model, said = valid_names(model)
    return write_pomdp(model, header), said


def write_file(path: Path, text: str) -> None:
    """Write text to a file, whole or not at all; compressed where the name ends in `.gz`."""
    data = text.encode("utf-8", errors="surrogateescape")
    if path.name.lower().endswith(".gz"):
        import gzip

        data = gzip.compress(data, mtime=0)
    write_whole(path, data)


def dump(thing: object, path: str | Path) -> None:
    """Write a model, a policy or episodes; the format is known by the extension.

    Models: `.pomdp`, `.json`. Policies: `.json`, `.alpha`, `.policy`, `.pg`, `.dot`. Episodes:
    `.csv`, `.tsv`, `.jsonl`, `.parquet`. Each but the last also with `.gz`.

    Raises
    ------
    PomdpError
        If the extension names no format for such a thing.
    """
    path = Path(path)
    if isinstance(thing, Episodes):
        from pomdptool.formats.tables_write import write_episodes

        write_episodes([thing], path)
        return
    writer = _writer(thing, path)
    text, said = writer()
    for what in said:
        warnings.warn(what, PomdpWarning, stacklevel=2)
    write_file(path, text)


def _writer(thing: object, path: Path) -> Callable[[], tuple[str, list[str]]]:
    from pomdptool.formats.policies import encode_policy, policy_kind_of_path
    from pomdptool.policy import SolvedPolicy

    if isinstance(thing, Model):
        kind = written_kind_of_path(str(path))
        if kind:
            return lambda: encode_model(thing, kind)
        raise PomdpError(f"{path}: a model is written as .pomdp or .json")
    if isinstance(thing, SolvedPolicy):
        policy_kind = policy_kind_of_path(str(path))
        if policy_kind:
            return lambda: (encode_policy(thing, policy_kind), [])
        raise PomdpError(f"{path}: a policy is written as .json, .alpha, .policy, .pg or .dot")
    raise TypeError(f"cannot write {type(thing).__name__}")
