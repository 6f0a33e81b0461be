"""Atomic writes: errors keep the old file; links are followed."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from pomdptool.formats.dump import write_file


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.pomdp"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    with (
        patch("os.replace", side_effect=OSError(28, "disk full")),
        pytest.raises(OSError, match="disk full"),
    ):
        write_file(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.pomdp"]
    write_file(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
