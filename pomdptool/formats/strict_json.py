r"""JSON from strangers: what Python's parser lets pass is refused, with its place.

Refused are numbers that are not finite or have thousands of digits, a key that occurs twice in an
object (readers would differ in which they take), and text that is none: bytes that are not UTF-8,
and halves of surrogate pairs written as `\ud800`.
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
"""Digits of the longest whole number that Python reads."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')


class _RepeatedKeyError(ValueError):
    """A key occurs twice in an object."""


def read_json(text: str, file: str, line: int = 1) -> Any:
    """Read JSON that begins on a line of a file.

    Raises
    ------
    FormatError
        If it is none, or what is refused here; or is nested too deeply.
    """

    def wrong(at: int, message: str, code: str = "PT001") -> FormatError:
        row = text.count("\n", 0, at)
        return FormatError.at(file, line + row, at - text.rfind("\n", 0, at), code, message)

    def refuse(constant: str) -> None:
        at = _place(text, lambda token: token == constant)
        raise wrong(at, f"{constant} is not a number that may stand here")

    if (at := first_surrogate(text)) is not None:
        raise wrong(at, "this is not UTF-8 text", "PT011")
    if (at := _lone_escape(text)) is not None:
        raise wrong(at, f"{text[at : at + 6]} is half of a character: this is not text", "PT011")
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise wrong(error.pos, error.msg) from None
    except _RepeatedKeyError as error:
        raise wrong(_place_of_repeated_key(text), str(error)) from None
    except ValueError:
        at = _place(text, lambda token: len(token) > MAX_DIGITS and token[0] in "-0123456789")
        raise wrong(at, f"a number of more than {MAX_DIGITS} digits") from None
    except RecursionError:
        raise wrong(0, "the document is nested too deeply") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of keys and values; a ValueError where a key occurs twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, n in counts.items() if n > 1)
        raise _RepeatedKeyError(f"the key {twice!r} occurs twice in an object")
    return made


def _lone_escape(text: str) -> int | None:
    """Place of the first escape that is half of a surrogate pair."""
    if "\\u" not in text:
        return None
    return next((match.start() for match in _ESCAPE.finditer(text) if match["lone"]), None)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match[0]) for match in _TOKEN.finditer(text))


def _place(text: str, is_it: Callable[[str], bool]) -> int:
    """Place of the first token of which something is true, in a text that has one."""
    return next(at for at, token in _tokens(text) if is_it(token))


def _place_of_repeated_key(text: str) -> int:
    """Place of the first key that its object has already."""
    open_objects: list[set[str]] = []
    at, before = 0, ""
    for here, token in _tokens(text):
        if token in ("{", "["):
            open_objects.append(set())
        elif token in ("}", "]"):
            open_objects.pop()
        elif token == ":":
            key = json.loads(before)
            if key in open_objects[-1]:
                break
            open_objects[-1].add(key)
        at, before = here, token
    return at
