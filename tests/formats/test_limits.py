"""Sizes that a file declares are checked before anything is made, whatever the format.

Each input is small and declares, or writes out, something huge: it is refused at its place, and
the memory that reading takes stays near the size of the text."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pomdptool import sparse
from pomdptool.errors import FormatError, ModelError
from pomdptool.families.maze import maze
from pomdptool.families.rocksample import rocksample
from pomdptool.families.tag import tag
from pomdptool.formats.models import read_model
from pomdptool.formats.policy.appl import read_appl
from pomdptool.formats.pomdp import preamble
from pomdptool.formats.pomdpx import entries as pomdpx_entries
from pomdptool.formats.pomdpx import product as pomdpx_product
from pomdptool.formats.pomdpx import tables as pomdpx_tables
from pomdptool.model import Model
from pomdptool.sparse import SparseRows, from_dense, repeated, stacked

MOST = 1 << 22
"""Bytes that refusing a small file may take; naming a million values takes sixteen times that."""


def state(k: int, n: int, more: str = "") -> str:
    return (
        f'<StateVar vnamePrev="p{k}" vnameCurr="q{k}"{more}><NumValues>{n}</NumValues></StateVar>\n'
    )


def entry(instance: str, numbers: str) -> str:
    return f"<Entry><Instance>{instance}</Instance><ProbTable>{numbers}</ProbTable></Entry>"


def table(child: str, parents: str, *entries: str) -> str:
    parameter = f"<Parameter>{''.join(entries)}</Parameter>"
    return f"<CondProb><Var>{child}</Var><Parent>{parents}</Parent>{parameter}</CondProb>\n"


def pomdpx(
    states: str,
    actions: int = 2,
    observations: int = 2,
    *,
    start: str = "",
    T: str = "",
    Z: str = "",
) -> str:
    """A file without rewards; its variables begin on line 2, a tag a line."""
    variables = (
        f'{states}<ActionVar vname="a"><NumValues>{actions}</NumValues></ActionVar>\n'
        f'<ObsVar vname="o"><NumValues>{observations}</NumValues></ObsVar>\n'
    )
    return (
        f"<pomdpx><Discount>0.9</Discount><Variable>\n{variables}</Variable>\n"
        f"<InitialStateBelief>{start}</InitialStateBelief>\n"
        f"<StateTransitionFunction>{T}</StateTransitionFunction>\n"
        f"<ObsFunction>{Z}</ObsFunction></pomdpx>"
    )


def uniform(child: str) -> str:
    return table(child, "null", entry("-", "uniform"))


def measured(make: Callable[[], object]) -> int:
    """Most bytes that are held at once in a call."""
    tracemalloc.start()
    try:
        make()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(text: str, file: str) -> str:
    """Place, code and message of the first error of a text that is refused cheaply."""
    read_model(text, file)  # imports aside
    findings: list[str] = []

    def read() -> None:
        model, reported = read_model(text, file)
        assert model is None
        findings.extend(f"{f.place} {f.code} {f.message}" for f in reported)

    assert measured(read) < MOST + 40 * len(text)
    return findings[0]


MILLION = 1_000_000


TOO_LARGE: dict[str, tuple[str, str]] = {
    "40 of a million": (
        pomdpx("".join(state(k, MILLION) for k in range(40))),
        "f.pomdpx:3:1 PT010 1000000000000 states",
    ),
    "8 of 2^22": (
        pomdpx("".join(state(k, 1 << 22) for k in range(8))),
        "f.pomdpx:3:1 PT010 17592186044416 states",
    ),
    "1000 of 4 million": (
        pomdpx("".join(state(k, 4 * MILLION) for k in range(1000))),
        "f.pomdpx:3:1 PT010 16000000000000 states",
    ),
    "1000 variables": (
        pomdpx("".join(state(k, 1) for k in range(1000))),
        "f.pomdpx:32:1 PT010 more than 60 variables",
    ),
    "actions": (
        pomdpx(state(0, 1 << 22), actions=5),
        "f.pomdpx:3:1 PT010 5 actions x 4194304 states are more than 16777216",
    ),
    "observations": (
        pomdpx(state(0, MILLION, ' fullyObs="true"'), observations=5),
        "f.pomdpx:4:1 PT010 5000000 observations",
    ),
    "document type": (
        "<!DOCTYPE pomdpx [<!ENTITY a 'ha'>"
        + "".join(f"<!ENTITY {x} '{f'&{y};' * 10}'>" for y, x in itertools.pairwise("abcdefghijkl"))
        + "]><pomdpx><Description>&l;</Description></pomdpx>",
        "f.pomdpx:1:18 PT012 a document type",
    ),
    "deep": ("<pomdpx>" * 20_000, "f.pomdpx:1:9 PT001 expected <Description>"),
    ".pomdp count": (
        "discount: 0.9\nvalues: reward\nstates: 999999999\nactions: 2\nobservations: 2\n",
        "f.pomdp:3:9 PT010 the number of states must lie between 1 and 4194304",
    ),
    ".pomdp rows": (
        "discount: 0.9\nvalues: reward\nstates: 4194304\nactions: 4194304\nobservations: 4194304\n",
        "f.pomdp:4:1 PT010 4194304 actions x 4194304 states",
    ),
    "JSON shape": (
        '{"format": "pomdptool/model", "version": 1, "discount": 0.9, "values": "reward",'
        '"states": ["a"], "actions": ["x"], "observations": ["o"], "start": [1],'
        '"T": [[0, 0, 0, 1]], "O": [[0, 0, 0, 1]], '
        '"R": {"shape": [999999999999, 1, 1, 1], "values": [0]}}',
        'f.json:1:1 PT001 "R"."shape" must be four numbers',
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_declared_sizes_are_checked_before_allocating(name: str) -> None:
    text, expected = TOO_LARGE[name]
    file = expected.partition(":")[0]
    assert refused(text, file).startswith(expected)


def test_many_variables_of_one_value_are_read() -> None:
    """The limits are for the product: many variables of one value are fine."""
    states = "".join(state(k, 1) for k in range(28))
    text = pomdpx(
        states,
        start="".join(uniform(f"p{k}") for k in range(28)),
        T="".join(uniform(f"q{k}") for k in range(28)),
        Z=uniform("o"),
    )
    model, findings = read_model(text, "f.pomdpx")
    assert model is not None, findings
    assert (model.n_states, model.n_actions, model.n_observations) == (1, 2, 2)


S = 1 << 14


WIDE: dict[str, str] = {
    "identity": pomdpx(
        state(0, S), start=uniform("p0"), T=table("q0", "p0", entry("- -", "identity") * 2000)
    ),
    "uniform": pomdpx(state(0, S), start=uniform("p0"), T=uniform("q0"), Z=uniform("o")),
    "actions": pomdpx(state(0, 3000), 3000, start=uniform("p0"), T=uniform("q0"), Z=uniform("o")),
    "parents": pomdpx(
        "".join(state(k, 2) for k in range(14)),
        start="".join(uniform(f"p{k}") for k in range(14)),
        T="".join(
            table(f"q{k}", " ".join(f"p{k}" for k in range(14)), entry("* " * 14 + "-", "uniform"))
            for k in range(14)
        ),
        Z=uniform("o"),
    ),
}


@pytest.mark.parametrize("name", WIDE)
def test_entries_are_counted_before_they_are_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pomdpx_entries, "MAX_CELLS", 1 << 17)
    assert "PT010" in refused(WIDE[name], "f.pomdpx")


def test_tables_of_a_variable_of_many_values_share_its_names() -> None:
    """Many tables of one variable: its names are not looked at again for each."""
    text = pomdpx(state(0, 1 << 22), start=uniform("p0") * 1000, T=uniform("q0"), Z=uniform("o"))
    assert refused(text, "f.pomdpx") == "f.pomdpx:7:11 PT003 'p0' already has a table"


def test_many_tables_of_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pomdpx_tables, "MAX_TABLES", 3)
    one = (
        "<Func><Var>r</Var><Parent>p0</Parent><Parameter><Entry><Instance>*</Instance>"
        "<ValueTable>1</ValueTable></Entry></Parameter></Func>\n"
    )
    text = pomdpx(state(0, 2), start=uniform("p0"), T=uniform("q0"), Z=uniform("o"))
    text = text.replace("</Variable>", '<RewardVar vname="r"/></Variable>')
    for n, read in ((3, True), (4, False)):
        rewards = f"<RewardFunction>\n{one * n}</RewardFunction></pomdpx>"
        model, findings = read_model(text.replace("</pomdpx>", rewards), "f.pomdpx")
        assert (model is not None) == read
        if model is not None:
            assert model.expected_rewards.tolist() == [[3.0, 3.0]] * 2
        else:
            assert [(f.code, f.line, f.column) for f in findings] == [("PT010", 15, 1)]


def test_names_of_values_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preamble, "MAX_NAMES", 3)
    text = "discount: 0.9\nvalues: reward\nstates: {}\nactions: 2\nT: * uniform\n"
    model, _ = read_model(text.format("a b c"), "f.pomdp")
    assert model is not None
    model, findings = read_model(text.format("a b c d"), "f.pomdp")
    assert [(f.code, f.line, f.column) for f in findings if f.level == "error"] == [("PT010", 3, 9)]


def test_many_actions_that_no_rule_names_share_their_rows() -> None:
    text = pomdpx(
        state(0, 2),
        actions=20_000,
        start=uniform("p0"),
        T=table("q0", "a p0", entry("* - -", "identity"), entry("a7 * -", "0.25 0.75")),
        Z=table("o", "a q0", entry("* * -", "1 0"), entry("a19999 s1 -", "0 1")),
    )
    model, findings = read_model(text, "f.pomdpx")
    assert model is not None, findings
    T, Z = np.tile(np.eye(2), (20_000, 1, 1)), np.tile([1.0, 0.0], (20_000, 2, 1))
    T[7] = [0.25, 0.75]
    Z[-1, 1] = [0, 1]
    assert_array_equal(model.T, T)
    assert_array_equal(model.Z, Z)


def test_blocks_of_any_size_make_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    three = [entry("* " * 3 + "-", "0.2 0.3 0.5"), entry("a1 * - -", "identity")]
    parents = [f"a p{k} p{(k + 1) % 3}" for k in range(3)]
    text = pomdpx(
        "".join(state(k, 3) for k in range(3)),
        start="".join(uniform(f"p{k}") for k in range(3)),
        T="".join(table(f"q{k}", parents[k], *three) for k in range(3)),
        Z=table("o", "q0 q2", entry("- - *", "0.5 " * 9)),
    )
    whole, findings = read_model(text, "f.pomdpx")
    assert whole is not None, findings
    assert whole.sparse_T.nonzeros == 27 * 27 + 27
    for rows, entries in ((1, 1 << 20), (5, 1 << 20), (1 << 16, 4)):
        monkeypatch.setattr(pomdpx_product, "BLOCK_ROWS", rows)
        monkeypatch.setattr(pomdpx_product, "BLOCK_ENTRIES", entries)
        model, _ = read_model(text, "f.pomdpx")
        assert model is not None
        assert model.equals(whole)


def test_reading_takes_little_more_memory_than_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve variables of two values and eight actions, each with rows of its own."""
    monkeypatch.setattr(pomdpx_product, "BLOCK_ROWS", 1 << 8)
    monkeypatch.setattr(sparse, "BLOCK", 1 << 10)
    kept, pairs = entry("* - -", "identity"), range(12)
    sensor = [entry(f"a{k} - -", f"0.{k} 0.{10 - k} 0.5 0.5") for k in range(1, 8)]
    text = pomdpx(
        "".join(state(k, 2) for k in pairs),
        actions=8,
        start="".join(uniform(f"p{k}") for k in pairs),
        T="".join(
            table(f"q{k}", f"a p{k}", kept, entry("a0 * -", "uniform") if k < 5 else "")
            for k in pairs
        ),
        Z=table("o", "a q0", entry("* * -", "1 0"), *sensor),
    )
    read = read_model(text, "f.pomdpx")[0]
    assert read is not None
    tables = (read.sparse_T, read.sparse_Z)
    size = sum(t.indptr.nbytes + t.indices.nbytes + t.data.nbytes for t in tables)
    assert measured(lambda: read_model(text, "f.pomdpx")) < 2.0 * size


