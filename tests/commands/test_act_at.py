"""`act --at`, typos on a terminal, `info` of a policy, and notes of `policy --after`."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from processes import COMMAND, TIGER, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("act")
    solves: tuple[tuple[str, list[str]], ...] = (
        ("p.json", []),
        ("h.json", ["--method", "exact", "--horizon", "3"]),
        ("s.json", ["--method", "exact", "--horizon", "3", "--all-horizons"]),
    )
    for name, options in solves:
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
    ask: list[str | Path] = ["policy", folder / "p.json", "--model", TIGER, "--after"]
    done = run(*ask, "listen:hear-left,open-left:hear-left")
    assert "note: at step 1 the policy takes 'listen', not 'open-left'" in done.stderr
    assert run(*ask, "listen:hear-left,listen:hear-left").stderr == ""


def test_a_policy_from_a_pipe_in_costs(folder: Path) -> None:
    """Values and bounds of a model of costs are costs: rewards negated, ends exchanged."""
    text = TIGER.read_text().replace("values: reward", "values: cost")
    lines = [
        re.sub(r"\S+$", lambda m: str(-float(m[0])), line) if line.startswith("R:") else line
        for line in text.splitlines()
    ]
    (folder / "c.pomdp").write_text("\n".join(lines) + "\n")
    made = run("solve", folder / "c.pomdp", "-q", "--method", "exact", "-o", folder / "c.json")
    assert made.returncode == 0, made.stderr
    ask: list[str | Path] = [
        "policy",
        "-",
        "--model",
        folder / "c.pomdp",
        "--at",
        "0.3,0.7",
        "--json",
    ]
    answer = json.loads(run(*ask, input=(folder / "c.json").read_text()).stdout)["at"]
    assert answer["action"] == "listen"
    assert answer["value"] == pytest.approx(-20.03, abs=0.005)
    assert answer["bounds"]["lower"] <= -20.0274 <= answer["bounds"]["upper"] + 1e-3
    assert answer["action_values"]["open-right"] == pytest.approx(48.6, abs=0.01)
