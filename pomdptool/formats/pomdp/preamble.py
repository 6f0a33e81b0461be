"""The first part of a .pomdp file: discount, values, names, and the start belief."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.errors import nearest
from pomdptool.formats.counted import Counted
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_NAMES
from pomdptool.formats.pomdp.axes import Axis
from pomdptool.formats.pomdp.syntax import Preamble, Start, Statement, Word
from pomdptool.formats.pomdp.tokens import (
    name_places,
    number_places,
    place_of_number,
    read_numbers,
    split_numbers,
    without_comments,
)
from pomdptool.sparse import FloatArray

MANDATORY = ("discount", "values", "states", "actions")


@dataclass(slots=True)
class Head:
    """What the preamble says.

    Without `observations` the file is an MDP; where they could not be read, the form is not known.
    """

    discount: float = 1.0
    costs: bool = False
    states: Axis | None = None
    actions: Axis | None = None
    observations: Axis | None = None
    actions_at: int = 0
    form_known: bool = True


def read_head(statements: Sequence[Statement], findings: Findings) -> Head:
    """Read the preamble; what is missing or doubtful goes to the findings."""
    head = Head()
    syntax_errors = findings.errors
    given = _given([s for s in statements if isinstance(s, Preamble)], findings)
    _check_order(statements, findings)
    if "discount" in given:
        head.discount = _discount(given["discount"], findings)
    if "values" in given:
        head.costs = _values(given["values"], findings)
    for keyword in ("states", "actions", "observations"):
        if keyword in given:
            setattr(head, keyword, _axis(given[keyword], findings))
    unread = syntax_errors > 0 and "observation" in findings.source.text
    head.form_known = head.observations is not None or not ("observations" in given or unread)
    if "actions" in given:
        head.actions_at = given["actions"].at
    if not syntax_errors:
        _check_missing(statements, given, findings)
    return head


def _given(preamble: list[Preamble], findings: Findings) -> dict[str, Preamble]:
    given: dict[str, Preamble] = {}
    for statement in preamble:
        if statement.keyword == "goals":
            findings.dialect("PT108", statement.at, "`goals` is not of this format: ignored")
        elif statement.keyword in given:
            findings.error("PT003", statement.at, f"`{statement.keyword}` is given twice")
        else:
            given[statement.keyword] = statement
    return given


def _check_order(statements: Sequence[Statement], findings: Findings) -> None:
    """Preamble, then start, then entries; only the first offence is reported."""
    start: Start | None = None
    entries = False
    for statement in statements:
        if isinstance(statement, Preamble) and statement.keyword != "goals":
            if entries:
                message = f"`{statement.keyword}` must come before the first T, O or R"
                return findings.error("PT009", statement.at, message)
            if start:
                message = f"`start` must come after `{statement.keyword}`"
                return findings.error("PT009", start.at, message)
        elif isinstance(statement, Start):
            if start:
                return findings.error("PT003", statement.at, "`start` is given twice")
            if entries:
                message = "`start` must come before the first T, O or R"
                return findings.error("PT009", statement.at, message)
            start = statement
        elif not isinstance(statement, Preamble):
            entries = True
    return None


def _check_missing(
    statements: Sequence[Statement], given: dict[str, Preamble], findings: Findings
) -> None:
    if not statements:
        return findings.error("PT011", 0, "there is no model in this file: it is empty")
    for keyword in MANDATORY:
        if keyword in given:
            continue
        if keyword == "discount":
            findings.dialect("PT103", 0, "no `discount`: 1 is taken")
        elif keyword == "values":
            findings.dialect("PT104", 0, "no `values`: `reward` is taken")
        else:
            findings.error("PT008", 0, f"`{keyword}:` is missing")
    return None


def _discount(statement: Preamble, findings: Findings) -> float:
    word = statement.words[0]
    values = read_numbers(word, findings, signed=True)
    if values is None:
        return 1.0
    if len(values) != 1:
        findings.error("PT006", place_of_number(word, 1), "`discount` takes one number")
    elif not 0.0 <= values[0] <= 1.0:
        message = f"the discount must lie between 0 and 1, not {values[0]:g}"
        findings.error("PT005", word.at, message)
    else:
        return float(values[0])
    return 1.0


def _values(statement: Preamble, findings: Findings) -> bool:
    word = statement.words[0]
    text = without_comments(word.text).split()
    if text in (["rewards"], ["costs"]):
        findings.dialect("PT105", word.at, f"`values` should be `{text[0][:-1]}`")
    elif text not in (["reward"], ["cost"]):
        hint = nearest(text[0], ["reward", "cost"])
        findings.error("PT001", word.at, f"expected `reward` or `cost`, found {text[0]!r}{hint}")
    return text[0].startswith("cost")


def _axis(statement: Preamble, findings: Findings) -> Axis | None:
    what = statement.keyword[:-1]
    word = statement.words[0]
    if len(statement.words) > 1:
        message = f"expected one whole number or a list of names, not both: {what}s"
        findings.error("PT001", statement.words[1].at, message)
        return None
    if word.kind == "NUMBERS":
        items = split_numbers(word)
        if len(items) != 1 or not items[0].isdecimal():
            message = f"expected one whole number or a list of names, found {items[0][:40]!r}"
            findings.error("PT005", place_of_number(word, len(items) > 1), message)
            return None
        if len(items[0].lstrip("0")) > 9 or not 1 <= int(items[0]) <= MAX_NAMES:
            _report_count(word, what, findings)
            return None
        return Axis(what, Counted("", int(items[0])))
    names = tuple(without_comments(word.text).split(maxsplit=MAX_NAMES))
    if len(names) > MAX_NAMES:
        _report_count(word, what, findings)
        return None
    if len(set(names)) < len(names):
        _report_duplicates(word, what, findings)
        return None
    return Axis(what, names)


def _report_count(word: Word, what: str, findings: Findings) -> None:
    message = f"the number of {what}s must lie between 1 and {MAX_NAMES}"
    findings.error("PT010", word.at, message)


def _report_duplicates(word: Word, what: str, findings: Findings) -> None:
    seen: set[str] = set()
    for at, name in name_places(word):
        if name in seen:
            findings.error("PT003", at, f"the {what} {name!r} is declared twice")
        seen.add(name)


def read_start(statement: Start | None, states: Axis, findings: Findings) -> FloatArray | None:
    """Read the start belief, shape (S,); uniform where the file has none. None after an error."""
    n = len(states)
    if statement is None:
        return np.full(n, 1.0 / n)
    kinds = [word.kind for word in statement.words]
    if "UNIFORM" in kinds and (len(kinds) > 1 or statement.form != "distribution"):
        at = statement.words[kinds.index("UNIFORM")].at
        findings.error("PT001", at, "`uniform` stands alone, after `start:`")
        return None
    if kinds[0] == "UNIFORM":
        return np.full(n, 1.0 / n)
    if statement.form == "distribution" and kinds == ["NUMBERS"]:
        return _start_numbers(statement.words[0], states, findings)
    named = [
        (at, name)
        for word in statement.words
        for at, name in (name_places if word.kind == "NAMES" else number_places)(word)
    ]
    found = [states.find(name, at, findings) for at, name in named]
    if any(index is None for index in found):
        return None
    if statement.form == "distribution" and len(found) > 1:
        message = "expected one state; several need `start include:`"
        findings.error("PT006", named[1][0], message)
        return None
    chosen = np.zeros(n, dtype=bool)
    chosen[[index for index in found if index is not None]] = True
    if statement.form == "exclude":
        chosen = ~chosen
    if not chosen.any():
        findings.error("PT007", statement.at, "no state is left to start in")
        return None
    return np.where(chosen, 1.0 / chosen.sum(), 0.0)


def _start_numbers(word: Word, states: Axis, findings: Findings) -> FloatArray | None:
    items = split_numbers(word)
    certain = len(states) == 1 and items[0].lstrip("0") == "1"
    if len(items) == 1 and items[0].isdecimal() and not certain:
        index = states.find(items[0], word.at, findings)
        if index is None:
            return None
        findings.dialect(
            "PT106", word.at, "`start` with an index; a name, or S numbers, is portable"
        )
        belief = np.zeros(len(states))
        belief[index] = 1.0
        return belief
    values = read_numbers(word, findings, signed=False)
    if values is None:
        return None
    if len(values) != len(states):
        at = place_of_number(word, len(states))
        message = f"expected {len(states)} probabilities, one a state, found {len(values)}"
        findings.error("PT006", at, message)
        return None
    total = math.fsum(values.clip(max=2.0))
    if abs(total - 1.0) > SUM_TOLERANCE:
        message = f"start: the probabilities sum to {total:.6g}, not 1"
        findings.error("PT007", word.at, message)
        return None
    return values