def test_rows_stacked_and_repeated() -> None:
    rng = np.random.default_rng(0)
    parts = [np.where(rng.random((n, 4)) < 0.5, rng.random((n, 4)), 0.0) for n in (3, 1, 2)]

    def same(table: SparseRows, expected: np.ndarray) -> bool:
        return table.equals(from_dense(expected))

    assert same(stacked([from_dense(part) for part in parts]), np.concatenate(parts))
    assert same(repeated(from_dense(parts[0]), 3), np.tile(parts[0], (3, 1)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rocksample(10**5, 10**6, rng=np.random.default_rng(0)), "at most 19 rocks"),
        (lambda: rocksample(10**12, 3, rng=np.random.default_rng(0)), "over the limit"),
        (lambda: tag(("." * 1000 + "\n") * 100), "over the limit"),
        (lambda: maze(("." * 1000 + "\n") * 900 + "G", kind="hallway"), "over the limit"),
    ],
)
def test_families_are_counted_first(make: Callable[[], Model], says: str) -> None:
    def fails() -> None:
        with pytest.raises(ModelError, match=says):
            make()

    assert measured(fails) < MOST


def test_counts_in_the_head_of_an_appl_policy() -> None:
    text = (
        '<?xml version="1.0"?>\n<Policy version="0.1" type="value">\n'
        '<AlphaVector vectorLength="2" numObsValue="1" numVectors="1">\n'
        '<Vector action="0" obsValue="0">1 2 </Vector>\n</AlphaVector> </Policy>'
    )
    assert read_appl(text, "p.policy", 2, 1).values.tolist() == [[1, 2]]
    for old, new, place in (
        ('vectorLength="2"', 'vectorLength="999999999999"', "p.policy:3:14"),
        ('numVectors="1"', "numVectors='7'", "p.policy:3:47"),
    ):
        with pytest.raises(FormatError, match=f"^{place}: expected {old.partition('=')[0]}"):
            read_appl(text.replace(old, new), "p.policy", 2, 1)


def test_long_lists_and_deep_documents() -> None:
    """What is as large as its text is refused in time and memory near the text's."""
    many = json.dumps({"format": "pomdptool/model", "version": 1, "states": ["s"] * 100_000})
    attributes = " ".join(f'a{k}="x"' for k in range(50_000))
    parameters = ("<CondProb>" + "<Parameter/>" * 500 + "</CondProb>") * 50
    for text, file in (
        (many, "f.json"),
        ('{"a":' * 100_000, "f.json"),
        (pomdpx(f"<StateVar {attributes}/>"), "f.pomdpx"),
        (pomdpx("", start=parameters), "f.pomdpx"),
    ):
        refused(text, file)
