r"""A strict JSON parser for untrusted files.

Unlike Python's parser it refuses numbers that are not finite or have thousands of digits, repeated
keys in an object (their meaning depends on the reader), bytes that are not UTF-8, and unpaired
surrogates such as `\ud800`. Errors have line and column.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pomdptool.errors import FormatError
from pomdptool.printable import first_surrogate

MAX_DIGITS = 4300
"""Maximal number of digits of an integer that Python reads."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')


class _RepeatedKeyError(ValueError):
    """A key occurs twice in an object."""


def read_json(text: str, file: str, line: int = 1) -> Any:
    """Read JSON that begins on a line of a file; FormatError if it is invalid or refused."""

    def error_at(at: int, message: str, code: str = "PT001") -> FormatError:
        row = text.count("\n", 0, at)
        return FormatError.at(file, line + row, at - text.rfind("\n", 0, at), code, message)

    def refuse(constant: str) -> None:
        at = _find_token(text, lambda token: token == constant)
        raise error_at(at, f"{constant} is not an allowed number")

    if (at := first_surrogate(text)) is not None:
        raise error_at(at, "this is not UTF-8 text", "PT011")
    if (at := _unpaired_surrogate(text)) is not None:
        raise error_at(at, f"{text[at : at + 6]} is an unpaired surrogate: not text", "PT011")
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise error_at(error.pos, error.msg) from None
    except _RepeatedKeyError as error:
        raise error_at(_find_repeated_key(text), str(error)) from None
    except ValueError:
        at = _find_token(text, lambda token: len(token) > MAX_DIGITS and token[0] in "-0123456789")
        raise error_at(at, f"a number of more than {MAX_DIGITS} digits") from None
    except RecursionError:
        raise error_at(0, "the document is nested too deeply") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Dictionary of the pairs; ValueError if a key occurs twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, n in counts.items() if n > 1)
        raise _RepeatedKeyError(f"the key {twice!r} occurs twice in an object")
    return result


def _unpaired_surrogate(text: str) -> int | None:
    """Offset of the first escape of an unpaired surrogate."""
    if "\\u" not in text:
        return None
    return next((match.start() for match in _ESCAPE.finditer(text) if match["lone"]), None)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match[0]) for match in _TOKEN.finditer(text))


def _find_token(text: str, condition: Callable[[str], bool]) -> int:
    """Offset of the first token that satisfies the condition (there must be one)."""
    return next(at for at, token in _tokens(text) if condition(token))


def _find_repeated_key(text: str) -> int:
    """Offset of the first repeated key."""
    open_objects: list[set[str]] = []
    at, before = 0, ""
    for next_at, token in _tokens(text):
        if token in ("{", "["):
            open_objects.append(set())
        elif token in ("}", "]"):
            open_objects.pop()
        elif token == ":":
            key = json.loads(before)
            if key in open_objects[-1]:
                break
            open_objects[-1].add(key)
        at, before = next_at, token
    return at
