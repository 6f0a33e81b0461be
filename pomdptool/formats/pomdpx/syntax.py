"""Parses POMDPX text, with expat, into a tree of elements with their offsets; syntax only.

Only the nesting in `CHILDREN` is allowed, so a tree has at most seven levels. Document types are
refused, and with them all declarations of entities.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from xml.parsers import expat

from pomdptool.errors import PomdpError, nearest
from pomdptool.formats.findings import Findings

_VALUES = ("ValueEnum", "NumValues")
_TABLES = ("InitialStateBelief", "StateTransitionFunction", "ObsFunction", "RewardFunction")
CHILDREN: dict[str, tuple[str, ...]] = {
    "": ("pomdpx",),
    "pomdpx": ("Description", "Discount", "Variable", *_TABLES),
    "Variable": ("StateVar", "ObsVar", "ActionVar", "RewardVar"),
    "StateVar": _VALUES,
    "ObsVar": _VALUES,
    "ActionVar": _VALUES,
    "InitialStateBelief": ("CondProb",),
    "StateTransitionFunction": ("CondProb",),
    "ObsFunction": ("CondProb",),
    "RewardFunction": ("Func",),
    "CondProb": ("Var", "Parent", "Parameter"),
    "Func": ("Var", "Parent", "Parameter"),
    "Parameter": ("Entry",),
    "Entry": ("Instance", "ProbTable", "ValueTable"),
}
"""Allowed children of each element; elements not listed contain text."""

_TEXTS = frozenset(name for names in CHILDREN.values() for name in names) - set(CHILDREN)
_LATIN = re.compile(r"<\?xml[^>]*encoding=.(?:iso-8859-1|latin-?1|us-ascii)\b", re.IGNORECASE)
_ESCAPED = re.compile("[\udc80-\udcff]")
_WORD = re.compile(r"[^ \t\n]+")


@dataclass(slots=True)
class Element:
    """An XML element; `at` is the offset of its tag, `parts` its text in parts with offsets."""

    name: str
    at: int
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    parts: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part for _, part in self.parts)

    @property
    def words(self) -> list[str]:
        """Words of the text."""
        return self.text.split()

    def offset_of(self, k: int) -> int:
        """Offset of word k (from 0), or of the last word if there are fewer."""
        starts = [m.start() for m in _WORD.finditer(self.text)]
        if not starts:
            return self.at
        offset = starts[min(k, len(starts) - 1)]
        for at, part in self.parts:
            if offset < len(part):
                return at + offset
            offset -= len(part)
        return self.at

    def all(self, name: str) -> Iterator[Element]:
        """Children with a name."""
        return (child for child in self.children if child.name == name)


class _RefusedError(PomdpError):
    """Parsing stops; the reason has been reported."""


def parse_pomdpx(findings: Findings) -> Element | None:
    """Parse the source into its root element; None after an error."""
    reader = _Reader(findings)
    try:
        return reader.read()
    except _RefusedError:
        return None


class _Reader:
    """Builds the tree from the parser's events."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        lines = findings.source.text.split("\n")
        self.line_starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
        self.open: list[Element] = [Element("", 0, {})]
        latin = _LATIN.match(findings.source.text) and _ESCAPED.search(findings.source.text)
        self.parser = expat.ParserCreate("ISO-8859-1" if latin else "UTF-8")
        self.errors = "surrogateescape" if latin else "surrogatepass"
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype

    def read(self) -> Element:
        text = self.findings.source.text
        try:
            self.parser.Parse(text.encode(errors=self.errors), True)
        except expat.ExpatError as error:
            at = self.offset(error.lineno, error.offset)
            raise self.refuse("PT001", at, f"not XML: {expat.ErrorString(error.code)}") from None
        except UnicodeEncodeError as error:
            raise self.refuse("PT011", error.start, "this is not text") from None
        return self.open[0].children[0]

    def offset(self, line: int, column: int) -> int:
        return min(self.line_starts[line - 1] + column, len(self.findings.source.text))

    @property
    def here(self) -> int:
        return self.offset(self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber)

    def refuse(self, code: str, at: int, message: str) -> _RefusedError:
        self.findings.error(code, at, message)
        return _RefusedError(message)

    def doctype(self, *_: object) -> None:
        message = "a document type is refused: it may declare entities"
        raise self.refuse("PT012", self.here, message)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        parent = self.open[-1]
        allowed = CHILDREN.get(parent.name, ())
        if name not in allowed:
            raise self.refuse("PT001", self.here, _unexpected(name, parent.name, allowed))
        element = Element(name, self.here, attributes)
        parent.children.append(element)
        self.open.append(element)

    def end(self, name: str) -> None:
        del name
        self.open.pop()

    def characters(self, text: str) -> None:
        element = self.open[-1]
        if element.name in _TEXTS:
            element.parts.append((self.here, text))
        elif not text.isspace():
            at = self.here + len(text) - len(text.lstrip())
            message = f"<{element.name}> must not contain text, found {text.split()[0][:40]!r}"
            raise self.refuse("PT001", at, message)


def _unexpected(name: str, parent: str, allowed: tuple[str, ...]) -> str:
    if not parent and name == "Policy":
        return "this is an APPL policy, not a model"
    if name == "DAG":
        return "decision diagrams (DAG) are not supported, only tables (TBL)"
    if not allowed:
        return f"<{parent}> must contain text only, found <{name[:40]}>"
    expected = " or ".join(f"<{child}>" for child in allowed) + (f" in <{parent}>" * bool(parent))
    return f"expected {expected}, found <{name[:40]}>{nearest(name, allowed)}"
