"""Data files read: format detection, JSON lines, Parquet, standard input, corrupted files."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pomdptool as pt
from data_texts import KINDS, content, findings, message, read, written
from pomdptool.episodes import NONE
from pomdptool.formats.data import input as tables_input
from pomdptool.formats.data.read import DATA_KINDS, DataKind, read_episodes
from pomdptool.formats.kinds import kind_of_path
from samples import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_known_by_the_first_bytes(kind: DataKind) -> None:
    episodes = read("action,observation\nlisten,x\nopen,y\n")
    data = written(episodes, kind=kind)
    assert content(read(data)) == content(episodes)
    assert content(read(gzip.compress(data))) == content(episodes)


def test_kind_of_path() -> None:
    names = {"a.csv": "csv", "a.TSV.gz": "tsv", "b/a.jsonl": "jsonl", "a.parquet": "parquet"}
    assert {name: kind_of_path(name, DATA_KINDS) for name in names} == names
    assert kind_of_path("a.ndjson.gz", DATA_KINDS) == "jsonl"
    assert [kind_of_path(name, DATA_KINDS) for name in ("a.json", "a", "a.gz", "a.parquet.gz")] == [
        None
    ] * 4


PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\t",
    b"{",
    b"}",
    b"[",
    b"\xff",
    b"\0",
    b"null",
    b"nan",
    b"1e999",
]

SAMPLE = (
    b'episode,step,action,observation,reward\n0,0,,"x,y",\n0,1,b,x,10.5\n1,1,"c""",y,-1\n1,0,b,,2\n'
)


@pytest.mark.filterwarnings("ignore::pomdptool.PomdpWarning")
@pytest.mark.parametrize("kind", KINDS)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 3), st.sampled_from(PIECES)), max_size=4
    )
)
def test_changed_tables_are_read_or_refused(
    kind: DataKind, changes: list[tuple[int, int, bytes]]
) -> None:
    data = written(read(SAMPLE), kind=kind)
    for at, removed, piece in changes:
        at %= len(data)
        data = data[:at] + piece + data[at + removed :]
    with contextlib.suppress(pt.DataError):
        assert read(data, kind=kind).n_steps


def test_only_observations_form_one_episode_with_one_action() -> None:
    episodes = read("observation\nx\ny\n\nx\n\n\n")
    assert episodes.action_names == ("0",)
    assert episodes.observation_names == ("x", "y")
    assert episodes.actions.tolist() == [0] * 4
    assert episodes.observations.tolist() == [0, 1, NONE, 0]
    assert episodes.first.tolist() == [0, 4]
    assert [episodes.rewards, episodes.states, episodes.numbers] == [None] * 3


def test_mark_before_json_lines() -> None:
    assert read('\ufeff{"observation": "x"}\r\n\r\n{"observation": 3}').n_steps == 2


def test_later_column_of_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 40)
    text = '{"observation": "x"}\n' * 3 + '{"observation": "x", "reward": 1}\n' * 3
    assert message(text) == "4: column 'reward': this column is missing in earlier lines"


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file(text: str) -> None:
    for kind in ("csv", "tsv", "jsonl"):
        assert message(text, kind=kind) == "1: the file is empty"


def test_no_rows() -> None:
    assert message("action,observation\n") == " there are no rows after the header"
    assert message("action,observation") == " there are no rows after the header"
    assert message("observation\n\n\n") == " there are no rows after the header"


def test_one_row() -> None:
    assert read("observation\nx").n_steps == 1


def test_broken_parquet() -> None:
    data = written(read("action,observation\na,x\nb,y\n"), kind="parquet")
    for broken in (
        data[:-3],
        data[: len(data) // 2],
        b"PAR1",
        data[:30] + b"\xff" * 60 + data[90:],
    ):
        assert message(broken).startswith(" broken Parquet: ")


def test_at_most_a_hundred_are_kept() -> None:
    text = "observation,reward\n" + "x,?\n" * 1000
    assert len(findings(text)) == 100
    assert message(text).endswith("(and at least 99 more)")


def test_missing_files_are_errors_of_the_system(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(FileNotFoundError):
            read_episodes(tmp_path / name)


def test_standard_input(tmp_path: Path) -> None:
    code = "import pomdptool; print(pomdptool.load_data('-').observation_names)"
    episodes = read("observation\nx\ny\n")
    for kind in KINDS:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=written(episodes, kind=kind),
            capture_output=True,
            cwd=ROOT,
        )
        assert done.stdout.decode().strip() == "('x', 'y')", done.stderr
