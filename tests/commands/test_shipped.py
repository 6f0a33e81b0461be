"""Shipped models: the list, each by its name, and the hint for a name without a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from models import ROOT
from pomdptool.commands.main import cli
from pomdptool.formats.models import load

PROBLEMS = sorted((ROOT / "problems").glob("*.pomdp"))
FAMILIES = {"tiger", "tag"}


def test_the_list_has_every_model_with_its_sizes() -> None:
    done = CliRunner().invoke(cli, ["problem", "list"], catch_exceptions=False)
    rows = {line.split()[0]: line.split() for line in done.stdout.split("\n\n")[0].splitlines()[1:]}
    assert done.exit_code == 0
    assert sorted(rows) == sorted(path.stem for path in PROBLEMS)
    for path in PROBLEMS:
        model = load(path)
        sizes = [model.n_states, model.n_actions, model.n_observations]
        assert [int(word) for word in rows[path.stem][1:4]] == sizes
        assert float(rows[path.stem][4]) == model.discount
        assert path.read_text().startswith("# " + " ".join(rows[path.stem][5:]))


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_a_name_writes_the_model(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.pomdp"
    done = CliRunner().invoke(cli, ["problem", path.stem, "-o", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    if path.stem in FAMILIES:
        assert "Made by: pomdptool problem" in out.read_text()
    else:
        assert out.read_bytes() == path.read_bytes()


def test_a_model_is_written_to_standard_output_and_as_json(tmp_path: Path) -> None:
    source = ROOT / "problems" / "voicemail.pomdp"
    done = CliRunner().invoke(cli, ["problem", "voicemail"], catch_exceptions=False)
    assert done.stdout == source.read_text()
    out = tmp_path / "m.json"
    CliRunner().invoke(cli, ["problem", "voicemail", "-o", str(out)], catch_exceptions=False)
    assert load(out).states == load(source).states


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tiger", "`pomdptool problem tiger -o tiger.pomdp`"),
        ("tigr", "`pomdptool problem tiger -o tiger.pomdp`"),
        ("halway.pomdp", "`pomdptool problem hallway -o hallway.pomdp`"),
        ("mine", "Did you mean 'mine.pomdp'?"),
        ("mien.pomdp", "Did you mean 'mine.pomdp'?"),
    ],
)
@pytest.mark.parametrize("command", ["solve", "info"])
def test_a_name_without_a_file_gets_a_hint(
    name: str, hint: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.pomdp").write_text("discount: 0.9\n")
    done = CliRunner().invoke(cli, [command, name])
    assert done.exit_code == 2
    assert hint in " ".join(done.stderr.split())


def test_a_far_name_gets_no_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["solve", "qqqqqqqq"])
    assert "Did you mean" not in done.stderr
    assert "pomdptool problem" not in done.stderr
