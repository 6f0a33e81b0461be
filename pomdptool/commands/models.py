"""Reading models and policies, and writing results."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pomdptool.commands.terminal import plural, say, say_wrapped
from pomdptool.errors import DataError, FormatError, PolicyError, nearest
from pomdptool.formats import text_input
from pomdptool.formats.check import Check, check
from pomdptool.formats.dump import write_file
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.models import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.policy import SolvedPolicy


def read_text(path: str) -> tuple[str, str]:
    """Read a file or standard input; return its text and its name for messages."""
    if path == "-":
        return text_input.read_stream(sys.stdin.buffer, "<stdin>"), "<stdin>"
    return text_input.read_source(path)


def examine_model(path: str, kind: Kind | None, *, strict: bool = False) -> Check:
    """Read a model from a file or standard input, with all findings."""
    if path == "-":
        return check(sys.stdin.buffer, kind=kind, strict=strict, file="<stdin>")
    return check(path, kind=kind, strict=strict)


def open_model(path: str, kind: Kind | None, *, quiet: bool) -> Model:
    """Read a model and print its warnings.

    Raises
    ------
    FormatError
        If the file is invalid.
    """
    return _whole(examine_model(path, kind), quiet=quiet)


def open_text(text: str, file: str, kind: Kind | None, *, quiet: bool) -> Model:
    """Read a model from text; otherwise as `open_model`."""
    return _whole(check(io.StringIO(text), kind=kind, file=file), quiet=quiet)


def _whole(result: Check, *, quiet: bool) -> Model:
    """The model of a file without errors; its warnings are printed."""
    if result.model is None:
        raise FormatError(result.findings)
    if not quiet:
        for finding in result.findings:
            say(str(finding))
        show_notes(result.model, result.file)
    return result.model


def show_notes(model: Model, file: str) -> None:
    """Print how many rows were renormalised."""
    for table, off in model.renormalised.items():
        if off.rows:
            rows = f"{plural(off.rows, 'row')} of {table}"
            say_wrapped(f"{file}: note: renormalised {rows}, sums off by at most {off.worst:.1e}")


def warn(warnings: Iterable[object], *, quiet: bool) -> None:
    """Print warnings to standard error, one per line."""
    if not quiet:
        for warning in warnings:
            say_wrapped(f"warning: {warning}")


def index_of(text: str, kind: str, indices: Mapping[str, int], prefix: str = "") -> int:
    """Index of an action, observation or state from its name or number.

    A number is matched with the name that a .pomdp file gives it (`o_404`); else it is an index,
    unless some names are numbers.

    Parameters
    ----------
    kind
        "action", "observation" or "state".
    indices
        Index of each of the model's names.
    prefix
        Start of the error message.

    Raises
    ------
    DataError
        If the model has no such name; the message suggests a similar one.
    """
    from pomdptool.formats.data.symbols import is_whole
    from pomdptool.formats.pomdp.names import allowed_name

    if text in indices:
        return indices[text]
    if (written := allowed_name(text, kind[0])) in indices:
        return indices[written]
    is_index = re.fullmatch("[0-9]{1,9}", text) and not any(map(is_whole, indices))
    if is_index and int(text) < len(indices):
        return int(text)
    raise DataError(f"{prefix}the model has no {kind} {text[:100]!r}{nearest(text, indices)}")


def open_policy(path: str, model: Model) -> SolvedPolicy:
    """Read a policy for a model.

    Raises
    ------
    FormatError, PolicyError
        If the file is invalid or its policy is for another model.
    """
    from pomdptool.formats.policy.read import load_policy

    return load_policy(path, model)


def open_carried_policy(path: str, model: Model, *, quiet: bool) -> SolvedPolicy:
    """Read a policy that may be a graph (.pg) or for another model: its graph is transferred.

    Raises
    ------
    FormatError, PolicyError
        If the file is invalid or the actions and observations differ.
    """
    from pomdptool.analysis.transfer import carried
    from pomdptool.formats.kinds import kind_of_path
    from pomdptool.formats.policy.pg import load_graph
    from pomdptool.formats.policy.read import load_policy
    from pomdptool.formats.policy.write import POLICY_KINDS

    kind = kind_of_path(path, POLICY_KINDS)
    if kind == "pg":
        return carried(load_graph(path), model)
    try:
        return open_policy(path, model)
    except PolicyError:
        other = load_policy(path) if kind == "json" else None
        if other is None or other.problem.digest == model.digest:
            raise
    if not quiet:
        say_wrapped("note: the policy is for another model; its graph is followed")
    return carried(other, model)


def write_json(document: object, output: str | None = None, indent: int | None = 1) -> None:
    """Write a result as one JSON document."""
    write_result(json.dumps(to_jsonable(document), indent=indent, allow_nan=False) + "\n", output)


@contextlib.contextmanager
def result_stream(output: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that `write_result` writes at the end."""
    if output is None or output == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    stream = io.StringIO(newline="")
    yield stream
    write_result(stream.getvalue(), output)


def write_result(text: str, output: str | None) -> None:
    """Write a result to a file, atomically, or to standard output."""
    if output is None or output == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_file(Path(output), text)
