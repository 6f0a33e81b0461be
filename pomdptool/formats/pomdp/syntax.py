"""Parses .pomdp text into statements with their offsets; syntax only.

The grammar is `grammars/pomdp.lark`. After a syntax error parsing resumes at the next statement, so
that all errors of a file are reported.
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
from pomdptool.formats.pomdp.mistakes import explain_character
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
class PreambleStatement:
    """A `discount`, `values`, `states`, `actions`, `observations` or `goals` line."""

    keyword: str
    at: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class StartBelief:
    """The initial belief; `form` is `distribution`, `include` or `exclude`."""

    form: str
    at: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class TableStatement:
    """A `T:`, `O:` or `R:` statement: indices (`refs`), then numbers or a keyword (`value`)."""

    table: str
    at: int
    refs: tuple[Word, ...]
    value: Word
    colon: Word | None


@dataclass(frozen=True, slots=True)
class BulkEntries:
    """Consecutive `T:`, `O:` and `R:` entries in full form, as text; see `bulk_entries`."""

    at: int
    text: str


Statement = PreambleStatement | StartBelief | TableStatement | BulkEntries


def parse(findings: Findings) -> list[Statement]:
    """Parse the source; syntax errors are added to the findings."""
    text = findings.source.text
    statements: list[Statement] = []
    at: int | None = 0
    while at is not None and not findings.full:
        try:
            tree = _parser().parse(TextSlice(text, at, len(text)))
        except UnexpectedInput as error:
            statements += _read_before(error)
            code, error_at, message = _explain(error, text, _offset(error, text))
            findings.error(code, error_at, message)
            _doubt(findings, error_at)
            at = _next_statement(text, error_at + 1)
        else:
            statements += _statements(tree)
            at = None
    return statements


def _doubt(findings: Findings, at: int) -> None:
    """Leave out the errors that follow from the syntax error at an offset.

    These are errors in its own statement, and if a list of names is incomplete, all about sizes.
    """
    begin, keyword = 0, ""
    for match in _START_OF_STATEMENT.finditer(findings.source.text, 0, at):
        if not match[0].startswith("#"):
            begin, keyword = match.start(), match[0]
    is_list = keyword.startswith(("states", "actions", "observations"))
    findings.doubtful.append((begin, len(findings.source.text) if is_list else at))


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
    """Values of a statement of the preamble, without its keyword and colon."""
    return tuple(_word(t) for t in tokens if t.type in ("NUMBERS", "NAMES", "UNIFORM", "KIND"))


class _ToStatements(Transformer[Token, Any]):
    """One method per alias of the grammar; Lark drops punctuation."""

    def discount(self, tokens: Sequence[Token]) -> PreambleStatement:
        return PreambleStatement("discount", cast(int, tokens[0].start_pos), _words(tokens))

    def values(self, tokens: Sequence[Token]) -> PreambleStatement:
        return PreambleStatement("values", cast(int, tokens[0].start_pos), _words(tokens))

    def list(self, tokens: Sequence[Token]) -> PreambleStatement:
        return PreambleStatement(str(tokens[0]), cast(int, tokens[0].start_pos), _words(tokens))

    def start(self, tokens: Sequence[Token]) -> StartBelief:
        form = str(tokens[0]) if tokens[0].type in ("INCLUDE", "EXCLUDE") else "distribution"
        return StartBelief(form, cast(int, tokens[0].start_pos), _words(tokens))

    def entry(self, tokens: Sequence[Token]) -> TableStatement:
        refs = tuple(_word(t) for t in tokens[1:-1] if t.type == "REF")
        colons = [t for t in tokens if t.type == "COLON"]
        stray = _word(colons[0]) if colons else None
        head = tokens[0]
        return TableStatement(str(head), cast(int, head.start_pos), refs, _word(tokens[-1]), stray)

    row = matrix = matrices = entry

    def bulk_entries(self, tokens: Sequence[Token]) -> BulkEntries:
        return BulkEntries(cast(int, tokens[0].start_pos), str(tokens[0]))


def _statements(value: object) -> list[Statement]:
    if isinstance(value, (PreambleStatement, StartBelief, TableStatement, BulkEntries)):
        return [value]
    if isinstance(value, Tree):
        return [s for child in value.children for s in _statements(child)]
    return []


def _read_before(error: UnexpectedInput) -> list[Statement]:
    """Statements that were complete before the error."""
    parser = cast(Any, error).interactive_parser
    if "$END" in parser.accepts():
        return _statements(parser.feed_eof())
    return [s for value in parser.parser_state.value_stack for s in _statements(value)]


def _offset(error: UnexpectedInput, text: str) -> int:
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


# Descriptions of the terminals that the parser accepts; the first subset of them is used.
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
    """Code, offset and message for an error of the parser."""
    expected: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
    elif isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
    wanted = next((words for names, words in _EXPECTED if names <= expected), "something else")
    match = re.compile(r"[A-Za-z0-9_.+-]+|\S").match(text, at)
    if match is None:
        return "PT001", max(at - 1, 0), f"expected {wanted}, found the end of the file"
    mistake = explain_character(text, at)
    if mistake:
        return "PT001", at, mistake
    word = match[0] if len(match[0]) <= 40 else match[0][:37] + "..."
    reserved = _explain_reserved(expected, match, text)
    if reserved:
        return reserved
    hint = ""
    if "DISCOUNT" in expected:
        hint = nearest(word, [k for k in KEYWORDS if len(k) > 1])
    elif re.fullmatch(r"\d+[A-Za-z_][\w-]*", word):
        hint = " (names must begin with a letter)"
    elif word.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        hint = " (numbers must be finite)"
    return "PT001", at, f"expected {wanted}, found {word!r}{hint}"


def _explain_reserved(
    expected: set[str], match: re.Match[str], text: str
) -> tuple[str, int, str] | None:
    """Error for a reserved word used as a name, or without its colon; None for other errors."""
    word, at = match[0], match.start()
    if word in RESERVED and expected & {"NAMES", "REF"} and not _COLON.match(text, match.end()):
        return "PT004", at, f"{word!r} is a reserved word and cannot be a name"
    before = _WORD_BEFORE.search(text[max(at - 100, 0) : at])
    if before and expected <= {"COLON", "INCLUDE", "EXCLUDE"}:
        word, at = before[1], at - len(before[0])
    elif word not in KEYWORDS or "DISCOUNT" not in expected:
        return None
    return "PT004", at, f"expected `:` after the reserved word {word!r}"


_COLON = re.compile(r"\s*:")
_WORD_BEFORE = re.compile(r"([a-z]+)(?:\s|#[^\n]*\n)*\Z")
