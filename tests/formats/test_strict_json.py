"""JSON that is refused, with its position."""

from __future__ import annotations

import json
import re

import pytest

from pomdptool.errors import FormatError
from pomdptool.formats.strict_json import read_json

REFUSED = [
    ('{"a": 1,\n "b": 2, "a": 3}', 2, 10, "the key 'a' occurs twice"),
    ('{"a": {"b": 1}, "b": [{"a": "a:{"}, {"a": 1, "\\u0061": 2}]}', 1, 46, "key 'a' occurs twice"),
    ('[1, "NaN",\n NaN]', 2, 2, "NaN is not an allowed number"),
    ("[-Infinity]", 1, 2, "-Infinity is not an allowed number"),
    (f'["{"9" * 9000}",\n  {"9" * 5000}]', 2, 3, "more than 4300 digits"),
    ('["\\\\ud800", "\\ud83d\\ude00",\n "\\ud83d"]', 2, 3, "\\ud83d is an unpaired surrogate"),
    ('["\\udc00\\ud800"]', 1, 3, "\\udc00 is an unpaired surrogate"),
    ('["\ud800"]', 1, 3, "this is not UTF-8 text"),
    ('{"a":\n "\udce9"}', 2, 3, "this is not UTF-8 text"),
    ('{"a": 1, 2}', 1, 10, "property name"),
    ("[" * 100_000, 1, 1, "too deeply"),
    ('{"a": 1} x', 1, 10, "Extra data"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED)
def test_json_is_refused_with_position(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_json(text, "f", 5)
    assert (caught.value.line, caught.value.column) == (line + 4, column)


def test_json_is_read_as_python_reads_it() -> None:
    text = '{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00\\n"], "b": {"a": {}}}'
    assert read_json(text, "f") == json.loads(text)
