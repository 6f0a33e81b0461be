"""The shared conformance cases and problem files, where that folder exists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import SHARED, name_of

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.files import load, read_model
from pomdptool.model import Model

CASES_FILE = SHARED / "conformance" / "cases.json"
CASES: list[dict[str, Any]] = (
    json.loads(CASES_FILE.read_text(encoding="utf-8")) if CASES_FILE.exists() else []
)
BAD_PROBLEM = "ejs7.POMDP"
PROBLEMS = sorted((SHARED / "problems").glob("*"))


def read(case: dict[str, Any], mode: str) -> tuple[Model | None, tuple[Finding, ...]]:
    return read_model(case["text"], "case", kind="pomdp", strict=mode == "strict")


def verdict(model: Model | None, findings: tuple[Finding, ...]) -> str:
    levels = {finding.level for finding in findings}
    assert (model is None) == ("error" in levels)
    if model is None:
        return "reject"
    if not findings:
        return "accept"
    assert all(finding.code.startswith("PT1") for finding in findings)
    return "warn"


def cases(fact: str = "") -> pytest.MarkDecorator:
    """Parametrise over the cases, or over those with a fact."""
    chosen = [c for c in CASES if not fact or fact in c or fact in c.get("facts", {})]
    return pytest.mark.parametrize("case", chosen, ids=lambda c: c["name"])


def accepted(case: dict[str, Any]) -> list[Model]:
    """Models of the modes in which the case is read."""
    models = [read(case, mode)[0] for mode in ("strict", "lenient")]
    found = [model for model in models if model is not None]
    assert found
    return found


@cases()
@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_verdict(case: dict[str, Any], mode: str) -> None:
    model, findings = read(case, mode)
    assert verdict(model, findings) == case[mode], findings


@cases("error_line")
def test_error_line(case: dict[str, Any]) -> None:
    rejections = 0
    for mode in ("strict", "lenient"):
        model, findings = read(case, mode)
        if model is None:
            rejections += 1
            error = next(f for f in findings if f.level == "error")
            assert error.line == case["error_line"], findings
            assert str(FormatError(findings)).startswith(f"case:{error.line}:{error.column}: ")
    assert rejections


@cases("message_has")
def test_message_has(case: dict[str, Any]) -> None:
    _, findings = read(case, "lenient")
    assert any(case["facts"]["message_has"] in f.message for f in findings if f.level == "error")


@cases("T")
def test_transitions(case: dict[str, Any]) -> None:
    for m in accepted(case):
        for a, s, s2, p in case["facts"]["T"]:
            where = m.actions.index(a), m.states.index(s), m.states.index(s2)
            assert m.T[where] == pytest.approx(p, abs=1e-12)


@cases("Z")
def test_observations(case: dict[str, Any]) -> None:
    for m in accepted(case):
        for a, s2, o, p in case["facts"]["Z"]:
            where = m.actions.index(a), m.states.index(s2), m.observations.index(o)
            assert m.Z[where] == pytest.approx(p, abs=1e-12)


@cases("R")
def test_rewards(case: dict[str, Any]) -> None:
    for m in accepted(case):
        R = np.broadcast_to(m.R, (m.n_actions, m.n_states, m.n_states, m.n_observations))
        for a, s, s2, o, r in case["facts"]["R"]:
            state, state2 = m.states.index(s), m.states.index(s2)
            assert R[m.actions.index(a), state, state2, m.observations.index(o)] == r


@cases("R_mdp")
def test_mdp_rewards(case: dict[str, Any]) -> None:
    for m in accepted(case):
        assert m.mdp
        assert m.observations == m.states
        np.testing.assert_array_equal(m.Z, [np.eye(m.n_states)] * m.n_actions)
        R = np.broadcast_to(m.R, (m.n_actions, m.n_states, m.n_states, 1))
        for a, s, s2, r in case["facts"]["R_mdp"]:
            assert R[m.actions.index(a), m.states.index(s), m.states.index(s2), 0] == r


@cases("start")
def test_start(case: dict[str, Any]) -> None:
    for m in accepted(case):
        assert m.start.tolist() == case["facts"]["start"]


@cases("discount")
def test_discount(case: dict[str, Any]) -> None:
    for m in accepted(case):
        assert m.discount == case["facts"]["discount"]


@cases("n")
def test_sizes(case: dict[str, Any]) -> None:
    for m in accepted(case):
        assert [m.n_states, m.n_actions, m.n_observations] == case["facts"]["n"]


@cases("T_row_sums")
def test_row_sums(case: dict[str, Any]) -> None:
    for m in accepted(case):
        sums = m.T.sum(axis=2)
        np.testing.assert_allclose(sums, case["facts"]["T_row_sums"], rtol=0, atol=1e-15)
        assert m.renormalised["T"].rows > 0
        assert 0 < m.renormalised["T"].worst < 1e-5


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_every_fact_is_tested(case: dict[str, Any]) -> None:
    known = {"T", "Z", "R", "R_mdp", "start", "discount", "n", "T_row_sums", "message_has"}
    assert set(case.get("facts", {})) <= known
    assert set(case) <= {"name", "text", "strict", "lenient", "facts", "error_line"}


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
