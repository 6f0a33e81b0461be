"""Exceptions, the warning class, and spelling suggestions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pomdptool.printable import printable

Level = Literal["error", "warning"]

MAX_CANDIDATES, MAX_WORD = 5000, 100
"""Limits of spelling suggestions: number of candidates, length of the word."""


def near_name(word: str, candidates: Collection[str]) -> str | None:
    """The candidate most similar to a word; None if none is similar or there are too many.

    Case matters only between candidates that differ in nothing else.
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
    """Spelling suggestion for an error message, `; did you mean 'listen'?`, or empty."""
    near = near_name(word, candidates)
    return "" if near is None else f"; did you mean {near!r}?"


class PomdpError(Exception):
    """Base class of the package's exceptions."""


class ModelError(PomdpError):
    """An invalid model (a row that does not sum to 1), or one too large for a computation."""


class DataError(PomdpError):
    """Data (trajectories) that cannot be read or do not fit the model.

    Attributes
    ----------
    findings
        Errors in a file, `file:line: column 'x': message` each; the exception's text is the first.
    placed
        Whether the text begins with file and line.
    """

    def __init__(self, message: str, findings: Sequence[str] = ()) -> None:
        self.findings = tuple(findings) or (message,)
        self.placed = bool(findings)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.findings if self.placed else ())


class PolicyError(PomdpError):
    """A policy that cannot be read or does not fit the model."""


class PomdpWarning(UserWarning):
    """A problem in a file that was read nevertheless; other programs may reject it."""


@dataclass(frozen=True, repr=False, slots=True)
class Finding:
    """An error or warning about a position in a file; lines and columns count from 1.

    `source` is the line of the file, if it is known.
    """

    file: str
    line: int
    column: int
    level: Level
    code: str
    message: str
    source: str = field(default="", compare=False)

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        text = printable(str(self))
        return f"<Finding {text if len(text) <= 150 else text[:147] + '...'}>"

    def __str__(self) -> str:
        return f"{self.place}: {self.level} {self.code}: {self.message}"


class FormatError(PomdpError):
    """A file that violates its format. The text begins with `file:line:column:`.

    Attributes
    ----------
    findings
        All errors and warnings.
    file, line, column
        Position of the first error; line and column count from 1.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [f for f in self.findings if f.level == "error"]
        first = errors[0]
        self.file, self.line, self.column = first.file, first.line, first.column
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.place}: {first.message}{more}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.findings,)

    @classmethod
    def at(cls, file: str, line: int, column: int, code: str, message: str) -> FormatError:
        """Make an exception with a single finding."""
        return cls([Finding(file, line, column, "error", code, message)])
