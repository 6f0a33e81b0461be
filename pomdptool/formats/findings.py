"""What a reader has to say about a text: a place for each remark, collected as it goes.

Codes below PT100 are errors. Codes from PT100 are dialects: what the reference reader refuses but
the meaning of which is plain; by default they are warnings, under `strict` errors. PT110 and
PT111 are warnings in any case.

| code | meaning |
|---|---|
| PT001 | syntax: something else was expected here |
| PT002 | unknown action, state or observation, or an index out of range |
| PT003 | a name or a statement that occurs twice |
| PT004 | a reserved word where a name is expected |
| PT005 | a number that cannot stand here (sign, range, not finite) |
| PT006 | the wrong count of numbers |
| PT007 | probabilities that do not sum to 1 |
| PT008 | a mandatory statement is missing |
| PT009 | statements out of order |
| PT010 | too large |
| PT011 | not text, or nothing in it |
| PT012 | a form that does not exist here |
| PT101 | a number without a digit before the point |
| PT102 | a byte-order mark |
| PT103 | no discount: 1 is taken |
| PT104 | no `values`: reward is taken |
| PT105 | `values: rewards` or `costs` |
| PT106 | `start` with an index |
| PT107 | a colon before the number |
| PT108 | a `goals` line: ignored |
| PT109 | no rewards |
| PT110 | POMDPX: what is observed of the first state is not told before the first action |
| PT111 | the file's name is for another format than its text |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from pomdptool.errors import Finding, Level
from pomdptool.formats.limits import MAX_FINDINGS


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text with the name under which it is reported; places are offsets into it."""

    file: str
    text: str

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = self.text.count("\n", 0, at) + 1
        return line, at - self.text.rfind("\n", 0, at)

    @property
    def stem(self) -> str:
        """The file's name without `.gz` and its extension; nothing for what is no file."""
        return "" if self.file.startswith("<") else PurePath(self.file.removesuffix(".gz")).stem


@dataclass(slots=True)
class Findings:
    """The remarks on one source. A dialect is reported once, with the count of its places."""

    source: SourceText
    strict: bool
    found: list[Finding] = field(default_factory=list)
    errors: int = 0
    _dialects: dict[str, tuple[int, str, int]] = field(default_factory=dict)

    def error(self, code: str, at: int, message: str) -> None:
        """Add an error at an offset."""
        self.errors += 1
        if self.errors <= MAX_FINDINGS:
            self._add("error", code, at, message)

    def warning(self, code: str, at: int, message: str) -> None:
        """Add a warning, also under `strict`: the reference reader takes it, to mean another."""
        self._add("warning", code, at, message)

    def dialect(self, code: str, at: int, message: str, times: int = 1) -> None:
        """Note a dialect at its first place; `times` counts further ones."""
        first, text, count = self._dialects.get(code, (at, message, 0))
        self._dialects[code] = (first, text, count + times)

    @property
    def full(self) -> bool:
        """Whether as many errors were found as are shown."""
        return self.errors >= MAX_FINDINGS

    def finish(self) -> tuple[Finding, ...]:
        """Return every finding, in the order of the text."""
        for code, (at, message, count) in self._dialects.items():
            more = f" ({count} times)" if count > 1 else ""
            if self.strict:
                self.error(code, at, message + more)
            else:
                self._add("warning", code, at, message + more)
        self._dialects.clear()
        self.found.sort(key=lambda f: (f.line, f.column))
        return tuple(self.found)

    def _add(self, level: Level, code: str, at: int, message: str) -> None:
        line, column = self.source.place(at)
        self.found.append(Finding(self.source.file, line, column, level, code, message))
