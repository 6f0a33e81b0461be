"""Reading POMDPX: refused files with positions, samples, and commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pomdptool.formats.models import load, read_model
from pomdptool.formats.pomdpx import factors as pomdpx_factors
from pomdpx_texts import TIGER, changed, findings_of, read
from samples import ROOT, SHARED

SAMPLES = SHARED / "pomdpx"


needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no shared samples here")


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = TIGER.replace("UTF-8", encoding).replace("A tiger.", "Ünter.").replace("left", "línks")
    path = tmp_path / "f.pomdpx"
    path.write_bytes(text.encode(encoding))
    assert load(path).states == ("línks", "right")


HA = "".join(f"<!ENTITY l{k} '{f'&l{k - 1};' * 10}'>" for k in range(1, 10))


BOMB = f"<!DOCTYPE pomdpx [<!ENTITY l0 'ha'>{HA}]>"


# Old text, new text, code, text at the position of the error, and its message.
BAD: list[tuple[str, str, str, str, str]] = [
    ("<pomdpx", BOMB + "<pomdpx", "PT012", "[<!ENTITY l0", "a document type is refused"),
    ("<pomdpx", '<!DOCTYPE p SYSTEM "/etc/passwd"><pomdpx', "PT012", "><pomdpx", "document type"),
    ("A tiger.", "&xxe;", "PT001", "&xxe", "not XML: undefined entity"),
    (
        "</Discount>",
        "",
        "PT001",
        "<Variable>",
        "<Discount> must contain text only, found <Variable>",
    ),
    ("</pomdpx>\n", "", "PT001", "", "not XML: no element found"),
    ("0.95", "1.95", "PT005", "1.95", "the discount must lie"),
    ("0.95", "nan", "PT005", "nan", "the discount must lie"),
    ("<Discount>0.95</Discount>", "", "PT008", "<pomdpx", "<Discount> is missing"),
    ("<Descr", "<Discount>1</Discount><Descr", "PT003", "<Discount>0.95", "occurs twice"),
    ("<Discount>", "<Discnt/><Discount>", "PT001", "<Discnt", "did you mean 'Discount'?"),
    ("s>2<", "s>0<", "PT005", "0</Num", "a whole number from 1"),
    ("s>2<", "s>99999999<", "PT005", "99999999</Num", "a whole number from 1"),
    ("left right", "left left", "PT003", "left</Value", "'left' occurs twice"),
    ("left right", "left *", "PT003", "*</Value", "'*' cannot be the name of a value"),
    ("left right", " ", "PT006", "<ValueEnum> <", "expected 1 to"),
    ('vname="o"', 'vname="t"', "PT003", "<ObsVar", "the variable 't' occurs twice"),
    ('vname="o"', "", "PT008", "<ObsVar", "<ObsVar> needs vname"),
    ('"t"', '"t" fullyObs="yes"', "PT001", "<StateVar", "`true` or `false`"),
    ("<NumValues>2</NumValues>", "", "PT008", "<ObsVar", "<ValueEnum> or <NumValues>"),
    ("<Var>s</Var>", "<Var>t</Var>", "PT002", "t</Var>", "'t' is not the name of a variable"),
    ("<Var>s</Var>", "", "PT008", "<CondProb>", "<CondProb> must contain exactly one <Var>"),
    ("<Parent>a s<", "<Parent>a o<", "PT002", "o</Parent", "an allowed parent"),
    ("<Parent>a t<", "<Parent>t s<", "PT002", "s</Parent><Parameter>", "an allowed parent"),
    ("<Parent>a s<", "<Parent>a a<", "PT003", "a</Parent", "the parent 'a' occurs twice"),
    (
        "<Parameter>",
        '<Parameter type="DD">',
        "PT012",
        '<Parameter type="DD',
        "'DD' is not supported",
    ),
    ("<Entry><Instance>l", "<DAG/>", "PT001", "<DAG", "decision diagrams"),
    ("listen - -", "listen -", "PT006", "-</Instance><ProbTable>i", "3 values (a s t), found 2"),
    ("listen - -", "lisen - -", "PT002", "lisen", "did you mean 'listen'?"),
    ("open * -", "open\n * mid", "PT002", "mid", "'mid' is not the name of a value of 't'"),
    ("0.5 0.5", "0.5", "PT006", "0.5<", "expected 2 numbers, found 1"),
    ("0.5 0.5", "0.5 0.5 0", "PT006", "0</Prob", "expected 2 numbers, found 3"),
    ("0.5 0.5", "0.5 x", "PT001", "x</Prob", "found 'x'"),
    ("0.5 0.5", "0.5 1_0", "PT001", "1_0", "found '1_0'"),
    ("0.5 0.5", "0.5 nan", "PT001", "nan", "found 'nan'"),
    ("0.5 0.5", "-0.5 1.5", "PT005", "-0.5", "-0.5 is not a probability"),
    ("0.5 0.5", "identity", "PT012", "identity</ProbTable></Entry>\n</Par", "`identity`"),
    ("identity", "", "PT006", "<ProbTable><", "expected 4 numbers, found 0"),
    ("-100 10", "-100 1e999", "PT005", "1e999", "1e999 is not a finite number"),
    ("-100 10", "uniform", "PT012", "uniform</Value", "`uniform` is for probabilities"),
    ("0.5 0.5", "0.5 0.6", "PT007", "<Var>t", "t: the probabilities sum to 1.1, not 1 (action 'o"),
    ("0.15 0.85<", "0.15 0.75<", "PT007", "<Var>o", "probabilities given t 'right' sum to 0.9"),
    (">uniform", ">0.5 0.4", "PT007", "<Var>s", "s: the probabilities sum to 0.9"),
    ("<Entry><Instance>open", "<Entry/><Instance>", "PT001", "<Instance> *", "expected <Entry>"),
    ("<Variable>", "<Variable>text", "PT001", "text", "<Variable> must not contain text"),
]


@pytest.mark.parametrize("row", BAD, ids=[f"{row[4]} {row[3]}"[:45] for row in BAD])
def test_bad_files_are_refused_with_position(row: tuple[str, str, str, str, str]) -> None:
    old, new, code, place, says = row
    text = changed(old, new)
    at = text.index(place) if place else len(text)
    reported = findings_of(text)[0]
    line = text.count("\n", 0, at) + 1
    assert (reported.code, reported.line, reported.column) == (
        code,
        line,
        at - text.rfind("\n", 0, at),
    )
    assert says in reported.message


@pytest.mark.parametrize("action", ["ActionVar", "StateVar"])
def test_a_variable_of_each_kind_is_needed(action: str) -> None:
    at, end = TIGER.index(f"<{action}"), TIGER.index(f"</{action}>") + len(action) + 3
    assert [(f.code, f.line) for f in findings_of(TIGER[:at] + TIGER[end:])] == [("PT008", 5)]


def test_several_errors_are_reported() -> None:
    text = changed("listen - -", "lisen - -").replace("0.85 0.15", "0.85").replace("-100 10", "x")
    assert [(f.line, f.code) for f in findings_of(text)] == [
        *((15, "PT002"), (20, "PT006"), (24, "PT001")),
    ]


def test_a_variable_cannot_depend_on_itself() -> None:
    more = '<StateVar vnamePrev="x" vnameCurr="y"><ValueEnum>b c</ValueEnum></StateVar><ObsVar'
    prior = "<CondProb><Var>{}</Var><Parent>{}</Parent><Parameter><Entry><Instance>{} -</Instance>"
    prior += "<ProbTable>uniform</ProbTable></Entry></Parameter></CondProb></{}>"
    text = TIGER.replace("<ObsVar", more)
    text = text.replace("</InitialStateBelief>", prior.format("x", "s", "*", "InitialStateBelief"))
    section = "StateTransitionFunction"
    assert read(text.replace(f"</{section}>", prior.format("y", "t", "*", section))).n_states == 4
    circle = text.replace(f"</{section}>", prior.format("y", "t", "*", section))
    circle = circle.replace("<Parent>a s</Parent>", "<Parent>a y</Parent>", 1)
    circle = circle.replace("listen - -", "listen * -", 1).replace("identity", "uniform", 1)
    assert [f.code for f in findings_of(circle)] == ["PT009"]


def test_too_large_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(
        f'<StateVar vnamePrev="p{k}" vnameCurr="q{k}"><NumValues>2</NumValues></StateVar>'
        for k in range(29)
    )
    reported = findings_of(TIGER.replace("<ObsVar", many + "<ObsVar"))
    assert [f.code for f in reported] == ["PT010"]
    reported = findings_of(TIGER.replace("<ObsVar", many + many.replace('="', '="z') + "<ObsVar"))
    assert [f.code for f in reported] == ["PT010"]
    monkeypatch.setattr(pomdpx_factors, "MAX_ENTRIES", 3)
    assert [f.code for f in findings_of(TIGER)] == ["PT010"]


@needs_samples
@pytest.mark.filterwarnings("ignore:.*PT108")
@pytest.mark.parametrize("name", ["Tiger", "Hallway", "Hallway2"])
def test_sample_equals_its_flat_file(name: str) -> None:
    flat = ROOT / "problems" / "tiger.pomdp"
    if name != "Tiger":
        flat = SHARED / "problems" / f"{name.lower()}.POMDP"
    a, b = load(SAMPLES / f"{name}.pomdpx"), load(flat)
    assert a.sparse_T.equals(b.sparse_T)
    assert a.sparse_Z.equals(b.sparse_Z)
    assert_array_equal(a.expected_rewards, b.expected_rewards)
    assert_array_equal(a.start, b.start)
    assert a.discount == b.discount


@needs_samples
def test_rock_sample_is_the_flat_one_but_for_its_ends() -> None:
    m = load(SAMPLES / "RockSample_7_8.pomdpx")
    assert (m.n_states, m.n_actions, m.n_observations) == (50 * 256, 13, 99)
    assert len(m.terminal_states) == 256
    assert m.states[m.start.argmax()].startswith("s03_")
    assert np.unique(m.start[m.start > 0]).tolist() == [1 / 256]


@needs_samples
@pytest.mark.filterwarnings("ignore:.*PT110")
@pytest.mark.timeout(60)
def test_large_factored_file_is_read_sparse() -> None:
    m = load(SAMPLES / "RockSample_11_11.pomdpx")
    assert (m.n_states, m.n_actions, m.n_observations) == (122 * 2048, 16, 243)
    assert m.sparse_T.nonzeros == m.n_states * m.n_actions


@pytest.mark.parametrize("way", ["path", "pipe", "gzip", "told"])
def test_convert(way: str, tmp_path: Path) -> None:
    import gzip

    name = {"path": "t.pomdpx", "pipe": "-", "gzip": "t.pomdpx.gz", "told": "t.xml"}[way]
    if way != "pipe":
        data = TIGER.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if way == "gzip" else data)
    command = [sys.executable, "-m", "pomdptool", "convert", name, "--to", "json"]
    command += ["--from", "pomdpx"] if way == "told" else []
    done = subprocess.run(
        command, cwd=tmp_path, input=TIGER, capture_output=True, text=True, check=True
    )
    model, _ = read_model(done.stdout, "f", kind="json")
    assert model is not None
    assert model.equals(read(TIGER))


def test_pomdpx_is_not_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pomdptool", "convert", "-", "-o", "out.pomdpx"]
    done = subprocess.run(command, cwd=tmp_path, input=TIGER, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the extension must be .pomdp or .json" in done.stderr
    assert not list(tmp_path.iterdir())
