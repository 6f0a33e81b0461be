"""Writing models to files: formats by extension, and compression."""

from __future__ import annotations

from pathlib import Path

import pytest

from pomdptool.errors import PomdpWarning
from pomdptool.formats.dump import write_file
from pomdptool.model import make_model


def test_compressed_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_file(tmp_path / name, "x" * 1000)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_unknown_extension_is_refused(tmp_path: Path) -> None:
    pt = pytest.importorskip("pomdptool")
    model = make_model([[[1.0]]], [[1.0]], discount=0.5)
    with pytest.raises(pt.PomdpError, match=r"m\.txt"):
        pt.dump(model, tmp_path / "m.txt")
    assert list(tmp_path.iterdir()) == []


def test_dump_and_load(tmp_path: Path) -> None:
    pt = pytest.importorskip("pomdptool")
    model = make_model([[[1.0]]], [[1.0]], discount=0.5, actions=["go now"])
    with pytest.warns(PomdpWarning, match="'go now' is written as 'go_now'"):
        pt.dump(model, tmp_path / "m.pomdp")
    assert pt.load(tmp_path / "m.pomdp").actions == ("go_now",)
    pt.dump(model, tmp_path / "m.json.gz")
    assert pt.load(str(tmp_path / "m.json.gz")).equals(model)
    with (tmp_path / "m.pomdp").open(encoding="utf-8") as stream:
        assert pt.load(stream).actions == ("go_now",)
