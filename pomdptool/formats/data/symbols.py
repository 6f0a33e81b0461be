"""Symbols of a data file: their names, and their indices in a model or an alphabet."""

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
"""Common spellings of a missing value, in lower case."""

_WITH_ARTICLE = {"action": "an action", "observation": "an observation", "state": "a state"}


def canonical(text: str) -> str:
    """Whole numbers in one form: `1.0`, as pandas writes integers, is `1`."""
    match = _WHOLE.fullmatch(text)
    return str(int(text.partition(".")[0])) if match else text


def is_whole(text: str) -> bool:
    """Whether a text is a whole number without leading zeros."""
    return _WHOLE.fullmatch(text) is not None


def names_in_data(texts: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Sorted names of the symbols that occur, and the index of each text among them.

    Whole numbers are names too, in numerical order: codes 200 and 404 are two symbols. If they are
    0, 1, ..., this makes them indices.
    """
    if all(map(is_whole, texts)):
        texts = [canonical(text) for text in texts]
        names = tuple(sorted(set(texts), key=int))
    else:
        names = tuple(sorted(texts, key=natural_key))
    index = {name: i for i, name in enumerate(names)}
    return names, [index[text] for text in texts]


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key that sorts `o2` before `o10`."""
    parts = _DIGITS.split(name)
    digits = [part.lstrip("0") if k % 2 else part for k, part in enumerate(parts)]
    return [(len(part) * (k % 2), part) for k, part in enumerate(digits)], name


def indices_of(texts: Sequence[str], names: Sequence[str], kind: str) -> list[int]:
    """Index of each text among the names of a model or an alphabet; NONE if unknown.

    In order, a text is a name; another form of a whole number (`1.0` for 1); what a .pomdp file
    turns into a name (404 into `o_404`, see `allowed_name`); or an index. Whole numbers are indices
    only if no name is one, and some are unknown; if others are known, only if all can be indices.
    """
    position = {name: i for i, name in enumerate(names)}
    index = {canonical(t): position.get(canonical(t), NONE) for t in texts if t not in position}
    written = {text: allowed_name(text, kind[0]) for text, i in index.items() if i == NONE}
    times = Counter([*written.values(), *(text for text in texts if text in position)])
    for text, name in written.items():
        index[text] = position.get(name, NONE) if times[name] == 1 else NONE
    numbers = [text for text in written if is_whole(text)]
    as_indices = {text: int(text) for text in numbers if 0 <= int(text) < len(names)}
    unnamed, named = (any((index[t] == NONE) is none for t in numbers) for none in (True, False))
    possible = not named or len(as_indices) == len(numbers)
    if unnamed and possible and not any(map(is_whole, names)):
        index |= dict.fromkeys(numbers, NONE) | as_indices
    return [position[text] if text in position else index[canonical(text)] for text in texts]


def match_names(
    texts: Sequence[str], names: tuple[str, ...] | None, alphabet: tuple[str, ...] | None, kind: str
) -> tuple[tuple[str, ...], list[int]]:
    """Names of a model, else an alphabet, and the index of each text among them (NONE if unknown).

    With both, texts are looked up in the alphabet, and its names in the model.
    """
    if alphabet is None:
        assert names is not None
        return names, indices_of(texts, names, kind)
    letters = indices_of(texts, alphabet, kind)
    if names is None:
        return alphabet, letters
    to_name = indices_of(alphabet, names, kind)
    return names, [NONE if k == NONE else to_name[k] for k in letters]


def unknown_symbol(text: str, names: Sequence[str], kind: str, *, hint: bool) -> str:
    """Message about a symbol that is not a name, with a hint at the intended one."""
    if is_whole(text):
        index = "" if any(map(is_whole, names)) else f" nor an index below {len(names)}"
        return f"{text} is {'neither' if index else 'not'} the name of {_WITH_ARTICLE[kind]}{index}"
    if text in names:
        return f"the model has no {kind} {text[:80]!r}"
    if text.casefold() in MISSING:
        return f"unknown {kind} {text!r}; use --missing {text} if it means a missing value"
    return f"unknown {kind} {text[:80]!r}" + (nearest(text, names) if hint else "")


def suspicious_symbols(texts: Iterable[str]) -> list[str]:
    """Warnings about symbols that look like missing values or continuous numbers."""
    warnings = [
        f"{text!r} is read as a symbol; use --missing {text} if it means a missing value"
        for text in texts
        if text.casefold() in MISSING
    ]
    numbers = [t for t in texts if t.casefold() not in MISSING and is_number(t)]
    fractions = [text for text in numbers if not is_whole(text) and not text.isdecimal()]
    if fractions:
        warnings.append(
            f"numbers such as {fractions[0][:20]} are read as symbols ({len(numbers)} distinct "
            "ones): observations are discrete"
        )
    return warnings
