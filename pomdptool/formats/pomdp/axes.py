"""Look-up of the actions, states and observations that a .pomdp file declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pomdptool.errors import nearest
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_HINTS, MAX_LISTED
from pomdptool.formats.numbered_names import NumberedNames


class _Lookup(dict[str, int]):
    """Index of each name; `*` is -1. Indices written as numbers are added on first use."""

    def __init__(self, names: Sequence[str]) -> None:
        numbered = isinstance(names, NumberedNames)
        super().__init__({} if numbered else {name: i for i, name in enumerate(names)})
        self.size = len(names)
        self["*"] = -1

    def __missing__(self, word: str) -> int:
        """Accept an index, perhaps with leading zeros."""
        if word.isdecimal() and len(word.lstrip("0")) < 10 and int(word) < self.size:
            self[word] = int(word)
            return self[word]
        raise KeyError(word)


@dataclass(slots=True)
class Axis:
    """The actions, states or observations of a file; `noun` names them in messages."""

    noun: str
    names: Sequence[str]
    index: _Lookup = field(init=False)

    def __post_init__(self) -> None:
        """Build the look-up."""
        self.index = _Lookup(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def lookup(self, word: str, at: int, findings: Findings) -> int | None:
        """Index of a word of the file (-1 for `*`); None, with an error, if it is unknown."""
        try:
            return self.index[word]
        except KeyError:
            shown = word if len(word) <= 40 else word[:37] + "..."
            if word.isdecimal():
                message = (
                    f"there is no {self.noun} {shown}: the {len(self)} {self.noun}s are numbered "
                    f"from 0 to {len(self) - 1}"
                )
            else:
                hint = nearest(word, self.names) if findings.errors < MAX_HINTS else ""
                if not hint and len(self) <= MAX_LISTED:
                    hint = f"; the {self.noun}s are {', '.join(self.names)}"
                message = f"{shown!r} is not the name of {_a(self.noun)}{hint}"
            findings.error("PT002", at, message)
            return None


Axes = dict[str, tuple[Axis, ...]]
"""Axes of each table (T, O, R) that a file may set."""


def _a(noun: str) -> str:
    return ("an " if noun[0] in "ao" else "a ") + noun
