"""Columns of a table to arrays: in bulk where their type allows, value by value where not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE
from pomdptool.formats.data.gather import Batch
from pomdptool.formats.data.report import Problems
from pomdptool.formats.data.steps import FLAGS
from pomdptool.formats.data.text import number_in, text_in
from pomdptool.formats.limits import MAX_FINDINGS
from pomdptool.sparse import FloatArray, Int32Array, IntArray


def to_batch(
    columns: Mapping[str, Any],
    n_rows: int,
    line: int,
    lines: IntArray | None,
    problems: Problems,
    missing: frozenset[str],
) -> Batch:
    """Convert columns, each an Arrow array or a list; values that cannot stand are reported.

    `missing` are texts that stand for a missing reward.
    """

    def say(role: str, row: int, message: str) -> None:
        problems.add(line + row if lines is None else int(lines[row]), message, role)

    symbols, flags, steps, rewards = {}, {}, None, None
    for role, values in columns.items():
        if role == "step":
            steps = _steps(values, partial(say, role))
        elif role == "reward":
            rewards = _rewards(values, partial(say, role), missing)
        elif role in FLAGS:
            flags[role] = _flags(values, partial(say, role))
        else:
            symbols[role] = _symbols(values, partial(say, role))
    return Batch(n_rows, line, lines, symbols, flags, steps, rewards)


Say = Callable[[int, str], None]


def _symbols(values: Any, say: Say) -> tuple[Int32Array, list[str]]:
    """Index of each value among the distinct ones, NONE where it is empty."""
    import pyarrow as pa

    if isinstance(values, pa.DictionaryArray) and values.dictionary.type == pa.string():
        encoded = values
    else:
        texts = _converted(values, "string", partial(_each, convert=text_in, say=say))
        encoded = texts.dictionary_encode()
    codes: Int32Array = encoded.indices.fill_null(NONE).to_numpy().astype(np.int32, copy=False)
    names = encoded.dictionary.to_pylist()
    used = np.bincount(codes + 1, minlength=len(names) + 1)[1:]
    return codes, [name or "" if n else "" for name, n in zip(names, used.tolist(), strict=True)]


TRUTH = {"": False, "0": False, "false": False, "1": True, "true": True}
"""What may stand in a column of flags; "0.0" and "1.0" too."""


def _flags(values: Any, say: Say) -> NDArray[np.bool_]:
    """Whether each value is 1 or true; one that is empty is not."""
    codes, texts = _symbols(values, say)
    plain = [text.strip().casefold().removesuffix(".0") for text in texts]
    for code in [code for code, text in enumerate(plain) if text not in TRUTH]:
        for row in np.flatnonzero(codes == code)[: MAX_FINDINGS + 1].tolist():
            say(row, f"{texts[code][:80]!r} is neither 0 nor 1, false nor true")
    truth = np.array([*(TRUTH.get(text, False) for text in plain), False])
    return np.asarray(truth[codes])


def _steps(values: Any, say: Say) -> IntArray:
    each = partial(_each, convert=partial(number_in, whole=True), say=say, instead=0)
    numbers = _converted(values, "int64", each)
    if numbers.null_count:
        for row in np.flatnonzero(numbers.is_null().to_numpy(zero_copy_only=False)).tolist():
            say(row, "a step is missing")
        numbers = numbers.fill_null(0)
    steps: IntArray = numbers.to_numpy()
    return steps


def _rewards(values: Any, say: Say, missing: frozenset[str]) -> FloatArray:
    each = partial(_each, convert=partial(number_in, missing=missing), say=say)
    numbers = _converted(values, "float64", each)
    rewards: FloatArray = numbers.fill_null(np.nan).to_numpy()
    for row in np.flatnonzero(np.isinf(rewards)).tolist():
        say(row, "a reward must be finite")
    return rewards


def _converted(values: Any, target: str, each: Callable[[list[Any]], list[Any]]) -> Any:
    """Arrow array of the target type: in bulk where that goes, else of each value by itself."""
    import pyarrow as pa
    from pyarrow import compute

    wanted = pa.type_for_alias(target)
    try:
        array = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_boolean(array.type) and target != "string":
            raise TypeError("no number")  # true is no 1: each value is refused below
        if pa.types.is_floating(array.type) and target == "string":
            array = compute.if_else(compute.is_nan(array), None, array).cast(pa.int64())
        return array.cast(wanted)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeError):
        rows = values.to_pylist() if isinstance(values, pa.Array) else values
        return pa.array(each(rows), wanted)


def _each(
    values: list[Any], convert: Callable[[Any], Any], say: Say, instead: Any = None
) -> list[Any]:
    found = []
    for row, value in enumerate(values):
        try:
            found.append(convert(value))
        except ValueError as error:
            say(row, str(error))
            found.append(instead)
    return found
