"""Conformance cases: reading them, and checking one. Their form: tests/conformance/README.md."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pomdptool.errors import Finding
from pomdptool.formats.models import Kind, read_model
from pomdptool.model import Model

Mode = Literal["lenient", "strict"]
MODES: tuple[Mode, ...] = ("lenient", "strict")

LEVELS: dict[str, dict[Mode, str]] = {
    "!": {"lenient": "error", "strict": "error"},
    "?": {"lenient": "warning", "strict": "error"},
    "~": {"lenient": "warning", "strict": "warning"},
}
_MARK = re.compile(r"(?:#|<!--)([!?~]) (PT[0-9]{3})\b")
_KEYS = {"name", "text", "each", "facts", "message", "kind", "file"}


@dataclass(frozen=True)
class Case:
    """One text, with what must be reported about it (its marks) and what must hold of the model."""

    name: str
    rule: str
    text: str
    kind: Kind | None = "pomdp"
    file: str = "case"
    facts: tuple[str, ...] = ()
    message: tuple[str, ...] = ()

    def read(self, mode: Mode) -> tuple[Model | None, tuple[Finding, ...]]:
        """Read the text as it is asked for, or as its beginning and the file's name show."""
        return read_model(self.text, self.file, kind=self.kind, strict=mode == "strict")

    @property
    def lines(self) -> list[str]:
        """The text, cut where the format ends a line."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @property
    def marks(self) -> list[tuple[int, str, str]]:
        """Line, sign and code of every mark."""
        return [
            (number, mark[1], mark[2])
            for number, line in enumerate(self.lines, 1)
            for mark in _MARK.finditer(line)
        ]

    def explain(self, problem: str) -> str:
        """What a failing case prints: the rule, the text with line numbers, and what is wrong."""
        text = "\n".join(f"{number:3} | {line}" for number, line in enumerate(self.lines, 1))
        return f"{self.name}\n  rule: {self.rule}\n{text}\n{problem}"


def load_cases(path: Path) -> list[Case]:
    """Cases of a file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = document.get("parts", {})
    cases = []
    for rule in document["rule"]:
        for entry in rule["case"]:
            assert set(entry) <= _KEYS, f"{path.name}: {entry['name']}: keys are {sorted(_KEYS)}"
            cases += list(_cases_of(entry, rule["says"], path.stem, parts))
    return cases


def _cases_of(entry: dict[str, Any], rule: str, stem: str, parts: dict[str, str]) -> Iterator[Case]:
    text: str = entry["text"]
    for part, replacement in parts.items():
        text = text.replace(f"{{{part}}}\n", replacement)
    for each in entry.get("each", [""]):
        facts, message = (
            tuple(line.replace("{each}", each) for line in entry.get(key, []))
            for key in ("facts", "message")
        )
        name = f"{stem}: {entry['name']}" + (f" [{each!r}]" if each else "")
        file = entry.get("file", "case")
        kind = entry.get("kind", None if "file" in entry else "pomdp")
        yield Case(name, rule, text.replace("{each}", each), kind, file, facts, message)


# ---------------------------------------------------------------- checks


def check_findings(case: Case, mode: Mode) -> None:
    """Compare what is reported with the marks: lines, codes and levels."""
    __tracebackhide__ = True
    model, findings = case.read(mode)
    expected = sorted((line, code, LEVELS[sign][mode]) for line, sign, code in case.marks)
    actual = sorted((f.line, f.code, f.level) for f in findings)
    problem = f"{mode}: expected {_reports(expected)}, found {_reports(actual)}" + "".join(
        f"\n  {finding}" for finding in findings
    )
    assert actual == expected, case.explain(problem)
    read = all(level == "warning" for _, _, level in expected)
    assert (model is not None) == read, case.explain(f"{mode}: the model is {model}")
    messages = "\n".join(finding.message for finding in findings)
    for words in case.message if findings else ():
        assert words in messages, case.explain(f"{mode}: no message has {words!r}:\n{messages}")


def _reports(reports: Sequence[tuple[int, str, str]]) -> str:
    return ", ".join(f"{level} {code} in line {line}" for line, code, level in reports) or "nothing"


def check_facts(case: Case) -> None:
    """Check every fact of the models of the modes that read the case."""
    __tracebackhide__ = True
    models = {mode: case.read(mode)[0] for mode in MODES}
    read = {mode: model for mode, model in models.items() if model is not None}
    assert read or not case.facts, case.explain("facts of a text that is never read")
    for mode, model in read.items():
        for fact in case.facts:
            left, _, right = fact.partition("=")
            problem = _problem(model, left.split(), right.split())
            assert not problem, case.explain(f"{mode}: expected {fact}\n{problem}")


def _problem(model: Model, key: list[str], values: list[str]) -> str:
    """Say what holds of the model instead of a fact; nothing where the fact holds."""
    if key[0] in ("T", "O", "R"):
        return _table_problem(model, key[0], key[1:], values)
    actual = _property(model, key)
    if isinstance(actual, np.ndarray):
        wanted = np.array(_numbers(values))
        same = actual.shape == wanted.shape and np.allclose(actual, wanted, rtol=0, atol=1e-12)
        return "" if same else f"found {' '.join(map(repr, actual.tolist()))}"
    return "" if list(actual) == values else f"found {' '.join(actual)}"


def _property(model: Model, key: list[str]) -> np.ndarray | Sequence[str]:
    names = np.array(model.states)
    sizes = (model.n_states, model.n_actions, model.n_observations)
    match key:
        case ["states" | "actions" | "observations"]:
            return tuple(getattr(model, key[0]))
        case ["sizes"]:
            return [str(n) for n in sizes]
        case ["values"]:
            return ["cost" if model.costs else "reward"]
        case ["form"]:
            return ["MDP" if model.mdp else "POMDP"]
        case ["terminal"]:
            return [str(name) for name in names[model.terminal_states]]
        case ["discount"]:
            return np.array([model.discount])
        case ["start"]:
            return model.start
        case ["sums", table]:
            rows = {"T": model.sparse_T, "O": model.sparse_Z}[table].row_sums()
            return np.unique(np.round(rows, 13))
        case ["renormalised", table]:
            return np.array([model.renormalised[table].worst])
    raise AssertionError(f"no fact has the key {' '.join(key)!r}")


def _table_problem(model: Model, table: str, where: list[str], values: list[str]) -> str:
    states, actions, observations = model.states, model.actions, model.observations
    axes = {"T": (actions, states, states), "O": (actions, states, observations)}
    axes["R"] = (actions, states, states, *(() if model.mdp else (observations,)))
    dense = {"T": model.T, "O": model.Z, "R": _rewards(model)}[table]
    wanted = np.array(_numbers(values))
    choices = [
        range(len(names)) if name == "*" else [names.index(name)]
        for names, name in zip(axes[table], where, strict=False)
    ]
    for at in itertools.product(*choices):
        actual = np.ravel(dense[at])
        same = len(wanted) in (1, len(actual)) and np.allclose(
            actual, wanted, rtol=0, atol=0 if table == "R" else 1e-12
        )
        if not same:
            place = " ".join(names[k] for names, k in zip(axes[table], at, strict=False))
            return f"found    {table} {place} = {' '.join(map(repr, actual.tolist()))}"
    return ""


def _rewards(model: Model) -> np.ndarray:
    if model.mdp:
        return model.R[..., 0]
    return model.R


def _numbers(values: Sequence[str]) -> list[float]:
    """Numbers, of which each may be a fraction of two."""
    parts = [value.partition("/") for value in values]
    return [float(Fraction(upper) / Fraction(lower or 1)) for upper, _, lower in parts]
