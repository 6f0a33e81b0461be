"""`act --at`, typos on a terminal, `info` of a policy, and notes of `policy --after`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from processes import COMMAND, TIGER, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("act")
    for name, options in (
        ("p.json", []),
        ("h.json", ["--method", "exact", "--horizon", "3"]),
        ("s.json", ["--method", "exact", "--horizon", "3", "--all-horizons"]),
    ):
        assert run("solve", TIGER, *options, "-q", "-o", folder / name).returncode == 0
    return folder


def test_each_episode_starts_at_the_belief(folder: Path) -> None:
    heard = "hear-left\n\nhear-left\n"
    done = run("act", TIGER, folder / "p.json", "--belief", "--at", "0.9,0.1", input=heard)
    first, second = "listen\ttiger-left 0.9\ttiger-right 0.1", "open-right\ttiger-left 0.980769"
    lines = done.stdout.splitlines()
    assert [lines[0], lines[2]] == [first] * 2
    assert all(line.startswith(second) for line in (lines[1], lines[3]))


def test_a_horizon_needs_the_values_of_its_steps(folder: Path) -> None:
    done = run("act", TIGER, folder / "h.json", "--at", "0.9,0.1", input="")
    assert done.returncode == 1
    assert "--all-horizons" in done.stderr
    # The third belief is the first again, but with one step left there is nothing to wait for.
    heard = "hear-right\nhear-left\n"
    done = run("act", TIGER, folder / "s.json", "--at", "0.93,0.07", input=heard)
    assert done.stdout.split() == ["listen", "listen", "open-right"]


def test_a_typo_is_an_error_in_a_pipe(folder: Path) -> None:
    done = run("act", TIGER, folder / "p.json", input="hear-lef\nhear-left\n")
    assert done.returncode == 1
    assert done.stdout == "listen\n"


def test_a_typo_on_a_terminal_is_asked_again(folder: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "act", str(TIGER), str(folder / "p.json")],
        stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(slave)
    os.write(master, b"hear-lef\nhear-left\nhear-left\n\x04")
    out, err = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0
    assert out.split() == ["listen", "listen", "open-right"]
    assert "did you mean 'hear-left'?" in err


def test_info_describes_a_policy(folder: Path) -> None:
    policy = run("policy", folder / "p.json")
    assert run("info", folder / "p.json").stdout == policy.stdout
    piped = run("info", "-", "--json", input=(folder / "p.json").read_text())
    assert json.loads(piped.stdout)["first_action"] == "listen"
    assert run("info", folder / "p.json", "--tables").returncode == 2


def test_a_history_with_other_actions_is_noted(folder: Path) -> None:
    ask = ["policy", folder / "p.json", "--model", TIGER, "--after"]
    done = run(*ask, "listen:hear-left,open-left:hear-left")
    assert "note: at step 1 the policy takes 'listen', not 'open-left'" in done.stderr
    assert run(*ask, "listen:hear-left,listen:hear-left").stderr == ""
