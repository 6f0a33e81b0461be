"""Symbols of a table: which names they are, and which of a model's they stand for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pomdptool.episodes import NONE
from pomdptool.errors import nearest
from pomdptool.formats.data.text import is_number
from pomdptool.formats.pomdp.names import allowed_name

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0*)?")
_DIGITS = re.compile(r"([0-9]+)")

MISSING = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
"""What programs write for a missing value, in lower case."""

_A = {"action": "an action", "observation": "an observation", "state": "a state"}


def plain(text: str) -> str:
    """Whole numbers as they are counted: `1.0` is `1`, for pandas writes integers so."""
    match = _WHOLE.fullmatch(text)
    return str(int(text.partition(".")[0])) if match else text


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, in a form that no other one has."""
    return _WHOLE.fullmatch(text) is not None


def own_names(texts: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Names that symbols are, in their order, and the index of each text among them.

    Whole numbers are names too, in numerical order: codes 200 and 404 are two symbols. Where they
    are all below their number, 0, 1, ..., that makes them indices.
    """
    if all(map(is_whole, texts)):
        texts = [plain(text) for text in texts]
        names = tuple(sorted(set(texts), key=int))
    else:
        names = tuple(sorted(texts, key=natural))
    place = {name: i for i, name in enumerate(names)}
    return names, [place[text] for text in texts]


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key that sorts `o2` before `o10`."""
    parts = _DIGITS.split(name)
    digits = [part.lstrip("0") if k % 2 else part for k, part in enumerate(parts)]
    return [(len(part) * (k % 2), part) for k, part in enumerate(digits)], name


def look_up(texts: Sequence[str], names: Sequence[str], role: str) -> list[int]:
    """Index of each text among the names of a model or an alphabet; NONE if it is none.

    A text is a name, or what a .pomdp file has for it (`o_404` for 404, see `allowed_name`), or an
    index. Whole numbers are indices only if none of the names is a number; and if some of them are
    names in a .pomdp file, only if others are not and all may be indices.
    """
    place = {name: i for i, name in enumerate(names)}
    found = {plain(text): place.get(plain(text), NONE) for text in texts if text not in place}
    written = {t: allowed_name(t, role[0]) for t, index in found.items() if index == NONE}
    times = Counter([*written.values(), *(text for text in texts if text in place)])
    for text, name in written.items():
        found[text] = place.get(name, NONE) if times[name] == 1 else NONE
    numbers = [text for text in written if is_whole(text)]
    indices = {text: int(text) for text in numbers if 0 <= int(text) < len(names)}
    none, some = (any((found[t] == NONE) is lacks for t in numbers) for lacks in (True, False))
    if none and (not some or len(indices) == len(numbers)) and not any(map(is_whole, names)):
        found |= dict.fromkeys(numbers, NONE) | indices
    return [place[text] if text in place else found[plain(text)] for text in texts]


def named_by(
    texts: Sequence[str],
    names: tuple[str, ...] | None,
    alphabet: tuple[str, ...] | None,
    role: str,
) -> tuple[tuple[str, ...], list[int]]:
    """Names of a model, else an alphabet, and the index of each text among them; NONE if none.

    With both, a text is one of the alphabet, and that is one of the model.
    """
    if alphabet is None:
        assert names is not None
        return names, look_up(texts, names, role)
    letters = look_up(texts, alphabet, role)
    if names is None:
        return alphabet, letters
    to_name = look_up(alphabet, names, role)
    return names, [NONE if k == NONE else to_name[k] for k in letters]


def unknown(text: str, names: Sequence[str], role: str, *, hint: bool) -> str:
    """Say that a text is no name, and what it may have been meant for."""
    if is_whole(text):
        index = "" if any(map(is_whole, names)) else f" nor an index below {len(names)}"
        return f"{text} is {'neither' if index else 'not'} the name of {_A[role]}{index}"
    if text in names:
        return f"the model has no {role} {text[:80]!r}"
    if text.casefold() in MISSING:
        return f"unknown {role} {text!r}: if it means a missing value, --missing {text}"
    return f"unknown {role} {text[:80]!r}" + (nearest(text, names) if hint else "")


def doubts(texts: Iterable[str]) -> list[str]:
    """What symbols look like that they are not taken for."""
    found = [
        f"{text!r} is taken for a symbol: if it means a missing value, --missing {text}"
        for text in texts
        if text.casefold() in MISSING
    ]
    numbers = [t for t in texts if t.casefold() not in MISSING and is_number(t)]
    fractions = [text for text in numbers if not is_whole(text) and not text.isdecimal()]
    if fractions:
        found.append(
            f"numbers such as {fractions[0][:20]} are taken for symbols, {len(numbers)} different "
            "ones: observations are discrete"
        )
    return found
