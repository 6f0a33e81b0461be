"""Conformance: our cases, always; the shared cases and problem files, where that folder exists."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance_cases import MODES, Case, Mode, check_facts, check_findings, load_cases
from pomdptool.errors import FormatError
from pomdptool.formats import findings as findings_module
from pomdptool.formats.models import load
from samples import ROOT, SHARED, name_of

CASES = [case for path in sorted((ROOT / "tests/conformance").glob("*.toml"))
         for case in load_cases(path)]  # fmt: skip
case_and_mode = [pytest.param(c, m, id=f"{c.name} - {m}") for c in CASES for m in MODES]


@pytest.mark.parametrize(("case", "mode"), case_and_mode)
def test_findings(case: Case, mode: Mode) -> None:
    check_findings(case, mode)


@pytest.mark.parametrize("case", [c for c in CASES if c.facts], ids=lambda c: c.name)
def test_facts(case: Case) -> None:
    check_facts(case)


def test_cases_have_names_of_their_own_and_something_to_check() -> None:
    assert len(CASES) >= 120
    assert [name for name, n in Counter(case.name for case in CASES).items() if n > 1] == []
    assert [case.name for case in CASES if not case.marks and not case.facts] == []


# ---------------------------------------------------------------- codes


def codes_of_the_source() -> set[str]:
    return {
        code
        for path in (ROOT / "pomdptool").rglob("*.py")
        for code in re.findall(r'"(PT[0-9]{3})"', path.read_text(encoding="utf-8"))
    }


def test_every_code_is_listed() -> None:
    listed = re.findall(r"^\| (PT[0-9]{3}) \|", findings_module.__doc__ or "", re.MULTILINE)
    assert sorted(codes_of_the_source()) == listed


def test_every_code_has_a_case() -> None:
    cases = {code for case in CASES for _, _, code in case.marks}
    for path in (ROOT / "tests/bad").glob("*.pomdp"):
        cases |= set(re.findall("PT[0-9]{3}", path.read_text(encoding="utf-8").split("\n")[0]))
    assert codes_of_the_source() - cases == set()


# ---------------------------------------------------------------- messages of failing cases

SMALL = Case(
    "tokens: a case",
    "Names are case-sensitive.",
    "discount: 0.5 values: reward states: dry wet actions: go\nT: go identity\n"
    "R: go : dry : * 1\nR: go : Wet : * 2    #! PT002\n",
)
RIGHT = replace(SMALL, text=SMALL.text.replace("Wet : * 2    #! PT002", "wet : * 2"))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (replace(SMALL, text=SMALL.text.replace("#!", "#")), "expected nothing, found error PT002"),
        (
            replace(SMALL, text=SMALL.text.replace("PT002", "PT005")),
            "lenient: expected error PT005 in line 4, found error PT002 in line 4",
        ),
        (replace(SMALL, text=SMALL.text.replace("Wet", "wet")), "found nothing"),
        (replace(SMALL, text=SMALL.text.replace("#!", "#?")), "expected warning PT002 in line 4"),
        (replace(SMALL, message=("'damp'",)), "no message has \"'damp'\""),
    ],
)
def test_failing_case_shows_rule_text_and_findings(case: Case, expected: str) -> None:
    check_findings(SMALL, "lenient")
    with pytest.raises(AssertionError) as caught:
        check_findings(case, "lenient")
    shown = str(caught.value)
    assert shown.startswith("tokens: a case\n  rule: Names are case-sensitive.\n  1 | discount")
    assert "\n  4 | R: go : " in shown
    assert expected in shown


@pytest.mark.parametrize(
    ("fact", "found"),
    [
        ("T go dry = 0.5 0.5", "found    T go dry = 1.0 0.0"),
        ("T go = 1 0", "found    T go = 1.0 0.0 0.0 1.0"),
        ("O go wet dry = 1", "found    O go wet dry = 0.0"),
        ("R go * = 1", "found    R go wet = 2.0 2.0"),
        ("R go dry dry = 1.0000000001", "found    R go dry dry = 1.0"),
        ("start = 0 1", "found 0.5 0.5"),
        ("start = 1/2", "found 0.5 0.5"),
        ("discount = 0.6", "found 0.5"),
        ("states = wet dry", "found dry wet"),
        ("sizes = 2 1 1", "found 2 1 2"),
        ("values = cost", "found reward"),
        ("form = POMDP", "found MDP"),
        ("terminal = dry", "found "),
        ("sums T = 2", "found 1.0"),
        ("renormalised T = 1e-6", "found 0.0"),
    ],
)
def test_failing_fact_shows_the_actual_value(fact: str, found: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_facts(replace(RIGHT, facts=("discount = 0.5", fact)))
    assert f"lenient: expected {fact}\n{found}" in str(caught.value)


def test_facts_need_a_model_and_a_known_key() -> None:
    with pytest.raises(AssertionError, match="facts of a text that is never read"):
        check_facts(replace(SMALL, facts=("discount = 0.5",)))
    with pytest.raises(AssertionError, match="no fact has the key 'colour'"):
        check_facts(replace(RIGHT, facts=("colour = blue",)))


# ---------------------------------------------------------------- the shared cases

CASES_FILE = SHARED / "conformance" / "cases.json"
SHARED_CASES: list[dict[str, Any]] = (
    json.loads(CASES_FILE.read_text(encoding="utf-8")) if CASES_FILE.exists() else []
)
BAD_PROBLEM = "ejs7.POMDP"
PROBLEMS = sorted((SHARED / "problems").glob("*"))


def shared_case(case: dict[str, Any]) -> Case:
    facts = tuple(shared_facts(case.get("facts", {})))
    return Case(case["name"], "a shared case", case["text"], facts=facts)


def shared_facts(facts: dict[str, Any]) -> Iterator[str]:
    tables = {"T": "T", "Z": "O", "R": "R", "R_mdp": "R"}
    for key, value in facts.items():
        match key:
            case "T" | "Z" | "R" | "R_mdp":
                for *where, number in value:
                    yield f"{tables[key]} {' '.join(where)} = {number}"
            case "start":
                yield f"start = {' '.join(map(str, value))}"
            case "n":
                yield f"sizes = {' '.join(map(str, value))}"
            case "T_row_sums":
                yield f"sums T = {value}"
            case "discount":
                yield f"discount = {value}"
            case _:
                assert key == "message_has", f"a fact that is not known: {key}"


@pytest.mark.parametrize("case", SHARED_CASES, ids=lambda c: c["name"])
@pytest.mark.parametrize("mode", MODES)
def test_shared_findings(case: dict[str, Any], mode: Mode) -> None:
    assert set(case) <= {"name", "text", "strict", "lenient", "facts", "error_line"}
    model, findings = shared_case(case).read(mode)
    errors = [finding for finding in findings if finding.level == "error"]
    assert (model is None) == bool(errors)
    verdict = "reject" if errors else "warn" if findings else "accept"
    assert verdict == case[mode], findings
    if errors and "error_line" in case:
        assert errors[0].line == case["error_line"], findings
    if errors and mode == "lenient":
        words = case.get("facts", {}).get("message_has", "")
        assert any(words in finding.message for finding in errors), findings


@pytest.mark.parametrize("case", SHARED_CASES, ids=lambda c: c["name"])
def test_shared_facts(case: dict[str, Any]) -> None:
    check_facts(shared_case(case))


@pytest.mark.filterwarnings("ignore::pomdptool.errors.PomdpWarning")
@pytest.mark.parametrize("path", [p for p in PROBLEMS if p.name != BAD_PROBLEM], ids=name_of)
def test_shared_problem_is_read(path: Path) -> None:
    model = load(path)
    np.testing.assert_allclose(model.sparse_T.row_sums(), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.sparse_Z.row_sums(), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", [p for p in PROBLEMS if p.name == BAD_PROBLEM], ids=name_of)
def test_bad_shared_problem_names_its_row(path: Path) -> None:
    with pytest.raises(FormatError, match=r"sums to 1\.1") as caught:
        load(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (caught.value.line, caught.value.column) == (lines.index("0.4 0.7") + 1, 1)
