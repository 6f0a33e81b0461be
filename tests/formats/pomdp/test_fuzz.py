"""Whatever the text, the reader returns a model or findings, each at a place of the text.

Statements that are nearly right, real files mutated, cut and spliced, and JSON documents with a
part replaced. What is read, is written and read again, equal.
"""

from __future__ import annotations

import copy
import functools
import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pomdptool.errors import FormatError
from pomdptool.formats.models import Kind, encode_model, read_model
from pomdptool.formats.pomdp.names import valid_names
from pomdptool.model import Model
from samples import problem_files

QUICK = settings(max_examples=150, deadline=5000)
THOROUGH = settings(
    max_examples=10_000, deadline=5000, suppress_health_check=[HealthCheck.too_slow]
)


def check(text: str, kind: Kind) -> None:
    """Read a text, leniently and strictly; check invariants."""
    for strict in (False, True):
        model, findings = read_model(text, "fuzz", kind=kind, strict=strict)
        errors = [f for f in findings if f.level == "error"]
        assert (model is None) == bool(errors)
        assert len(errors) <= 100
        places = [(f.line, f.column) for f in findings]
        assert places == sorted(places)
        lines = (text if kind == "json" else unix(text)).split("\n")
        for finding in findings:
            assert 1 <= finding.line <= len(lines), finding
            assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1, finding
            assert finding.message
            assert "\n" not in finding.message
            str(finding).encode()
        if model is None:
            assert str(FormatError(findings)).startswith("fuzz:")
        else:
            check_model(model)


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_model(model: Model) -> None:
    for table in (model.sparse_T, model.sparse_Z):
        assert_allclose(table.row_sums(), 1, rtol=0, atol=1e-12)
        assert (table.data > 0).all()
    model, _ = valid_names(model)
    for kind in ("pomdp", "json"):
        text, _ = encode_model(model, kind)
        again, findings = read_model(text, "written", kind=kind, strict=True)
        assert again is not None, findings
        assert again.equals(model)


# ---------------------------------------------------------------- statements, nearly right

NAMES = [
    "a",
    "b",
    "x",
    "y",
    "o",
    "p",
    "0",
    "1",
    "2",
    "00",
    "*",
    "*",
    "T",
    "reset",
    "a-",
    "_",
    "99999999999",
    "é",
]
NUMBERS = ["0", "1", "0.5", "0.5", "1.", ".5", "-1", "- 1", "+3", "1e5", "1e-5", "1e400", "5e-324"]
NUMBERS += ["nan", "inf", "1.2.3", "1e", "--1", "1-2", "0x1", "0.500009", "1e308", "", "٣", "1_0"]
SPACES = [" ", " ", " ", " ", "", "\n", "\t", "\r\n", "\r", "\f", " # c\n", "# T: x\n", "\x0b"]
WORDS = ["uniform", "identity", "reset", "include", "exclude", "reward", "cost", "rewards", "costs"]
WORDS += [
    ":",
    "::",
    "T:",
    "O:",
    "R:",
    "T",
    "start:",
    "states:",
    "goals:",
    "discount:",
    "#",
    "\0",
    "\ufeff",
]
HEADS = ["discount", "values", "states", "actions", "observations", "start", "start include"]
HEADS += ["start exclude", "goals"]
BASE = "discount: 0.9\nvalues: reward\nstates: a b\nactions: x y\nobservations: o p\n"
BASE += "T: * uniform\nO: * uniform\n"


def space(rng: random.Random) -> str:
    return rng.choice(SPACES)


def entry(rng: random.Random) -> str:
    """Make a statement of T, O or R."""
    table = rng.choice("TOR")
    refs = "".join(
        f"{space(rng)}:{space(rng)}{rng.choice(NAMES[:12] if rng.random() < 0.95 else NAMES)}"
        for _ in range(rng.choice([1, 2, 3, 3, 4, 4, 5]))
    )
    numbers = NUMBERS[:4] if rng.random() < 0.8 else NUMBERS
    values = [rng.choice(numbers) for _ in range(rng.choice([1, 1, 1, 2, 2, 4, 4, 3, 0]))]
    if rng.random() < 0.2:
        values = [rng.choice(WORDS)]
    return f"{table}{refs}{space(rng)} " + "".join(value + space(rng) + " " for value in values)


def head(rng: random.Random) -> str:
    """Make a statement of the preamble."""
    items = [rng.choice([*NAMES, *NUMBERS, *WORDS]) for _ in range(rng.choice([1, 1, 2, 2, 3, 0]))]
    return f"{rng.choice(HEADS)}{space(rng)}:{space(rng)} {space(rng).join(items)} "


def statements(rng: random.Random) -> str:
    """Make a text of statements that are nearly right."""
    text = BASE if rng.random() < 0.9 else ""
    if rng.random() < 0.3:
        text = text.replace("observations: o p\n", "").replace("O: * uniform\n", "")
    for _ in range(rng.randrange(6)):
        text += entry(rng) if rng.random() < 0.9 else head(rng)
        text += rng.choice(["\n", "\n", " ", "\r", ""])
    if rng.random() < 0.1:
        at = rng.randrange(len(text) + 1)
        text = head(rng) + text[at:] if rng.random() < 0.5 else text[:at] + head(rng) + text[at:]
    return text


# ---------------------------------------------------------------- real files, mutated


@functools.cache
def seeds() -> list[str]:
    """Real files; of large ones the beginning."""
    return [p.read_text(encoding="utf-8", errors="replace")[:6000] for p in problem_files()]


def cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def without_some(text: str, rng: random.Random) -> str:
    begin, end = span(text, rng)
    return text[:begin] + text[end:]


