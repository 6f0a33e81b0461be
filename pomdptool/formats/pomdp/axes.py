"""The names of actions, states and observations that a .pomdp file declares, and their look-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pomdptool.errors import nearest
from pomdptool.formats.counted import Counted
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_HINTS


class _Lookup(dict[str, int]):
    """What may be written for each item of an axis: its name, its index, `*` (-1) for all.

    Indices are added as they are met.
    """

    def __init__(self, names: Sequence[str]) -> None:
        counted = isinstance(names, Counted)
        super().__init__({} if counted else {name: i for i, name in enumerate(names)})
        self.size = len(names)
        self["*"] = -1

    def __missing__(self, word: str) -> int:
        """Take an index, perhaps with zeros before it."""
        if word.isdecimal() and len(word.lstrip("0")) < 10 and int(word) < self.size:
            self[word] = int(word)
            return self[word]
        raise KeyError(word)


@dataclass(slots=True)
class Axis:
    """The actions, states or observations of a file: names (or only a count), and their look-up."""

    what: str
    names: Sequence[str]
    index: _Lookup = field(init=False)

    def __post_init__(self) -> None:
        """Make the look-up."""
        self.index = _Lookup(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def find(self, word: str, at: int, findings: Findings) -> int | None:
        """Index of a name or index as written (-1 for `*`); None, with an error, if unknown."""
        try:
            return self.index[word]
        except KeyError:
            shown = word if len(word) <= 40 else word[:37] + "..."
            if word.isdecimal():
                message = (
                    f"there is no {self.what} {shown}: the {len(self)} {self.what}s are numbered "
                    f"from 0 to {len(self) - 1}"
                )
            else:
                hint = nearest(word, self.names) if findings.errors < MAX_HINTS else ""
                message = f"{shown!r} is not the name of {_a(self.what)}{hint}"
            findings.error("PT002", at, message)
            return None


def _a(what: str) -> str:
    return ("an " if what[0] in "ao" else "a ") + what
