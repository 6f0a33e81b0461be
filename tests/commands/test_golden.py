"""What `info` says of every problem, compared with files; `make golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from models import PROBLEMS
from pomdptool.commands.main import cli

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda p: p.stem)
def test_info_is_as_before(path: Path, request: pytest.FixtureRequest) -> None:
    result = CliRunner().invoke(cli, ["info", str(path)])
    assert result.exit_code == 0
    golden = GOLDEN / f"{path.stem}.txt"
    if request.config.getoption("--golden"):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(result.output)
    assert result.output == golden.read_text()
