"""What the columns of a table are called, and what is wrong with it, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from pomdptool.errors import DataError, nearest
from pomdptool.formats.limits import MAX_FINDINGS


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are called."""

    episode: str = "episode"
    step: str = "step"
    action: str = "action"
    observation: str = "observation"
    reward: str = "reward"
    state: str = "state"
    next_state: str = "next_state"
    terminated: str = "terminated"
    truncated: str = "truncated"

    def is_called(self, name: str, role: str) -> bool:
        """Whether a name is that of a column, regardless of case and surrounding blanks."""
        wanted: str = getattr(self, role)
        return name == wanted or name.strip().casefold() == wanted.strip().casefold()

    def find(self, there: Sequence[str], file: str) -> dict[str, int]:
        """Position of each of these columns among those that are there.

        A name is found as it is written, else regardless of case and surrounding blanks.

        Raises
        ------
        DataError
            If a column is missing that is needed (observations, and any that was renamed), or
            occurs twice.
        """
        found = {}
        loose = [name.strip().casefold() for name in there]
        for role in fields(self):
            name = getattr(self, role.name)
            names = there if name in there else loose
            name_there = name if name in there else name.strip().casefold()
            if names.count(name_there) > 1:
                raise DataError(f"{file}: there are several columns {name!r}")
            if name_there in names:
                found[role.name] = names.index(name_there)
            elif role.name == "observation" or name != role.default:
                known = ", ".join(map(repr, there[:20])) + ", ..." * (len(there) > 20)
                raise DataError(
                    f"{file}: there is no column {name!r} among {known}{nearest(name, there)}"
                )
        return found


WITHOUT = {
    "episode": "all rows are one sequence",
    "step": "rows are taken as they come",
    "action": "one action is taken",
    "reward": "there are no rewards",
    "terminated": "nothing says which episodes reached a terminal state",
}
"""What the lack of a column means, of those that data may be without."""


@dataclass(slots=True)
class Problems:
    """What is wrong with a file, by line; and, less than that, what its columns may not mean.

    Attributes
    ----------
    file
        Name to report.
    columns
        What its columns are called.
    rows
        Whether rows are counted in place of lines (there are none).
    unused
        Names of columns that are passed over.
    misspelt
        Columns that are missing where one that is passed over has nearly their name.
    doubts
        What looks unlike what is assumed of it.
    """

    file: str
    columns: Columns
    rows: bool = False
    unused: list[str] = field(default_factory=list, init=False)
    misspelt: tuple[str, ...] = field(default=(), init=False)
    doubts: list[str] = field(default_factory=list, init=False)
    _found: list[tuple[int, str]] = field(default_factory=list)
    _more: bool = False

    def find(self, there: Sequence[str]) -> dict[str, int]:
        """Position of each column, as `Columns.find`; note those that may be misspelt."""
        found = self.columns.find(there, self.file)
        self.unused = [name for k, name in enumerate(there) if k not in found.values()]
        missing = [role for role in WITHOUT if role not in found]
        named = [(getattr(self.columns, role), WITHOUT[role]) for role in missing]
        self.misspelt = tuple(
            f"{self.file}: there is no column {name!r}: {means}{hint}"
            for name, means in named
            if (hint := nearest(name, self.unused))
        )
        return found

    def add(self, line: int, message: str, role: str = "") -> None:
        """Note what is wrong with a line, in a column of that role."""
        place = f"{self.file}: row {line}" if self.rows else f"{self.file}:{line}"
        column = f"column {getattr(self.columns, role)!r}: " if role else ""
        if self.full:
            self._more = True
        else:
            self._found.append((line, f"{place}: {column}{message}"))

    def doubt(self, message: str, role: str = "") -> None:
        """Warn of what looks unlike what is assumed, in a column of that role."""
        column = f"column {getattr(self.columns, role)!r}: " if role else ""
        self.doubts.append(f"{self.file}: {column}{message}")

    @property
    def full(self) -> bool:
        """Whether as many were found as are kept."""
        return len(self._found) >= MAX_FINDINGS

    @property
    def any(self) -> bool:
        """Whether something is wrong."""
        return bool(self._found)

    def stop(self) -> None:
        """Raise a DataError if something is wrong."""
        if not self._found:
            return
        texts = [text for _, text in sorted(self._found, key=lambda item: item[0])]
        least = "at least " if self._more else ""
        more = f" (and {least}{len(texts) - 1} more)" if len(texts) > 1 else ""
        raise DataError(texts[0] + more, texts)
