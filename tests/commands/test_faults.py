"""What may go wrong around a process: kills, full disks, closed streams, locales, little memory.

Every command runs in a process of its own. What holds in all cases: a target is the old file or the
whole new one, a failure is one line and exit code 1, and nobody sees a traceback.
"""

from __future__ import annotations

import json
import os
import pty
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from samples import ROOT

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="processes of Unix"),
]

COMMAND = [sys.executable, "-m", "pomdptool"]
TIGER = str(ROOT / "problems" / "tiger.pomdp")
MAZE = str(ROOT / "problems" / "maze-4x3.pomdp")
MEGA = 1 << 20

Result = subprocess.CompletedProcess[bytes]


def run(*args: str | Path, **options: Any) -> Result:
    """Run a command without input; what it says is kept, as bytes."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, **options,
    )  # fmt: skip


def shell(line: str, folder: Path, **options: Any) -> Result:
    """Run a line of bash, in which `pomdptool` is the command."""
    function = f'pomdptool() {{ "{sys.executable}" -m pomdptool "$@"; }}; '
    return subprocess.run(
        ["bash", "-c", function + line],
        cwd=folder, capture_output=True, timeout=300, check=False, **options,
    )  # fmt: skip


def quiet_about_code(result: Result) -> None:
    assert b"Traceback" not in result.stderr, result.stderr
    assert b"Exception" not in result.stderr, result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with names of any characters, data of it, a policy for it, and a larger model."""
    folder = tmp_path_factory.mktemp("faults")
    document = json.loads(run("convert", TIGER, "--to", "json").stdout)
    document["states"] = ["Größe", "日本"]
    document["actions"][0] = "hör☃"
    (folder / "m.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    for args in (
        ["sample", "m.json", "--episodes", "50", "--steps", "20", "--seed", "1", "-o", "d.csv"],
        ["solve", "m.json", "-q", "-o", "p.json"],
        ["problem", "rocksample", "--size", "5", "--rocks", "5", "--seed", "1", "-o", "rs.pomdp"],
    ):
        assert run(*args, cwd=folder).returncode == 0
    return folder


# ---------------------------------------------------------------- kills

