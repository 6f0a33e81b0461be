"""What can go wrong: the project's own errors, its one warning class, and hints at near names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]

MAX_CANDIDATES, MAX_WORD = 5000, 100
"""Names among which a near one is looked for, and characters of a word that may have one."""


def near_name(word: str, candidates: Collection[str]) -> str | None:
    """Return the candidate nearest to a word, None where none is near or there are too many.

    Case counts only between candidates that are equal but for case.
    """
    if len(candidates) > MAX_CANDIDATES or len(word) > MAX_WORD:
        return None
    from difflib import get_close_matches

    near = get_close_matches(word.casefold(), {name.casefold() for name in candidates}, n=1)
    if not near:
        return None
    same = [name for name in candidates if name.casefold() == near[0]]
    return get_close_matches(word, same, n=1, cutoff=0.0)[0]


def nearest(word: str, candidates: Collection[str]) -> str:
    """Say which candidate is near the word: `; did you mean 'listen'?`, or nothing."""
    near = near_name(word, candidates)
    return "" if near is None else f"; did you mean {near!r}?"


class PomdpError(Exception):
    """Base of every error that the project raises on purpose."""


class ModelError(PomdpError):
    """A model that is not one (a row that does not sum to 1), or is too large for what is asked."""


class DataError(PomdpError):
    """Data (trajectories) that cannot be read or do not fit the model.

    Attributes
    ----------
    findings
        Where a file was read, what is wrong with it: `file:line: column 'x': message`, each; the
        error's own text is the first.
    placed
        Whether the text begins with such a place.
    """

    def __init__(self, message: str, findings: Sequence[str] = ()) -> None:
        self.findings = tuple(findings) or (message,)
        self.placed = bool(findings)
        super().__init__(message)


class PolicyError(PomdpError):
    """A policy that cannot be read or does not fit the model."""


class PomdpWarning(UserWarning):
    """A finding of level warning: the file was read, though not every program would read it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark of a reader about one place of a file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    level: Level
    code: str
    message: str

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.level} {self.code}: {self.message}"


class FormatError(PomdpError):
    """Text that does not follow its format. Its text begins `file:line:column:`.

    Attributes
    ----------
    findings
        Everything that the reader found, warnings included; the error's own place is the first
        finding of level error.
    file, line, column
        The place of that first error; line and column count from 1.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [f for f in self.findings if f.level == "error"]
        first = errors[0]
        self.file, self.line, self.column = first.file, first.line, first.column
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.place}: {first.message}{more}")

    @classmethod
    def at(cls, file: str, line: int, column: int, code: str, message: str) -> FormatError:
        """Make an error of one finding."""
        return cls([Finding(file, line, column, "error", code, message)])
