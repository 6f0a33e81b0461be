"""Reading models and policies, and writing results."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pomdptool.commands.terminal import say
from pomdptool.errors import DataError, FormatError, nearest
from pomdptool.formats import text_input
from pomdptool.formats.check import Check, check
from pomdptool.formats.dump import write_file
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.models import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.policy import SolvedPolicy


def read_text(path: str) -> tuple[str, str]:
    """Text of a file or of standard input, and the name to report it by."""
    if path == "-":
        return text_input.read_stream(sys.stdin.buffer, "<stdin>"), "<stdin>"
    return text_input.read_source(path)


def examine_model(path: str, kind: Kind | None, *, strict: bool = False) -> Check:
    """Read a model, from a path or `-`, and all findings about it."""
    if path == "-":
        return check(sys.stdin.buffer, kind=kind, strict=strict, file="<stdin>")
    return check(path, kind=kind, strict=strict)


def open_model(path: str, kind: Kind | None, *, quiet: bool) -> Model:
    """Read a model; warnings go to standard error.

    Raises
    ------
    FormatError
        If the file is not a model.
    """
    read = examine_model(path, kind)
    if read.model is None:
        raise FormatError(read.findings)
    if not quiet:
        for finding in read.findings:
            say(str(finding))
        show_notes(read.model, read.file)
    return read.model


def show_notes(model: Model, file: str) -> None:
    """Report renormalised rows on standard error."""
    for table, off in model.renormalised.items():
        if off.rows:
            say(
                f"{file}: note: {off.rows} row{'s' * (off.rows > 1)} of {table} renormalised; "
                f"the worst sum was off by {off.worst:.1e}"
            )


def warn(said: Iterable[object], *, quiet: bool) -> None:
    """Print warnings to standard error, one per line."""
    if not quiet:
        for what in said:
            say(f"warning: {what}")


def index_of(text: str, what: str, places: Mapping[str, int], where: str = "") -> int:
    """Index of an action or observation, given by name or number.

    A number is that in a name which a .pomdp file has for it (`o_404`), else an index, unless some
    names are numbers.

    Parameters
    ----------
    what
        What it is, for the message.
    places
        Index of each of the model's names.
    where
        What the message begins with.

    Raises
    ------
    DataError
        If the model has none such; it says which name is near.
    """
    from pomdptool.formats.data.symbols import is_whole
    from pomdptool.formats.pomdp.names import allowed_name

    if text in places:
        return places[text]
    if (written := allowed_name(text, what[0])) in places:
        return places[written]
    counts = re.fullmatch("[0-9]{1,9}", text) and not any(map(is_whole, places))
    if counts and int(text) < len(places):
        return int(text)
    raise DataError(f"{where}the model has no {what} {text[:100]!r}{nearest(text, places)}")


def open_policy(path: str, model: Model) -> SolvedPolicy:
    """Read a policy that was made for a model.

    Raises
    ------
    FormatError, PolicyError
        If the file is not a policy, or not one for this model.
    """
    from pomdptool.formats.policy.read import load_policy

    return load_policy(path, model)


def write_json(document: object, output: str | None = None, indent: int | None = 1) -> None:
    """Write a result as one JSON document."""
    write_result(json.dumps(to_jsonable(document), indent=indent, allow_nan=False) + "\n", output)


def write_result(text: str, output: str | None) -> None:
    """Write a result to a file, whole or not at all, or to standard output."""
    if output is None or output == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_file(Path(output), text)