SLOW_WRITER = """
import sys, time
from pathlib import Path
from pomdptool.formats.atomic import open_atomic
with open_atomic(Path(sys.argv[1])) as stream:
    stream.write(b"new" * 100_000)
    stream.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def test_a_kill_within_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(target)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert target.read_text() == "old"
    others = [path for path in tmp_path.iterdir() if path != target]
    assert all(path.name.startswith(".pomdptool-") for path in others)


def killed_at_random(command: list[str], folder: Path, target: Path, times: int) -> set[bytes]:
    """Kill a command at random moments of its life; return what the target held afterwards."""
    rng = random.Random(1)
    began = time.monotonic()
    subprocess.run([*COMMAND, *command], cwd=folder, capture_output=True, check=True)
    life = time.monotonic() - began
    found = {target.read_bytes()}
    for _ in range(times):
        target.write_bytes(b"old")
        with subprocess.Popen(
            [*COMMAND, *command], cwd=folder, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(rng.uniform(0.6, 1.05) * life)
            process.kill()
        found.add(target.read_bytes())
    return found


@pytest.mark.parametrize("times", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_kills_at_random_leave_the_old_or_the_whole_new_file(times: int, folder: Path) -> None:
    target = folder / "killed.json"
    found = killed_at_random(["convert", "rs.pomdp", "-o", target.name], folder, target, times)
    assert len(found - {b"old"}) == 1
    for left in folder.glob(".pomdptool-*"):
        left.unlink()


# ---------------------------------------------------------------- full disks

WRITERS = {
    "convert": ["convert", "rs.pomdp", "-o", "out.json"],
    "gzip": ["convert", "rs.pomdp", "-o", "out.json.gz"],
    "solve": ["solve", "rs.pomdp", "--method", "qmdp", "-q", "-o", "out.json"],
    "csv": ["sample", "m.json", "--episodes", "2000", "--seed", "1", "--steps", "50"],
    "trace": ["simulate", "m.json", "--policy", "p.json", "--episodes", "300", "--seed", "1"],
}
WRITERS["parquet"] = [*WRITERS["csv"], "-o", "out.parquet"]
WRITERS["csv"] += ["-o", "out.csv"]
WRITERS["trace"] += ["--trace", "out.jsonl"]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(name: str, folder: Path) -> None:
    command = WRITERS[name]
    target = folder / command[-1]
    target.write_bytes(b"old")
    small = 20_000
    result = run(
        *command,
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (small, small)),
    )
    assert result.returncode == 1
    assert result.stderr.decode() == f"error: {target.name}: File too large\n"
    assert target.read_bytes() == b"old"
    assert not list(folder.glob(".pomdptool-*"))


def in_a_namespace(line: str, folder: Path) -> Result:
    """Run a line of bash that mounts file systems of its own, where that is allowed."""
    if shutil.which("unshare") is None or shell("unshare -rm true", folder).returncode:
        pytest.skip("mounting is not allowed here")
    return shell(f"unshare -rm bash -c {line!r}", folder)


def test_a_full_file_system(folder: Path) -> None:
    (folder / "disk").mkdir(exist_ok=True)
    line = (
        "mount -t tmpfs -o size=64k none disk && echo old > disk/out.json && "
        f"{sys.executable} -m pomdptool convert rs.pomdp -o disk/out.json; "
        "echo $?; ls -A disk; cat disk/out.json"
    )
    result = in_a_namespace(line, folder)
    assert result.stdout.decode() == "1\nout.json\nold\n"
    assert result.stderr.decode() == "error: disk/out.json: No space left on device\n"


# ---------------------------------------------------------------- nothing can be written


@pytest.mark.slow
def test_a_read_only_system_works(folder: Path) -> None:
    """Kernels are compiled, and not kept anywhere."""
    shutil.copytree(ROOT / "pomdptool", folder / "install" / "pomdptool",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    shutil.copytree(ROOT / "grammars", folder / "install" / "grammars")
    line = (
        "mount -o remount,bind,ro / && for m in /tmp /var/tmp /dev/shm; do "
        "mountpoint -q $m && mount -o remount,bind,ro $m; done; touch x; cd /; "
        f"PYTHONPATH={folder}/install PYTHONDONTWRITEBYTECODE=1 {sys.executable} -m pomdptool "
        f"solve {ROOT}/problems/hallway.pomdp --time-limit 1"
    )
    result = in_a_namespace(line, folder)
    if b"Read-only file system" not in result.stderr:
        pytest.skip("the system cannot be made read-only here")
    assert b"compiling" in result.stderr
    quiet_about_code(result)
    assert json.loads(result.stdout)["stop_reason"] == "time-limit"


def test_a_home_that_is_none(folder: Path) -> None:
    gone = {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": "/proc/none"}
    result = run("solve", "m.json", "-q", cwd=folder, env={**os.environ, **gone})
    assert result.returncode == 0
    assert json.loads(result.stdout)["converged"] is True


def test_a_folder_that_refuses(folder: Path) -> None:
    result = run("convert", TIGER, "-o", "/proc/out.json", cwd=folder)
    assert result.returncode == 2
    assert b"'/proc/out.json' cannot be written: " in result.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_compile_at_once(folder: Path) -> None:
    cache = folder / "cache"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [*COMMAND, "solve", str(ROOT / "problems" / "hallway.pomdp"), "--time-limit", "5"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ends = [process.communicate(timeout=600) for process in processes]
    assert b"compiling" in ends[0][1] + ends[1][1]
    for process, (out, _) in zip(processes, ends, strict=True):
        assert process.returncode == 0
        assert json.loads(out)["stop_reason"] == "time-limit"
    after = run("solve", ROOT / "problems" / "hallway.pomdp", "--time-limit", "1", env=environment)
    assert after.returncode == 0
    assert b"compiling" not in after.stderr
    assert list(cache.rglob("*.nbi"))


# ---------------------------------------------------------------- streams, terminals, locales

COMMANDS = {
    "info": "pomdptool info m.json",
    "check": "pomdptool check m.json --json",
    "solve": "pomdptool solve m.json",
    "sample": "pomdptool sample m.json --episodes 100 --seed 1",
    "act": "pomdptool act m.json p.json",
    "loglik": "pomdptool loglik m.json d.csv",
    "help": "pomdptool --help",
    "convert": "pomdptool convert m.json",
    "decode": "pomdptool decode m.json d.csv",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_closed_streams(name: str, folder: Path) -> None:
    """A result that nobody can read is a failure; messages that nobody can read are none."""
    for streams, code in (
        *((">&-", 1), ("2>&- >&- <&-", 1), ("2>&- >&-", 1), (">/dev/full", 1)),
        *(("2>&-", 0), ("<&- 2>&-", 0), ("| true", 0)),
    ):
        result = shell(f"set -o pipefail; {COMMANDS[name]} {streams}", folder)
        quiet_about_code(result)
        assert result.returncode == code, streams


@pytest.mark.parametrize(
    "command", ["info -", "solve -", "check", "loglik m.json -", "fit - --states 2 --seed 1"]
)
def test_a_closed_input_is_an_empty_one(command: str, folder: Path) -> None:
    result = shell(f"pomdptool {command} <&-", folder)
    assert result.returncode == 1
    quiet_about_code(result)
    assert b"empty" in result.stderr + result.stdout


def test_without_a_terminal_of_its_own(folder: Path) -> None:
    result = run("solve", "m.json", cwd=folder, start_new_session=True)
    assert result.returncode == 0
    assert b"\x1b" not in result.stderr


@pytest.mark.parametrize("columns", [1, 40])
def test_narrow_terminals(columns: int, folder: Path) -> None:
    for command in (["info", "rs.pomdp"], ["solve", "m.json"], ["solve", "--help"]):
        master, slave = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, *command],
            cwd=folder, stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
        ) as process:  # fmt: skip
            os.close(slave)
            said = b""
            while True:
                try:
                    part = os.read(master, 4096)
                except OSError:  # the other end is closed
                    break
                said += part
        os.close(master)
        assert process.returncode == 0
        assert said
        assert b"Traceback" not in said


C_LOCALE = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))},
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
}


def test_another_locale_changes_no_result(folder: Path) -> None:
    for command in ("info m.json", "decode m.json d.csv", "sample m.json --seed 3 --episodes 9"):
        there = shell(f"pomdptool {command}", folder)
        here = shell(f"pomdptool {command}", folder, env=C_LOCALE)
        assert here.returncode == there.returncode == 0
        assert here.stdout == there.stdout
    result = shell("echo hear-left | pomdptool act m.json p.json", folder, env=C_LOCALE)
    assert result.stdout.decode() == "hör☃\nhör☃\n"
    line = "cp m.json ü.json; pomdptool info ü.json; pomdptool info ö.json"
    result = shell(line, folder, env=C_LOCALE)
    quiet_about_code(result)
    assert "Größe" in result.stdout.decode()
    assert "ö.json" in result.stderr.decode()


# ---------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform != "linux", reason="address space is counted elsewhere otherwise")
@pytest.mark.parametrize(
    ("megabytes", "command"),
    [(200, "solve rs.pomdp"), (400, "solve rs.pomdp"), (350, "fit d.csv --states 2 --seed 1")],
)
def test_little_memory_is_one_line(megabytes: int, command: str, folder: Path) -> None:
    """Less than this, and libraries give up by themselves before our code runs.

    How much of it they take depends on their versions.
    """
    result = run(
        *command.split(),
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGA,) * 2),
    )
    quiet_about_code(result)
    assert result.returncode == 1 or (megabytes > 200 and result.returncode == 0)
    if result.returncode == 1:
        assert result.stderr.splitlines()[-1].startswith((b"error: ", b"OpenBLAS error: "))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="address space is counted elsewhere otherwise")
def test_the_anytime_solver_ends_with_its_best_where_memory_ends(folder: Path) -> None:
    run("problem", "rocksample", "--size", "7", "--rocks", "8", "--seed", "1", "-o", "rs78.pomdp",
        cwd=folder)  # fmt: skip
    assert run("solve", "rs78.pomdp", "--time-limit", "1", "-q", cwd=folder).returncode == 0
    result = run(
        *("solve", "rs78.pomdp", "--time-limit", "60"),
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (900 * MEGA,) * 2),
    )
    policy = json.loads(result.stdout)
    assert result.returncode == 0
    assert policy["stop_reason"] == "memory"
    assert policy["bounds"]["lower"] > 10


# ---------------------------------------------------------------- settings of others


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_NUM_THREADS", "x"), ("NUMBA_NUM_THREADS", "-1"), ("NUMBA_OPT", "x")],
)
def test_settings_that_numba_cannot_read_are_one_line(name: str, value: str, folder: Path) -> None:
    command = ["simulate", "m.json", "--planner", "random", "--steps", "3000", "--episodes", "2"]
    result = run(*command, "--seed", "1", "-q", cwd=folder, env={**os.environ, name: value})
    assert result.returncode == 1
    assert re.fullmatch(rb"error: cannot load a library: numba: [^\n]+\n", result.stderr)
    assert name.encode() in result.stderr or value == "-1"
