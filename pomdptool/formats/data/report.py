"""Column names of a data file, and the errors and warnings about it by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from pomdptool.errors import DataError, nearest
from pomdptool.formats.limits import MAX_FINDINGS


@dataclass(frozen=True, slots=True)
class Columns:
    """Column names of a data file."""

    episode: str = "episode"
    step: str = "step"
    action: str = "action"
    observation: str = "observation"
    reward: str = "reward"
    state: str = "state"
    next_state: str = "next_state"
    terminated: str = "terminated"
    truncated: str = "truncated"

    def matches(self, name: str, role: str) -> bool:
        """Whether a name is that of a column, ignoring case and surrounding blanks."""
        wanted: str = getattr(self, role)
        return name == wanted or name.strip().casefold() == wanted.strip().casefold()

    def find(self, header: Sequence[str], file: str) -> dict[str, int]:
        """Position of each column in a header.

        An exact match is preferred to one that ignores case and surrounding blanks.

        Raises DataError if a required column is missing (observations, and any that was renamed),
        or a column occurs twice.
        """
        positions = {}
        folded = [name.strip().casefold() for name in header]
        for role in fields(self):
            name = getattr(self, role.name)
            names = header if name in header else folded
            key = name if name in header else name.strip().casefold()
            if names.count(key) > 1:
                raise DataError(f"{file}: there are several columns {name!r}")
            if key in names:
                positions[role.name] = names.index(key)
            elif role.name == "observation" or name != role.default:
                known = ", ".join(map(repr, header[:20])) + ", ..." * (len(header) > 20)
                raise DataError(
                    f"{file}: there is no column {name!r} among {known}{nearest(name, header)}"
                )
        return positions


IF_MISSING = {
    "episode": "all rows form one episode",
    "step": "rows are kept in file order",
    "action": "a single action is assumed",
    "reward": "no rewards are read",
    "terminated": "no episode is known to have reached a terminal state",
}
"""Consequence of an optional column that is missing."""


@dataclass(slots=True)
class DataReport:
    """Errors in a data file by line (Parquet: by row, if `rows`), and warnings about it.

    `misspelt` are warnings about missing columns with a similar name among the unused ones.
    """

    file: str
    columns: Columns
    rows: bool = False
    unused: list[str] = field(default_factory=list, init=False)
    misspelt: tuple[str, ...] = field(default=(), init=False)
    warnings: list[str] = field(default_factory=list, init=False)
    _errors: list[tuple[int, str]] = field(default_factory=list)
    _more: bool = False

    def find_columns(self, header: Sequence[str]) -> dict[str, int]:
        """Position of each column, as `Columns.find`; warns of those that may be misspelt."""
        positions = self.columns.find(header, self.file)
        self.unused = [name for k, name in enumerate(header) if k not in positions.values()]
        missing = [role for role in IF_MISSING if role not in positions]
        named = [(getattr(self.columns, role), IF_MISSING[role]) for role in missing]
        self.misspelt = tuple(
            f"{self.file}: there is no column {name!r}: {consequence}{hint}"
            for name, consequence in named
            if (hint := nearest(name, self.unused))
        )
        return positions

    def error(self, line: int, message: str, role: str = "") -> None:
        """Record an error on a line, in a column."""
        place = f"{self.file}: row {line}" if self.rows else f"{self.file}:{line}"
        if self.full:
            self._more = True
        else:
            self._errors.append((line, f"{place}: {self._column(role)}{message}"))

    def warn(self, message: str, role: str = "") -> None:
        """Record a warning about a column."""
        self.warnings.append(f"{self.file}: {self._column(role)}{message}")

    def _column(self, role: str) -> str:
        return f"column {getattr(self.columns, role)!r}: " if role else ""

    @property
    def full(self) -> bool:
        """Whether the maximum number of errors is reached."""
        return len(self._errors) >= MAX_FINDINGS

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return bool(self._errors)

    def raise_errors(self) -> None:
        """Raise a DataError if there are errors."""
        if not self._errors:
            return
        texts = [text for _, text in sorted(self._errors, key=lambda item: item[0])]
        least = "at least " if self._more else ""
        more = f" (and {least}{len(texts) - 1} more)" if len(texts) > 1 else ""
        raise DataError(texts[0] + more, texts)
