"""Text of a .pomdp file to statements, each with its place: syntax only, no meaning.

The grammar is `grammars/pomdp.lark`. After an error reading goes on at the next statement, so
that all errors of a file are found.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from lark import Lark, Token, Transformer, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.utils import TextSlice

from pomdptool.errors import nearest
from pomdptool.formats.findings import Findings
from pomdptool.formats.resources import resource

RESERVED = [
    *("discount", "values", "states", "actions", "observations", "T", "O", "R", "uniform"),
    *("identity", "reward", "cost", "start", "include", "exclude", "reset"),
]

KEYWORDS = ["discount", "values", "states", "actions", "observations", "start", "T", "O", "R"]


@dataclass(frozen=True, slots=True)
class Word:
    """A token: its kind (the grammar's terminal), its text, and its offset in the source."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Preamble:
    """`discount`, `values`, `states`, `actions`, `observations` or `goals`, and what it says."""

    keyword: str
    at: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """The start belief; `form` is `distribution`, `include` or `exclude`."""

    form: str
    at: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One statement of T, O or R: where (`refs`), and what (`value`)."""

    table: str
    at: int
    refs: tuple[Word, ...]
    value: Word
    colon: Word | None


@dataclass(frozen=True, slots=True)
class Run:
    """Entries of T, O and R in their full form, uncut."""

    at: int
    text: str


Statement = Preamble | Start | Setting | Run


def parse(findings: Findings) -> list[Statement]:
    """Cut the source into statements; syntax errors go to the findings."""
    text = findings.source.text
    statements: list[Statement] = []
    at: int | None = 0
    while at is not None and not findings.full:
        try:
            tree = _parser().parse(TextSlice(text, at, len(text)))
        except UnexpectedInput as error:
            statements += _read_before(error)
            code, place, message = _explain(error, text, _place(error, text))
            findings.error(code, place, message)
            at = _next_statement(text, place + 1)
        else:
            statements += _statements(tree)
            at = None
    return statements


@functools.cache
def _parser() -> Lark:
    return Lark(
        resource("grammars", "pomdp.lark").read_text(encoding="utf-8"),
        parser="lalr",
        start="file",
        transformer=_ToStatements(),
        maybe_placeholders=False,
    )


def _word(token: Token) -> Word:
    return Word(token.type, str(token), cast(int, token.start_pos))


def _words(tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Return what a statement of the preamble says, without its keyword and colon."""
    said = ("NUMBERS", "NAMES", "UNIFORM", "KIND")
    return tuple(_word(t) for t in tokens if t.type in said)


class _ToStatements(Transformer[Token, Any]):
    """One method per alias of the grammar; filtered punctuation never arrives."""

    def discount(self, tokens: Sequence[Token]) -> Preamble:
        return Preamble("discount", cast(int, tokens[0].start_pos), _words(tokens))

    def values(self, tokens: Sequence[Token]) -> Preamble:
        return Preamble("values", cast(int, tokens[0].start_pos), _words(tokens))

    def list(self, tokens: Sequence[Token]) -> Preamble:
        return Preamble(str(tokens[0]), cast(int, tokens[0].start_pos), _words(tokens))

    def start(self, tokens: Sequence[Token]) -> Start:
        form = str(tokens[0]) if tokens[0].type in ("INCLUDE", "EXCLUDE") else "distribution"
        return Start(form, cast(int, tokens[0].start_pos), _words(tokens))

    def entry(self, tokens: Sequence[Token]) -> Setting:
        refs = tuple(_word(t) for t in tokens[1:-1] if t.type == "REF")
        colons = [t for t in tokens if t.type == "COLON"]
        stray = _word(colons[0]) if colons else None
        head = tokens[0]
        return Setting(str(head), cast(int, head.start_pos), refs, _word(tokens[-1]), stray)

    row = matrix = matrices = entry

    def run(self, tokens: Sequence[Token]) -> Run:
        return Run(cast(int, tokens[0].start_pos), str(tokens[0]))


def _statements(value: object) -> list[Statement]:
    if isinstance(value, (Preamble, Start, Setting, Run)):
        return [value]
    if isinstance(value, Tree):
        return [s for child in value.children for s in _statements(child)]
    return []


def _read_before(error: UnexpectedInput) -> list[Statement]:
    """Return the statements that were complete when the error came."""
    parser = cast(Any, error).interactive_parser
    if "$END" in parser.accepts():
        return _statements(parser.feed_eof())
    return [s for value in parser.parser_state.value_stack for s in _statements(value)]


def _place(error: UnexpectedInput, text: str) -> int:
    at = error.pos_in_stream
    if at is None or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return len(text.rstrip())
    return at


_START_OF_STATEMENT = re.compile(
    r"#[^\n]*|(?<![A-Za-z0-9_-])(?:(?:discount|values|states|actions|observations|goals|T|O|R)"
    r"|start(?:\s+(?:include|exclude))?)\s*:"
)


def _next_statement(text: str, at: int) -> int | None:
    for match in _START_OF_STATEMENT.finditer(text, at):
        if not match[0].startswith("#"):
            return match.start()
    return None


# What the parser expected, for people; the first set that it accepts wholly speaks.
_EXPECTED: tuple[tuple[set[str], str], ...] = (
    ({"DISCOUNT", "LIST"}, "a statement (" + ", ".join(f"`{k}:`" for k in KEYWORDS) + ")"),
    ({"NUMBERS", "NAMES", "UNIFORM"}, "probabilities, `uniform`, or states"),
    ({"NUMBERS", "UNIFORM", "IDENTITY"}, "numbers, `uniform` or `identity`"),
    ({"NUMBERS", "UNIFORM", "RESET"}, "numbers, `uniform` or `reset`"),
    ({"NUMBERS", "UNIFORM"}, "numbers or `uniform`"),
    ({"NUMBERS", "NAMES"}, "a count or names"),
    ({"KIND"}, "`reward` or `cost`"),
    ({"NUMBERS", "REF"}, "a name, an index or `*`"),
    ({"NUMBERS"}, "a number"),
    ({"REF"}, "a name, an index or `*`"),
    ({"COLON"}, "`:`"),
)


def _explain(error: UnexpectedInput, text: str, at: int) -> tuple[str, int, str]:
    """Turn the parser's error into a code, a place and a sentence."""
    expected: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
    elif isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
    what = next((words for names, words in _EXPECTED if names <= expected), "something else")
    match = re.compile(r"[A-Za-z0-9_.+-]+|\S").match(text, at)
    if match is None:
        return "PT001", max(at - 1, 0), f"expected {what}, but the file ends"
    found = match[0] if len(match[0]) <= 40 else match[0][:37] + "..."
    reserved = _explain_reserved(expected, match, text)
    if reserved:
        return reserved
    hint = ""
    if "DISCOUNT" in expected:
        hint = nearest(found, [k for k in KEYWORDS if len(k) > 1])
    elif re.fullmatch(r"\d+[A-Za-z_][\w-]*", found):
        hint = " (names begin with a letter)"
    elif found.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        hint = " (numbers are finite)"
    return "PT001", at, f"expected {what}, found {found!r}{hint}"


def _explain_reserved(
    expected: set[str], found: re.Match[str], text: str
) -> tuple[str, int, str] | None:
    """Say that a reserved word stands for a name, or lacks its colon; None where neither is so."""
    word, at = found[0], found.start()
    if word in RESERVED and expected & {"NAMES", "REF"} and not _COLON.match(text, found.end()):
        return "PT004", at, f"{word!r} is a reserved word and cannot be a name"
    before = _WORD_BEFORE.search(text[max(at - 100, 0) : at])
    if before and expected <= {"COLON", "INCLUDE", "EXCLUDE"}:
        word, at = before[1], at - len(before[0])
    elif word not in KEYWORDS or "DISCOUNT" not in expected:
        return None
    return "PT004", at, f"expected `:` after {word!r}, which is a reserved word and no name"


_COLON = re.compile(r"\s*:")
_WORD_BEFORE = re.compile(r"([a-z]+)(?:\s|#[^\n]*\n)*\Z")
