"""Bytes of data files: blocks of whole rows, compression, limits."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from data_texts import KINDS, content, message, read, written
from pomdptool.episodes import Episodes
from pomdptool.formats.data import input as tables_input
from pomdptool.formats.data.read import DataKind

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_small_blocks_change_nothing(kind: DataKind, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    n = 400
    episodes = Episodes(
        ("a\nb", 'c"', "d,"),
        ("é", "y"),
        rng.integers(3, size=n),
        rng.integers(-1, 2, size=n),
        np.arange(0, n + 1, 8),
        rewards=rng.normal(size=n),
    )
    data = written(episodes, kind=kind)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(tables_input, "BLOCK", size)
        assert content(read(data, kind=kind)) == content(episodes)


def test_endless_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 100)
    monkeypatch.setattr(tables_input, "MAX_ROW", 1000)
    error = message('action,observation\na,"' + "x\n" * 10_000)
    assert error == "2: a row of more than 0 KiB: unclosed quote"


def test_broken_compression() -> None:
    whole = gzip.compress(b"observation\n" + b"x\ny\n" * 1000)
    for data in (whole[:-9], whole[:20] + b"\0\0\0" + whole[23:], whole[:4]):
        assert message(data).startswith(" broken compression: ")


def test_compressed_files_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 1000)
    monkeypatch.setattr(tables_input, "MAX_BYTES", 10_000)
    text = b"observation\n" + b"x\n" * 10_000
    assert read(text).n_steps == 10_000
    for data in (gzip.compress(text), gzip.compress(b"PAR1" + text)):
        assert message(data) == " more than 0 GiB when decompressed"
