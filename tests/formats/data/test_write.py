"""Data files written: round trips, text, errors, streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pomdptool as pt
from data_texts import KINDS, content, episode_parts, read, written
from pomdptool.episodes import NONE, Episodes
from pomdptool.formats.data.read import DataKind, read_episodes
from pomdptool.formats.data.write import write_episodes

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]

ODD = ["a,b", 'say "x"', '"', "a\tb", " ", " a", "null", "NaN", "None", "é", "漢", "a\nb", "a\rb"]
ODD += ["-", "-1", "007", "1.5", "{", "#x", "true", "2020-01-01 00:00:00", "a\r\nb", "\x00", "''"]

NAMES = st.sampled_from(ODD) | st.text(min_size=1, max_size=5)

REWARDS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1 / 3, -0.0, 5e-324])


@st.composite
def episodes_of(draw: st.DrawFn) -> Episodes:
    """Random episodes with odd names, each of at least one step and seen at least once."""

    def some_names() -> tuple[str, ...]:
        odd = st.lists(NAMES, min_size=1, max_size=4, unique=True)
        return tuple(draw(odd | st.integers(1, 12).map(lambda n: list(map(str, range(n))))))

    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    first = np.cumsum([0, *lengths])
    n = int(first[-1])
    names = [some_names() for _ in range(3)]
    columns = [
        np.array(draw(st.lists(st.integers(low, len(some) - 1), min_size=n, max_size=n)))
        for some, low in ((names[0], 0), (names[1], NONE), (names[2], 0), (names[2], NONE))
    ]
    columns[1][0] = 0
    if draw(st.booleans()):
        columns[0][first[:-1][n > 1 :]] = NONE
    rewards = np.array(draw(st.lists(REWARDS, min_size=n, max_size=n)))
    rewards[columns[0] == NONE] = np.nan
    stateful = draw(st.booleans())
    return Episodes(
        names[0],
        names[1],
        columns[0],
        columns[1],
        first,
        rewards=rewards if draw(st.booleans()) else None,
        states=columns[2] if stateful else None,
        next_states=columns[3] if stateful else None,
        state_names=names[2] if stateful else (),
    )


@pytest.mark.parametrize("kind", KINDS)
@given(episodes=episodes_of())
def test_round_trip(kind: DataKind, episodes: Episodes) -> None:
    data = written(episodes, kind=kind)
    again = read(data, kind=kind)
    expected = content(episodes)
    if (episodes.actions == NONE).all():
        expected["actions"] = [None] * episodes.n_steps
    assert content(again) == expected
    assert again.numbers is not None
    assert again.numbers.tolist() == list(range(episodes.n_episodes))
    assert written(again, kind=kind) == data


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "A.CSV.gz", "a.jsonl.gz"]
)
def test_dump_and_load_data(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    episodes = read("action,observation,reward\nlisten,x,-1\nopen,y,10.5\n")
    pt.dump(episodes, path)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert content(pt.load_data(path)) == content(episodes)
    assert content(pt.load_data(str(path))) == content(episodes)
    with path.open("rb") as stream:
        assert content(pt.load_data(stream)) == content(episodes)
    first = path.read_bytes()
    pt.dump(episodes, path)
    assert path.read_bytes() == first


def test_text_of_each_kind() -> None:
    episodes = read('action,observation,reward\n,"x,y",\n\'b,,10.50\n')
    assert written(episodes).decode() == (
        'episode,step,action,observation,reward\n0,0,,"x,y",\n0,1,\'b,,10.5\n'
    )
    assert written(episodes, kind="tsv").decode().splitlines()[1] == "0\t0\t\tx,y\t"
    assert written(episodes, kind="jsonl").decode() == (
        '{"episode": 0, "step": 0, "action": null, "observation": "x,y", "reward": null}\n'
        '{"episode": 0, "step": 1, "action": "\'b", "observation": null, "reward": 10.5}\n'
    )


def test_numbers_run_on_over_the_parts() -> None:
    again = read(written(*episode_parts()))
    assert again.numbers is not None
    assert again.numbers.tolist() == [0, 1, 2]
    assert again.first.tolist() == [0, 2, 4, 6]
    numbered = read("episode,observation\n5,x\n9,x\n")
    assert read(written(numbered)).numbers.tolist() == [5, 9]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_invalid_episodes_are_not_written(kind: DataKind) -> None:
    def one_step(name: str = "x", reward: float = 0.0) -> Episodes:
        zero = np.zeros(1, dtype=np.int64)
        return Episodes(("a",), (name,), zero, zero, np.array([0, 1]), rewards=np.array([reward]))

    bare = read("observation\nx\n")
    for parts, expected in (
        ([], "no episodes"),
        ([one_step(""), one_step()], "an empty name"),
        ([one_step("\ud800")], "is not text"),
        ([one_step(reward=np.inf)], "infinite"),
        ([one_step(), bare], "parts differ in columns"),
    ):
        with pytest.raises(pt.DataError, match=expected):
            written(*parts, kind=kind)


def test_no_format_for_the_extension(tmp_path: Path) -> None:
    with pytest.raises(pt.DataError, match="episodes are written as"):
        pt.dump(next(episode_parts()), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, pt.DataError])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_files_are_whole_or_as_they_were(
    tmp_path: Path, name: str, stop: type[BaseException]
) -> None:
    def broken() -> Iterator[Episodes]:
        yield from episode_parts()
        raise stop("enough")

    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(stop):
        write_episodes(broken(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_disk_name_the_file(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    with pytest.raises(OSError, match="/dev/full") as caught:
        write_episodes(episode_parts(), "/dev/full", kind="csv")
    assert caught.value.filename == "/dev/full"
    with pytest.raises(FileNotFoundError) as lost:
        write_episodes(episode_parts(), tmp_path / "none" / "a.csv")
    assert lost.value.filename == str(tmp_path / "none" / "a.csv")


def test_errors_of_other_files_are_not_ours(tmp_path: Path) -> None:
    def broken() -> Iterator[Episodes]:
        yield from episode_parts()
        yield read_episodes(tmp_path / "other.csv")

    with pytest.raises(FileNotFoundError) as caught:
        write_episodes(broken(), tmp_path / "a.csv")
    assert caught.value.filename == str(tmp_path / "other.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_pipes(kind: DataKind) -> None:
    """A stream that cannot be sought takes every kind, and says when nobody reads."""
    there, here = os.pipe()
    with os.fdopen(there, "rb") as reader:
        with os.fdopen(here, "wb") as writer:
            write_episodes(episode_parts(), writer, kind=kind)
        assert read_episodes(reader).n_episodes == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_pipe_raises(kind: DataKind) -> None:
    there, here = os.pipe()
    os.close(there)
    with os.fdopen(here, "wb", buffering=0) as writer, pytest.raises(BrokenPipeError):
        write_episodes(episode_parts(), writer, kind=kind)


def test_streams_are_flushed_after_each_part() -> None:
    there, here = os.pipe()
    with os.fdopen(there, "rb") as reader, os.fdopen(here, "wb") as stream:

        def parts() -> Iterator[Episodes]:
            for k, episodes in enumerate(episode_parts()):
                if k:
                    assert reader.readline()
                    assert reader.readline()
                yield episodes

        write_episodes(parts(), stream)
