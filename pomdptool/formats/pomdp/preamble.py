"""The first part of a .pomdp file: `discount`, `values`, names, and `start` (initial belief)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.errors import nearest
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_NAMES
from pomdptool.formats.numbered_names import NumberedNames
from pomdptool.formats.pomdp.axes import Axis
from pomdptool.formats.pomdp.syntax import PreambleStatement, StartBelief, Statement, Word
from pomdptool.formats.pomdp.tokens import (
    name_offsets,
    number_offsets,
    offset_of_number,
    read_numbers,
    split_numbers,
    without_comments,
)
from pomdptool.sparse import FloatArray

MANDATORY = ("discount", "values", "states", "actions")


@dataclass(slots=True)
class Preamble:
    """Values of the preamble.

    Without `observations` the file is an MDP; if they are invalid, `form_known` is False.
    """

    discount: float = 1.0
    costs: bool = False
    states: Axis | None = None
    actions: Axis | None = None
    observations: Axis | None = None
    actions_at: int = 0
    form_known: bool = True


def read_preamble(statements: Sequence[Statement], findings: Findings) -> Preamble:
    """Read the preamble."""
    preamble = Preamble()
    syntax_errors = findings.errors
    declared = _by_keyword(statements, findings)
    _check_order(statements, findings)
    if "discount" in declared:
        preamble.discount = _discount(declared["discount"], findings)
    if "values" in declared:
        preamble.costs = _values(declared["values"], findings)
    for keyword in ("states", "actions", "observations"):
        if keyword in declared:
            setattr(preamble, keyword, _axis(declared[keyword], findings))
    unread = syntax_errors > 0 and "observation" in findings.source.text
    invalid = "observations" in declared or unread
    preamble.form_known = preamble.observations is not None or not invalid
    if "actions" in declared:
        preamble.actions_at = declared["actions"].at
    if not syntax_errors:
        _check_missing(statements, declared, findings)
    return preamble


def _by_keyword(
    statements: Sequence[Statement], findings: Findings
) -> dict[str, PreambleStatement]:
    declared: dict[str, PreambleStatement] = {}
    for statement in (s for s in statements if isinstance(s, PreambleStatement)):
        if statement.keyword == "goals":
            message = "`goals` is not part of this format: ignored"
            findings.dialect("PT108", statement.at, message)
        elif statement.keyword in declared:
            findings.error("PT003", statement.at, f"`{statement.keyword}` occurs twice")
        else:
            declared[statement.keyword] = statement
    return declared


def _check_order(statements: Sequence[Statement], findings: Findings) -> None:
    """Preamble, then `start`, then entries; only the first violation is reported."""
    start: StartBelief | None = None
    entries = False
    for statement in statements:
        if isinstance(statement, PreambleStatement) and statement.keyword != "goals":
            if entries:
                message = f"`{statement.keyword}` must come before the first T, O or R"
                return findings.error("PT009", statement.at, message)
            if start:
                message = f"`start` must come after `{statement.keyword}`"
                return findings.error("PT009", start.at, message)
        elif isinstance(statement, StartBelief):
            if start:
                return findings.error("PT003", statement.at, "`start` occurs twice")
            if entries:
                message = "`start` must come before the first T, O or R"
                return findings.error("PT009", statement.at, message)
            start = statement
        elif not isinstance(statement, PreambleStatement):
            entries = True
    return None


def _check_missing(
    statements: Sequence[Statement], declared: dict[str, PreambleStatement], findings: Findings
) -> None:
    if not statements:
        return findings.error("PT011", 0, "the file is empty: it contains no model")
    for keyword in MANDATORY:
        if keyword in declared:
            continue
        if keyword == "discount":
            findings.dialect("PT103", 0, "no `discount`: 1 is assumed")
        elif keyword == "values":
            findings.dialect("PT104", 0, "no `values`: `reward` is assumed")
        else:
            findings.error("PT008", 0, f"`{keyword}:` is missing")
    return None


def _discount(statement: PreambleStatement, findings: Findings) -> float:
    word = statement.words[0]
    values = read_numbers(word, findings, signed=True)
    if values is None:
        return 1.0
    if len(values) != 1:
        findings.error("PT006", offset_of_number(word, 1), "`discount` takes one number")
    elif not 0.0 <= values[0] <= 1.0:
        message = f"the discount must lie between 0 and 1, not {values[0]:g}"
        findings.error("PT005", word.at, message)
    else:
        return float(values[0])
    return 1.0


def _values(statement: PreambleStatement, findings: Findings) -> bool:
    word = statement.words[0]
    text = without_comments(word.text).split()
    if text in (["rewards"], ["costs"]):
        findings.dialect("PT105", word.at, f"`values` should be `{text[0][:-1]}`")
    elif text not in (["reward"], ["cost"]):
        hint = nearest(text[0], ["reward", "cost"])
        findings.error("PT001", word.at, f"expected `reward` or `cost`, found {text[0]!r}{hint}")
    return text[0].startswith("cost")


def _axis(statement: PreambleStatement, findings: Findings) -> Axis | None:
    noun = statement.keyword[:-1]
    word = statement.words[0]
    if len(statement.words) > 1:
        message = f"expected one whole number or a list of names, not both: {noun}s"
        findings.error("PT001", statement.words[1].at, message)
        return None
    if word.kind == "NUMBERS":
        items = split_numbers(word)
        if len(items) != 1 or not items[0].isdecimal():
            message = f"expected one whole number or a list of names, found {items[0][:40]!r}"
            findings.error("PT005", offset_of_number(word, len(items) > 1), message)
            return None
        if len(items[0].lstrip("0")) > 9 or not 1 <= int(items[0]) <= MAX_NAMES:
            _report_count(word, noun, findings)
            return None
        return Axis(noun, NumberedNames("", int(items[0])))
    names = tuple(without_comments(word.text).split(maxsplit=MAX_NAMES))
    if len(names) > MAX_NAMES:
        _report_count(word, noun, findings)
        return None
    if len(set(names)) < len(names):
        _report_duplicates(word, noun, findings)
        return None
    return Axis(noun, names)


def _report_count(word: Word, noun: str, findings: Findings) -> None:
    message = f"the number of {noun}s must lie between 1 and {MAX_NAMES}"
    findings.error("PT010", word.at, message)


def _report_duplicates(word: Word, noun: str, findings: Findings) -> None:
    names: set[str] = set()
    for at, name in name_offsets(word):
        if name in names:
            findings.error("PT003", at, f"the {noun} {name!r} is declared twice")
        names.add(name)


def read_start(
    statement: StartBelief | None, states: Axis, findings: Findings
) -> FloatArray | None:
    """Read the initial belief, shape (S,); uniform by default. None after an error."""
    n = len(states)
    if statement is None:
        return np.full(n, 1.0 / n)
    kinds = [word.kind for word in statement.words]
    if "UNIFORM" in kinds and (len(kinds) > 1 or statement.form != "distribution"):
        at = statement.words[kinds.index("UNIFORM")].at
        findings.error("PT001", at, "`uniform` must stand alone after `start:`")
        return None
    if kinds[0] == "UNIFORM":
        return np.full(n, 1.0 / n)
    if statement.form == "distribution" and kinds == ["NUMBERS"]:
        return _start_numbers(statement.words[0], states, findings)
    named = [
        (at, name)
        for word in statement.words
        for at, name in (name_offsets if word.kind == "NAMES" else number_offsets)(word)
    ]
    indices = [states.lookup(name, at, findings) for at, name in named]
    if any(index is None for index in indices):
        return None
    if statement.form == "distribution" and len(indices) > 1:
        message = "expected one state; several need `start include:`"
        findings.error("PT006", named[1][0], message)
        return None
    chosen = np.zeros(n, dtype=bool)
    chosen[[index for index in indices if index is not None]] = True
    if statement.form == "exclude":
        chosen = ~chosen
    if not chosen.any():
        findings.error("PT007", statement.at, "every state is excluded: no initial state is left")
        return None
    return np.where(chosen, 1.0 / chosen.sum(), 0.0)


def _start_numbers(word: Word, states: Axis, findings: Findings) -> FloatArray | None:
    items = split_numbers(word)
    certain = len(states) == 1 and items[0].lstrip("0") == "1"
    if len(items) == 1 and items[0].isdecimal() and not certain:
        index = states.lookup(items[0], word.at, findings)
        if index is None:
            return None
        message = "`start` with an index is not portable: use a name or S probabilities"
        findings.dialect("PT106", word.at, message)
        belief = np.zeros(len(states))
        belief[index] = 1.0
        return belief
    values = read_numbers(word, findings, signed=False)
    if values is None:
        return None
    if len(values) != len(states):
        at = offset_of_number(word, len(states))
        message = f"expected {len(states)} probabilities, one per state, found {len(values)}"
        findings.error("PT006", at, message)
        return None
    total = math.fsum(values.clip(max=2.0))
    if abs(total - 1.0) > SUM_TOLERANCE:
        message = f"start: the probabilities sum to {total:.6g}, not 1"
        findings.error("PT007", word.at, message)
        return None
    return values
