"""Errors and warnings of a reader, collected with their positions.

Codes below PT100 are errors. Codes from PT100 are dialects: the reference reader refuses them, but
their meaning is clear; they are warnings, or errors if `strict`. PT110 and PT111 always warn.

| code | meaning |
|---|---|
| PT001 | syntax error |
| PT002 | unknown action, state or observation, or an index out of range |
| PT003 | a name or a statement that occurs twice |
| PT004 | a reserved word where a name is expected |
| PT005 | an invalid number (sign, range, not finite) |
| PT006 | the wrong number of values |
| PT007 | probabilities that do not sum to 1 |
| PT008 | a mandatory statement is missing |
| PT009 | statements out of order |
| PT010 | too large |
| PT011 | not a text file, or an empty one |
| PT012 | a form that is not allowed here |
| PT101 | a number without a digit before the decimal point |
| PT102 | a byte-order mark |
| PT103 | no `discount`: 1 is assumed |
| PT104 | no `values`: `reward` is assumed |
| PT105 | `values: rewards` or `costs` |
| PT106 | `start` with an index |
| PT107 | a colon before the number |
| PT108 | a `goals` line: ignored |
| PT109 | no rewards |
| PT110 | POMDPX: a fully observed variable is not known before the first action |
| PT111 | the file extension is that of another format |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from pomdptool.errors import Finding, Level
from pomdptool.formats.limits import MAX_FINDINGS


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text and its file name."""

    file: str
    text: str

    def position(self, at: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = self.text.count("\n", 0, at) + 1
        return line, at - self.text.rfind("\n", 0, at)

    @property
    def stem(self) -> str:
        """File name without extension; empty for standard input."""
        return "" if self.file.startswith("<") else PurePath(self.file.removesuffix(".gz")).stem


@dataclass(slots=True)
class Findings:
    """Errors and warnings about a text; a dialect is reported once, with its number of uses.

    `doubtful` holds the ranges of offsets where syntax errors cause further ones.
    """

    source: SourceText
    strict: bool
    collected: list[Finding] = field(default_factory=list)
    errors: int = 0
    doubtful: list[tuple[int, int]] = field(default_factory=list)
    _dialects: dict[str, tuple[int, str, int]] = field(default_factory=dict)

    def error(self, code: str, at: int, message: str) -> None:
        """Add an error at an offset, unless it follows from a syntax error."""
        if code in ("PT002", "PT006") and self._is_doubtful(at):
            return
        self.errors += 1
        if self.errors <= MAX_FINDINGS:
            self._add("error", code, at, message)

    def warning(self, code: str, at: int, message: str) -> None:
        """Add a warning, even with `strict`: the reference reader accepts the text."""
        self._add("warning", code, at, message)

    def dialect(self, code: str, at: int, message: str, times: int = 1) -> None:
        """Count a dialect `times` times; it is reported at its first offset."""
        if code == "PT106" and self._is_doubtful(at):
            return
        first, text, count = self._dialects.get(code, (at, message, 0))
        self._dialects[code] = (first, text, count + times)

    def _is_doubtful(self, at: int) -> bool:
        return any(begin <= at < end for begin, end in self.doubtful)

    @property
    def full(self) -> bool:
        """Whether the limit of reported errors is reached."""
        return self.errors >= MAX_FINDINGS

    def finish(self) -> tuple[Finding, ...]:
        """All findings, in the order of the text."""
        for code, (at, message, count) in self._dialects.items():
            more = f" ({count} times)" if count > 1 else ""
            if self.strict:
                self.error(code, at, message + more)
            else:
                self._add("warning", code, at, message + more)
        self._dialects.clear()
        self.collected.sort(key=lambda f: (f.line, f.column))
        return tuple(self.collected)

    def _add(self, level: Level, code: str, at: int, message: str) -> None:
        line, column = self.source.position(at)
        self.collected.append(Finding(self.source.file, line, column, level, code, message))
