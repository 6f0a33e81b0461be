"""Reading .pomdp text: dialects, line ends, comments, bytes, and tests/bad."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
from pomdp_texts import (
    BASE,
    MDP,
    PREAMBLE,
    SET_R,
    TABLES,
    error_places,
    full_R,
    only_error,
    read,
)
from pomdptool.errors import FormatError, PomdpWarning
from pomdptool.formats.models import load, loads, read_model
from pomdptool.formats.text_input import read_stream
from samples import ROOT, file_text, programs, read_clean

DIALECTS = [
    ("PT101", BASE + "R: x : a : a : o .5\n", (11, 18)),
    ("PT101", BASE + "R: x : a : a\n1 -.5\n", (12, 3)),
    ("PT101", BASE.replace("0.9", ".9"), (1, 11)),
    ("PT102", "\ufeff" + BASE, (1, 1)),
    ("PT103", BASE.replace("discount: 0.9\n", ""), (1, 1)),
    ("PT104", BASE.replace("values: reward\n", ""), (1, 1)),
    ("PT105", BASE.replace("reward", "rewards"), (2, 9)),
    ("PT105", BASE.replace("reward", "costs"), (2, 9)),
    ("PT106", PREAMBLE + "start: 1\n" + TABLES + SET_R, (6, 8)),
    ("PT107", BASE + "R: x : a : a : o : 2\n", (11, 18)),
    ("PT107", BASE + "T: x : a : a : 0.5 # c\n", (11, 14)),
    ("PT107", BASE + "O: x : a : o\n: 0.5", (12, 1)),
    ("PT107", MDP + "T: * uniform R: * : * : * 1\nT: x : a : a : # c\n" + f"{1 / 3}", (6, 14)),
    ("PT108", BASE.replace("actions", "goals: 0 1\nactions"), (4, 1)),
    ("PT108", BASE.replace("actions", "goals: a b\nactions"), (4, 1)),
    ("PT109", PREAMBLE + TABLES, (1, 1)),
]


@pytest.mark.parametrize(("code", "text", "place"), DIALECTS)
def test_dialect_is_a_warning(code: str, text: str, place: tuple[int, int]) -> None:
    model, (finding,) = read(text)
    assert model is not None
    assert (finding.code, finding.level) == (code, "warning")
    assert (finding.line, finding.column) == place


@pytest.mark.parametrize(("code", "text", "place"), DIALECTS)
def test_dialect_is_an_error_when_strict(code: str, text: str, place: tuple[int, int]) -> None:
    model, (finding,) = read(text, strict=True)
    assert model is None
    assert (finding.code, finding.level) == (code, "error")
    assert (finding.line, finding.column) == place


def test_dialects_are_read_with_their_plain_meaning() -> None:
    text = BASE.replace("discount: 0.9\n", "").replace("reward", "costs")
    model, findings = read(text + "R: x : a : a : o : .5 R: x : a : a : p : .25")
    assert model is not None
    assert {f.code for f in findings} == {"PT101", "PT103", "PT105", "PT107"}
    assert (model.discount, model.costs) == (1.0, True)
    assert_array_equal(full_R(model)[0, 0, 0], [-0.5, -0.25])


def test_dialect_is_reported_once_with_its_count() -> None:
    _, findings = read(BASE + "R: x : a : a : o : 1\n" * 7)
    assert [f.code for f in findings] == ["PT107"]
    assert "7 times" in findings[0].message


def test_two_colons_before_a_number_are_an_error() -> None:
    assert error_places(BASE + "R: x : a : a : o :: 1\n") == [(11, 18, "PT001")]


def test_strict_reads_a_clean_file() -> None:
    assert read(BASE, strict=True)[1] == ()


def test_loads_warns_of_dialects_and_raises_on_errors() -> None:
    with pytest.warns(PomdpWarning, match=r"name:1:11: warning PT101"):
        loads(BASE.replace("0.9", ".9"), file="name")
    with pytest.raises(FormatError, match=r"^name:1:11: "):
        loads(BASE.replace("0.9", ".9"), file="name", strict=True)
    with pytest.raises(FormatError, match=r"^name:3:11: .* \(and 1 more\)$") as caught:
        loads(BASE.replace("a b", "a a").replace("o p", "o o"), file="name")
    assert (caught.value.file, caught.value.line, caught.value.column) == ("name", 3, 11)
    assert len(caught.value.findings) == 2


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", " ", "\t", "\n\n", " \r\n\t", "\f", "\v", " # c\n", "#:\r"]
)
def test_line_ends_are_space(end: str) -> None:
    expected = read_clean(BASE + "R: x : a : b 1 2\n")
    assert read_clean((BASE + "R: x : a : b 1 2\n").replace("\n", end)).equals(expected)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_positions_do_not_depend_on_line_ends(end: str) -> None:
    text = BASE.replace("\n", end) + f"R: x : a : b : o 1{end}R: x : q : b : o 1"
    assert error_places(text) == [(12, 8, "PT002")]


def test_comments_between_all_tokens() -> None:
    text = (BASE + "R: x : a : b 1 2\nT: x : a : a 0.5\n").replace(" ", " # it's T: 0 : 1\n")
    assert read_clean(text).equals(read_clean(BASE + "R: x : a : b 1 2"))


def test_comment_at_the_end_without_newline() -> None:
    assert read_clean(BASE + "R: x : a : b : o 1 # R: y : a : b : o 5").R.max() == 1


def test_latin1_bytes_in_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "m.pomdp"
    path.write_bytes(b"# caf\xe9\n" + BASE.encode())
    assert load(path).name == "m"
    path.write_bytes(BASE.encode() + b"R: x : caf\xe9 : a : o 1")
    with pytest.raises(FormatError) as caught:
        load(path)
    assert (caught.value.line, caught.value.column) == (11, 11)
    str(caught.value).encode()


def test_zero_byte_is_refused() -> None:
    assert error_places(BASE + "R: x\0") == [(11, 5, "PT011")]


@pytest.mark.parametrize(
    "text", ["", " \n\t\r\n", "# only a comment", "# one\n# two\n", "\ufeff# one\n"]
)
def test_empty_file(text: str) -> None:
    error = only_error(text)
    assert (error.line, error.code) == (1, "PT011")
    assert "empty" in error.message


def test_broken_compression() -> None:
    with pytest.raises(FormatError, match="compression"):
        read_stream(io.BytesIO(b"\x1f\x8bnot gzip"), "f")
    with pytest.raises(FormatError, match="compression"):
        read_stream(io.BytesIO(BASE.encode()), "f.gz")


@given(
    programs(),
    st.booleans(),
    st.lists(st.sampled_from(["\n", " ", " # T: x\n", "\r\n"]), min_size=1),
)
def test_statements_agree_with_the_oracle(
    program: tuple[naive.Sizes, list[float], list[naive.Assignment]],
    indices: bool,
    between: Sequence[str],
) -> None:
    sizes, start, statements = program
    model = read_clean(file_text(*program, indices=indices, between=between))
    dense = naive.tables(sizes, start, statements)
    assert_allclose(model.T, dense["T"], rtol=0, atol=1e-15)
    if sizes.observations:
        assert_allclose(model.Z, dense["O"], rtol=0, atol=1e-15)
        assert_array_equal(full_R(model), dense["R"])
    else:
        assert_array_equal(model.R[..., 0], dense["R"])


BAD = sorted((ROOT / "tests" / "bad").glob("*.pomdp"))


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_file(path: Path) -> None:
    """The first line is the first error, `# line:column: ...`; column `*` is any."""
    text = path.read_text(encoding="utf-8")
    expected = text.splitlines()[0].removeprefix("# ")
    model, findings = read_model(text, path.name, kind="pomdp")
    assert model is None
    first = next(f for f in findings if f.level == "error")
    if ":*:" in expected:
        expected = expected.replace(":*:", f":{first.column}:", 1)
    assert str(first) == f"{path.name}:{expected}"


def test_there_are_bad_files() -> None:
    assert len(BAD) >= 20
