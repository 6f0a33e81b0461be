"""The commands through real processes: pipes, exit codes, interrupts, full disks, closed pipes."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import pomdptool
from models import PROBLEMS, ROOT
from pomdptool.commands.main import cli
from processes import COMMAND, MAZE, TIGER, on_terminal, run, until


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("broken") / "broken.pomdp"
    text = TIGER.read_text().replace("R: listen ", "R: lisen ").replace("0.85  0.15", "0.85  0.25")
    path.write_text(text)
    return path


# ------------------------------------------------------------ what the commands say


def test_help_lists_every_command_and_imports_none() -> None:
    result = run("--help")
    assert result.returncode == 0
    for name in ("check", "convert", "info", "problem", "solve"):
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE)
    code = (
        "import sys; sys.argv = ['pomdptool', '--help']; from pomdptool.commands.main import _run\n"
    )
    code += "_run(); print({'numpy', 'lark', 'rich', 'highspy'} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True
    )
    assert loaded.stdout.endswith("set()\n")


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, pomdptool; print('numpy' in sys.modules, 'lark' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True
    )
    assert result.stdout == "False False\n"


def test_info_says_what_the_model_is_like() -> None:
    result = run("info", TIGER)
    assert result.returncode == 0
    assert re.search(r"^states +2: tiger-left tiger-right$", result.stdout, re.MULTILINE)
    assert re.search(r"^rewards +-100 to 10, by action, state$", result.stdout, re.MULTILINE)
    assert result.stderr == ""


def test_info_json_has_the_documented_keys() -> None:
    document = json.loads(run("info", TIGER, "--json").stdout)
    keys = "states actions observations discount values start nonzero_T nonzero_O terminal_states"
    assert list(document) == [
        *keys.split(),
        *("blocks", "largest_block", "reward_min", "reward_max", "warnings", "renormalised"),
    ]
    assert document["nonzero_T"] == 10
    assert document["start"] == [0.5, 0.5]
    assert (document["reward_min"], document["reward_max"]) == (-100.0, 10.0)


def test_info_of_costs_is_in_costs() -> None:
    document = json.loads(run("info", ROOT / "problems" / "bridge-repair.pomdp", "--json").stdout)
    assert document["values"] == "cost"
    assert document["reward_min"] == 0.0
    assert document["reward_max"] == 4018.0


def test_check_reports_every_finding_with_its_place(broken: Path) -> None:
    result = run("check", broken)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    text = broken.read_text().splitlines()
    bad_name = next(i for i, line in enumerate(text, 1) if "lisen" in line)
    assert "error PT007: O: the row of action 'listen'" in lines[0]
    assert lines[1].startswith(f"{broken}:{bad_name}:4: error PT002: 'lisen'")
    assert "did you mean 'listen'?" in lines[1]
    assert result.stderr == f"{broken}: 2 errors, 0 warnings\n"


def test_check_json(broken: Path) -> None:
    result = run("check", broken, "--json")
    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert document["file"] == str(broken)
    assert list(document["findings"][0]) == ["line", "column", "level", "code", "message"]


def test_check_strict_refuses_dialects() -> None:
    text = TIGER.read_text().replace("values: reward", "values: rewards")
    assert run("check", "-", input=text).returncode == 0
    result = run("check", "--strict", input=text)
    assert result.returncode == 1
    assert "<stdin>:" in result.stdout
    assert "error PT105" in result.stdout


def test_errors_are_one_line_that_begins_with_the_place(broken: Path) -> None:
    for command in ("info", "convert", "solve"):
        result = run(command, broken)
        assert result.returncode == 1
        assert result.stdout == ""
        assert re.fullmatch(rf"{re.escape(str(broken))}:\d+:\d+: [^\n]+\n", result.stderr)


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda p: p.stem)
def test_every_problem_goes_through_every_command(path: Path, tmp_path: Path) -> None:
    def done(*args: str | Path) -> None:
        result = CliRunner().invoke(cli, [str(a) for a in args])
        assert result.exit_code == 0, result.output

    out, policy = tmp_path / "model.json.gz", tmp_path / "policy.json"
    done("check", "--strict", path)
    done("info", path)
    done("convert", path, "-o", out)
    assert pomdptool.load(out).equals(pomdptool.load(path))
    done("solve", path, "--method", "qmdp", "--discount", "0.9", "-o", policy)
    assert json.loads(policy.read_text())["method"] == "qmdp"


# ------------------------------------------------------------ solve


def test_solve_writes_the_documented_policy() -> None:
    result = run("solve", TIGER, "--method", "exact")
    assert result.returncode == 0
    policy = json.loads(result.stdout)
    assert policy["format"] == "pomdptool/policy"
    assert policy["version"] == 1
    assert policy["problem"]["actions"] == ["listen", "open-left", "open-right"]
    assert policy["bounds"]["lower"] == pytest.approx(19.3714, abs=1e-4)
    assert policy["bounds"]["upper"] >= policy["bounds"]["lower"]
    assert policy["converged"] is True
    assert policy["stop_reason"] == "precision"
    assert policy["horizon"] is None
    assert set(policy["stats"]) == {"seconds", "iterations", "vectors", "backups", "error"}
    start = max(0.5 * sum(v["values"]) for v in policy["vectors"])
    assert start == pytest.approx(policy["bounds"]["lower"])
    assert policy["graph"]["nodes"][0]["action"] == 0
    assert "value at start  19.3714" in result.stderr


def test_solve_writes_a_controller(tmp_path: Path) -> None:
    result = run("solve", TIGER)
    policy = json.loads(result.stdout)
    assert policy["method"] == "sarsop"
    assert policy["converged"] is True
    assert policy["bounds"]["lower"] <= 19.371368 + 1e-6
    assert policy["bounds"]["upper"] >= 19.371368 - 1e-6
    root = policy["vectors"][0]
    assert root["states"] == [0, 1]
    assert sum(root["values"]) / 2 == pytest.approx(policy["bounds"]["lower"])
    n = len(policy["vectors"])
    assert all(0 <= m < n for v in policy["vectors"] for m in v["next"])
    assert policy["trace"][-1][1:3] == [policy["bounds"]["lower"], policy["bounds"]["upper"]]
    earlier = tmp_path / "tiger.json"
    earlier.write_text(result.stdout)
    again = run("solve", TIGER, "--resume", earlier, "--precision", "1e-4")
    assert again.returncode == 0
    assert json.loads(again.stdout)["bounds"]["lower"] >= policy["bounds"]["lower"] - 1e-9
    other = run("solve", MAZE, "--resume", earlier)
    assert other.returncode == 1
    assert "the policy is for 2 states, the model has 11" in other.stderr
    assert run("solve", TIGER, "--resume", earlier, "--method", "exact").returncode == 1


def test_solve_writes_appl_policies(tmp_path: Path) -> None:
    from xml.etree import ElementTree as ET

    out = tmp_path / "maze.policy"
    assert run("solve", MAZE, "--precision", "1e-2", "-o", out).returncode == 0
    tree = ET.fromstring(out.read_text())
    vectors = tree.findall("AlphaVector/Vector")
    assert len(vectors) == int(tree.find("AlphaVector").attrib["numVectors"])  # type: ignore[union-attr]
    assert all(len((v.text or "").split()) == 11 for v in vectors)


def test_graphs_are_trimmed_as_asked(tmp_path: Path) -> None:
    def nodes(*options: str) -> int:
        out = tmp_path / "tiger.pg"
        assert run("solve", TIGER, "--method", "exact", "-o", out, *options).returncode == 0
        return len(out.read_text().splitlines())

    assert nodes() == 5
    assert nodes("--graph-depth", "0") == 1
    assert nodes("--graph-depth", "1") == 3
    assert nodes("--graph-probability", "0.9") == 1


def test_solve_writes_alpha_as_the_reference_does(tmp_path: Path) -> None:
    out = tmp_path / "tiger.alpha"
    assert run("solve", TIGER, "--horizon", "1", "-q", "-o", out).stderr == ""
    assert out.read_text() == "0\n-1.0 -1.0\n\n1\n-100.0 10.0\n\n2\n10.0 -100.0\n\n"


def test_solve_writes_policy_graphs(tmp_path: Path) -> None:
    for name in ("tiger.pg", "tiger.dot"):
        assert run("solve", TIGER, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "tiger.pg").read_text().startswith("0 0 ")
    assert "listen" in (tmp_path / "tiger.dot").read_text()
    stopped = ("--horizon", "5", "--time-limit", "0")
    result = run("solve", TIGER, *stopped, "-o", tmp_path / "none.pg")
    assert result.returncode == 1
    assert not (tmp_path / "none.pg").exists()


def test_full_set_covers_all_states() -> None:
    faces = json.loads(run("solve", MAZE, "--horizon", "5", "-q").stdout)
    assert all(len(v["states"]) == len(v["values"]) < 11 for v in faces["vectors"])
    full = json.loads(run("solve", MAZE, "--horizon", "5", "-q", "--full-simplex").stdout)
    assert all(len(v["values"]) == 11 and "states" not in v for v in full["vectors"])
    start = full["problem"]["start"]
    value = max(
        sum(b * x for b, x in zip(start, v["values"], strict=True)) for v in full["vectors"]
    )
    assert value == pytest.approx(faces["bounds"]["lower"], rel=1e-9)


def test_policies_of_cost_models_are_in_costs_except_alpha(tmp_path: Path) -> None:
    path = ROOT / "problems" / "bridge-repair.pomdp"
    policy = json.loads(run("solve", path, "--horizon", "2").stdout)
    assert policy["problem"]["values"] == "cost"
    assert 0 < policy["bounds"]["lower"] <= policy["bounds"]["upper"]
    assert max(policy["vectors"][0]["values"]) > 0
    out = tmp_path / "policy.alpha"
    run("solve", path, "--horizon", "2", "-o", out)
    assert out.read_text().splitlines()[1].startswith("-")


def test_discount_one_asks_for_a_horizon() -> None:
    result = run("solve", ROOT / "problems" / "bridge-repair.pomdp")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "horizon" in result.stderr


def test_quiet_says_nothing_and_verbose_shows_progress() -> None:
    assert run("solve", TIGER, "-q").stderr == ""
    assert "gap " in run("solve", TIGER, "-v").stderr


# ------------------------------------------------------------ pipes and files


def test_commands_make_a_pipe() -> None:
    line = "{0} problem tiger --doors 3 | {0} convert --to json | {0} info | head -1"
    shell = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.format(" ".join(COMMAND))],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert shell.returncode == 0
    assert shell.stdout == "states          3: tiger-1 tiger-2 tiger-3\n"


def test_gzip_is_read_and_written(tmp_path: Path) -> None:
    packed = tmp_path / "tiger.pomdp.gz"
    assert run("convert", TIGER, "-o", packed).returncode == 0
    assert gzip.decompress(packed.read_bytes()).startswith(b"discount")
    assert run("info", packed).returncode == 0
    packed.write_bytes(packed.read_bytes()[:40])
    result = run("info", packed)
    assert result.returncode == 1
    assert "compression" in result.stderr


def test_the_format_is_known_by_content_or_told(tmp_path: Path) -> None:
    text = run("convert", TIGER, "--to", "json").stdout
    assert run("info", input=text).returncode == 0
    odd = tmp_path / "model.txt"
    odd.write_text(text)
    assert run("info", odd).returncode == 0
    assert run("info", "--from", "pomdp", odd).returncode == 1


def test_names_that_the_format_refuses_are_replaced_and_said(tmp_path: Path) -> None:
    model = json.loads(run("convert", TIGER, "--to", "json").stdout)
    model["states"] = ["tiger left", "start"]
    result = run("convert", input=json.dumps(model))
    assert result.returncode == 0
    assert "states: tiger_left s_start" in result.stdout
    assert "'tiger left' is written as 'tiger_left'" in result.stderr


def test_a_closed_pipe_ends_silently(tmp_path: Path) -> None:
    big = tmp_path / "big.pomdp"
    run("problem", "rocksample", "--size", "5", "--rocks", "5", "--seed", "1", "-o", big)
    with subprocess.Popen(
        [*COMMAND, "convert", str(big)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [["convert"], ["solve", "-q"], ["info"]])
def test_a_full_disk_is_an_error(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = run(*command, TIGER, stdout=full)
    assert result.returncode == 1
    assert result.stderr == "error: No space left on device\n"
    if command != ["info"]:
        result = run(*command, TIGER, "-o", "/dev/full")
        assert result.returncode == 1
        assert "No space left on device" in result.stderr


def test_an_error_leaves_the_target_as_it_was(broken: Path, tmp_path: Path) -> None:
    target = tmp_path / "old.json"
    target.write_text("old")
    assert run("convert", broken, "-o", target).returncode == 1
    assert run("solve", broken, "-o", target).returncode == 1
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["old.json"]


def test_a_folder_that_is_missing_or_refuses_is_an_error(tmp_path: Path) -> None:
    result = run("convert", TIGER, "-o", tmp_path / "none" / "tiger.json")
    assert result.returncode == 2
    assert "no such folder" in result.stderr


def test_written_files_have_ordinary_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    assert run("convert", TIGER, "-o", link).returncode == 0
    assert link.is_symlink()
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    target.chmod(0o600)
    assert run("convert", TIGER, "-o", link).returncode == 0
    assert target.stat().st_mode & 0o777 == 0o600


def test_wrong_usage_is_two() -> None:
    wrong: list[tuple[list[str | Path], str]] = [
        (["slove", TIGER], "Did you mean 'solve'?"),
        (["solve", TIGER, "--method", "exakt"], "'exakt' is not one of"),
        (["solve", TIGER, "--precison", "1"], "--precision"),
        (["solve", TIGER, "--horizon", "0"], "0 is not in the range"),
        (["info", "/"], "is a directory"),
        (["info", "missing.pomdp"], "does not exist"),
        (["solve", TIGER, "-o", "policy.txt"], ".json, .alpha"),
        (["convert", TIGER, "-o", "model.txt"], ".pomdp or .json"),
    ]
    for args, message in wrong:
        result = run(*args)
        assert result.returncode == 2, args
        assert message in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x00\x01", b"\xff\xfe\x00", b"{", b"{}", b"[1]"])
def test_odd_files_are_one_line_and_exit_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.pomdp"
    for name in ("odd.pomdp", "odd.json", "odd"):
        path = tmp_path / name
        path.write_bytes(content)
        result = run("info", path)
        assert result.returncode == 1
        assert result.stderr.startswith(f"{path}:1:")
        assert result.stderr.count("\n") == 1


# ------------------------------------------------------------ interrupts and terminals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_writes_the_best_so_far(number: int, tmp_path: Path) -> None:
    out, log = tmp_path / "policy.json", tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "solve", str(MAZE), "--precision", "1e-12", "-v", "-o", str(out)],
            stderr=stderr,
        )
        until(lambda: "iterations" in log.read_text())
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
    policy = json.loads(out.read_text())
    assert policy["stop_reason"] == "interrupted"
    assert policy["converged"] is False
    assert policy["bounds"]["lower"] <= policy["bounds"]["upper"]
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_reading_is_130(number: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "info", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        time.sleep(2.0)
        process.send_signal(number)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == b"interrupted\n"


def test_a_terminal_gets_a_table_and_json_forces_the_machine_form() -> None:
    shown = on_terminal("solve", TIGER)
    assert "first action    listen" in shown
    assert '"format"' not in shown
    assert '"format": "pomdptool/policy"' in on_terminal("solve", TIGER, "--json", "-q")


def test_without_a_file_a_terminal_is_not_waited_for() -> None:
    master, slave = pty.openpty()
    result = subprocess.run(
        [*COMMAND, "info"], stdin=slave, capture_output=True, text=True, timeout=30, check=False
    )
    os.close(master)
    os.close(slave)
    assert result.returncode == 2
    assert "Missing argument" in result.stderr


# ------------------------------------------------------------ families


@pytest.mark.parametrize(
    "args",
    [
        ["tiger", "--doors", "3"],
        ["tag"],
        ["heavenhell", "3"],
        ["rocksample", "--size", "3", "--rocks", "2", "--seed", "5"],
        ["maze", str(ROOT / "problems" / "maze-4x3.map")],
        ["maze", str(ROOT / "problems" / "hallway.map"), "--kind", "hallway"],
    ],
)
def test_families_write_models(args: list[str]) -> None:
    first, second = run("problem", *args), run("problem", *args)
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert first.stdout.startswith(f"# Made by: pomdptool problem {args[0]}")
    assert run("check", "--strict", input=first.stdout).returncode == 0


def test_a_random_layout_says_its_seed() -> None:
    result = run("problem", "rocksample", "--size", "3", "--rocks", "2")
    match = re.fullmatch(r"seed (\d+)\n", result.stderr)
    assert match
    again = run("problem", "rocksample", "--size", "3", "--rocks", "2", "--seed", match[1])
    assert again.stdout == result.stdout


def test_an_impossible_family_is_an_error() -> None:
    result = run("problem", "rocksample", "--size", "2", "--rocks", "9", "--seed", "1")
    assert result.returncode == 1
    assert result.stderr == "error: 9 rocks do not fit on 2 x 2 cells\n"


@pytest.mark.parametrize("command", ["check", "convert", "info"])
def test_quiet_is_quiet_whatever_else_is_asked_for(command: str) -> None:
    assert run(command, TIGER, "-q", "-v").stderr == ""
