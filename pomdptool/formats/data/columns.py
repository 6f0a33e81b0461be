"""Columns of a data file to arrays: in bulk if their type allows, else value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE
from pomdptool.formats.data.gather import RowBatch
from pomdptool.formats.data.report import DataReport
from pomdptool.formats.data.steps import END_FLAGS
from pomdptool.formats.data.text import to_number, to_text
from pomdptool.formats.limits import MAX_FINDINGS
from pomdptool.sparse import FloatArray, Int32Array, IntArray


def to_batch(
    columns: Mapping[str, Any],
    n_rows: int,
    line: int,
    lines: IntArray | None,
    report: DataReport,
    missing: frozenset[str],
) -> RowBatch:
    """Convert columns, each an Arrow array or a list; invalid values are reported.

    `missing` are texts that mean a missing reward.
    """

    def error(role: str, row: int, message: str) -> None:
        report.error(line + row if lines is None else int(lines[row]), message, role)

    symbols, flags, steps, rewards = {}, {}, None, None
    for role, values in columns.items():
        if role == "step":
            steps = _steps(values, partial(error, role))
        elif role == "reward":
            rewards = _rewards(values, partial(error, role), missing)
        elif role in END_FLAGS:
            flags[role] = _flags(values, partial(error, role))
        else:
            symbols[role] = _symbols(values, partial(error, role))
    return RowBatch(n_rows, line, lines, symbols, flags, steps, rewards)


RowError = Callable[[int, str], None]
"""Reports an error in a row."""


def _symbols(values: Any, error: RowError) -> tuple[Int32Array, list[str]]:
    """Index of each value among the distinct ones, NONE if empty."""
    import pyarrow as pa

    if isinstance(values, pa.DictionaryArray) and values.dictionary.type == pa.string():
        encoded = values
    else:
        texts = _converted(values, "string", partial(_each, convert=to_text, error=error))
        encoded = texts.dictionary_encode()
    codes: Int32Array = encoded.indices.fill_null(NONE).to_numpy().astype(np.int32, copy=False)
    names = encoded.dictionary.to_pylist()
    used = np.bincount(codes + 1, minlength=len(names) + 1)[1:]
    return codes, [name or "" if n else "" for name, n in zip(names, used.tolist(), strict=True)]


TRUTH = {"": False, "0": False, "false": False, "1": True, "true": True}
"""Values of a flag; also "0.0" and "1.0"."""


def _flags(values: Any, error: RowError) -> NDArray[np.bool_]:
    """Whether each value is 1 or true; empty values are false."""
    codes, texts = _symbols(values, error)
    plain = [text.strip().casefold().removesuffix(".0") for text in texts]
    for code in [code for code, text in enumerate(plain) if text not in TRUTH]:
        for row in np.flatnonzero(codes == code)[: MAX_FINDINGS + 1].tolist():
            error(row, f"{texts[code][:80]!r} is not a boolean (0, 1, false or true)")
    truth = np.array([*(TRUTH.get(text, False) for text in plain), False])
    return np.asarray(truth[codes])


def _steps(values: Any, error: RowError) -> IntArray:
    each = partial(_each, convert=partial(to_number, whole=True), error=error, default=0)
    numbers = _converted(values, "int64", each)
    if numbers.null_count:
        for row in np.flatnonzero(numbers.is_null().to_numpy(zero_copy_only=False)).tolist():
            error(row, "the step is missing")
        numbers = numbers.fill_null(0)
    steps: IntArray = numbers.to_numpy()
    return steps


def _rewards(values: Any, error: RowError, missing: frozenset[str]) -> FloatArray:
    each = partial(_each, convert=partial(to_number, missing=missing), error=error)
    numbers = _converted(values, "float64", each)
    rewards: FloatArray = numbers.fill_null(np.nan).to_numpy()
    for row in np.flatnonzero(np.isinf(rewards)).tolist():
        error(row, "a reward must be finite")
    return rewards


def _converted(values: Any, target: str, each: Callable[[list[Any]], list[Any]]) -> Any:
    """Arrow array of the target type: in bulk if possible, else value by value."""
    import pyarrow as pa
    from pyarrow import compute

    arrow_type = pa.type_for_alias(target)
    try:
        array = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_boolean(array.type) and target != "string":
            raise TypeError("not a number")  # true is not 1: each value is rejected below
        if pa.types.is_floating(array.type) and target == "string":
            array = compute.if_else(compute.is_nan(array), None, array).cast(pa.int64())
        return array.cast(arrow_type)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeError):
        rows = values.to_pylist() if isinstance(values, pa.Array) else values
        return pa.array(each(rows), arrow_type)


def _each(
    values: list[Any], convert: Callable[[Any], Any], error: RowError, default: Any = None
) -> list[Any]:
    converted = []
    for row, value in enumerate(values):
        try:
            converted.append(convert(value))
        except ValueError as invalid:
            error(row, str(invalid))
            converted.append(default)
    return converted