def twice(text: str, rng: random.Random) -> str:
    begin, end = span(text, rng)
    return text[:end] + text[begin:]


def moved(text: str, rng: random.Random) -> str:
    begin, end = span(text, rng)
    part, rest = text[begin:end], text[:begin] + text[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + part + rest[at:]


def with_token(text: str, rng: random.Random) -> str:
    begin, end = span(text, rng, most=6)
    end = begin if rng.random() < 0.5 else end
    token = rng.choice(
        [*NAMES, *NUMBERS, *SPACES, *WORDS, chr(rng.randrange(0x20, 0x250)), "\ud800"]
    )
    return text[:begin] + token + text[end:]


def token_swapped(text: str, rng: random.Random) -> str:
    tokens = text.split(" ")
    i, j = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    tokens[i], tokens[j] = tokens[j], tokens[i]
    return " ".join(tokens)


def spliced(text: str, rng: random.Random) -> str:
    other = rng.choice(seeds())
    return cut(text, rng) + other[rng.randrange(len(other)) :]


def span(text: str, rng: random.Random, most: int = 200) -> tuple[int, int]:
    begin = rng.randrange(len(text) + 1)
    return begin, min(begin + rng.randrange(1, most), len(text))


MUTATIONS: list[Callable[[str, random.Random], str]] = [
    *(cut, without_some, twice, moved, spliced),
    *(with_token, with_token, with_token, token_swapped, token_swapped),
]


def mutated_file(rng: random.Random) -> str:
    text = rng.choice(seeds())
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        text = rng.choice(MUTATIONS)(text, rng)
    return text


# ---------------------------------------------------------------- JSON, mutated


@functools.cache
def documents() -> list[str]:
    texts = []
    for text in seeds():
        model, _ = read_model(text, "seed", kind="pomdp")
        if model is not None and model.n_states < 30:
            texts.append(encode_model(model, "json")[0])
    return texts


JUNK: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    2,
    0.5,
    1e308,
    10**30,
    "",
    "a",
    [],
    [[]],
    {},
    [0, 0],
    [[0, 0, 0, 1]],
]


def mutated_document(rng: random.Random) -> str:
    text = rng.choice(documents())
    if rng.random() < 0.2:
        return rng.choice(MUTATIONS)(text, rng)
    document = json.loads(text)
    for _ in range(rng.choice([1, 1, 2, 3])):
        mutate(document, rng)
    return json.dumps(document)


def mutate(node: Any, rng: random.Random) -> None:
    """Change one part, somewhere within a list or an object."""
    if not node:
        return
    key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.75:
        mutate(node[key], rng)
    elif isinstance(node, list) and rng.random() < 0.3:
        node.insert(key, copy.deepcopy(node[rng.randrange(len(node))]))
    elif rng.random() < 0.2:
        del node[key]
    else:
        node[key] = copy.deepcopy(rng.choice(JUNK))


# ---------------------------------------------------------------- the tests

CASES: list[tuple[Callable[[random.Random], str], Kind]] = [
    (statements, "pomdp"),
    (mutated_file, "pomdp"),
    (mutated_document, "json"),
]
each_case = pytest.mark.parametrize(("make", "kind"), CASES)
randoms = st.integers(0, 2**64 - 1).map(random.Random)


@each_case
@QUICK
@given(rng=randoms)
def test_fuzz(make: Callable[[random.Random], str], kind: Kind, rng: random.Random) -> None:
    check(make(rng), kind)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@each_case
@THOROUGH
@given(rng=randoms)
def test_fuzz_long(make: Callable[[random.Random], str], kind: Kind, rng: random.Random) -> None:
    check(make(rng), kind)


@QUICK
@given(st.text(max_size=60) | st.text("TOR:* \n\r#xab01.5e-+", max_size=120))
def test_any_text(text: str) -> None:
    check(text, "pomdp")
    check(BASE + "R: * : * : * : * 1\n" + text, "pomdp")
    check(text, "json")


def one_by_one(text: str) -> str:
    """Put a comment before every colon, so that no entries are read in bulk."""
    return re.sub(r"#[^\n]*|:", lambda m: m[0] if m[0] != ":" else "#\n:", unix(text))


@pytest.mark.parametrize("make", [statements, mutated_file])
@QUICK
@given(rng=randoms)
def test_bulk_entries_equal_single_statements(
    make: Callable[[random.Random], str], rng: random.Random
) -> None:
    text = make(rng)
    (model, findings), (single, single_findings) = (
        read_model(t, "fuzz", kind="pomdp") for t in (text, one_by_one(text))
    )
    if model is None or single is None:
        assert model is single, (findings, single_findings)
    else:
        assert model.equals(single)
        assert {f.code for f in findings} == {f.code for f in single_findings}


@pytest.mark.parametrize(
    "text", ["T", "T:", "#", ":", "\n", "\r", "\0", "\ufeff", "{", "*", "-", "."]
)
def test_one_token(text: str) -> None:
    check(text, "pomdp")
    check(text, "json")
    check(BASE + text, "pomdp")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["T ", "start: ", "R: x : ", "T: x : a 0.5 ", "states: a ", "goals ", "- "]
)
@pytest.mark.parametrize(
    "filler", ["#" * 5000, "# " * 5000, "#\n" * 5000, " \n" * 5000, "- " * 5000]
)
def test_reading_time_does_not_explode(text: str, filler: str) -> None:
    check(BASE + text + filler + "?", "pomdp")


@each_case
def test_generator_makes_good_and_bad_texts(
    make: Callable[[random.Random], str], kind: Kind
) -> None:
    rng = random.Random(5)
    read = [read_model(make(rng), "f", kind=kind)[0] is not None for _ in range(400)]
    assert min(read.count(True), read.count(False)) >= 10
