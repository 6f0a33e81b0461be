"""Ctrl-C or SIGTERM at any moment: exit code 130, the best so far or nothing, never a traceback."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pomdptool.formats.models import load
from samples import ROOT

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix"),
]

PROBLEMS = ROOT / "problems"

AT_IMPORT = """
import os, signal, sys
what = sys.argv[1]
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == what:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from pomdptool.__main__ import main
sys.argv[:2] = ["pomdptool"]
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupts")
    tiger = str(PROBLEMS / "tiger.pomdp")
    for args in (
        ["sample", tiger, "--episodes", "4000", "--steps", "50", "--seed", "1", "-o", "d.csv"],
        ["solve", tiger, "-q", "-o", "p.json"],
    ):
        subprocess.run([sys.executable, "-m", "pomdptool", *args], cwd=folder, check=True)
    return folder


COMMANDS = {
    "solve": ["solve", str(PROBLEMS / "hallway.pomdp"), "-q", "-o", "o.json"],
    "fit": ["fit", "d.csv", "--states", "5", "--restarts", "50", "--tol", "1e-12", "--seed", "1",
            "-q", "-o", "o.pomdp"],
    "simulate": ["simulate", str(PROBLEMS / "tag.pomdp"), "--episodes", "1000", "--seed", "1", "-q",
                 "-o", "o.json"],
    "evaluate": ["evaluate", str(PROBLEMS / "tiger.pomdp"), "p.json", "--episodes", "1000000",
                 "--seed", "1", "-q"],
    "compare": ["compare", str(PROBLEMS / "hallway.pomdp"), str(PROBLEMS / "hallway.pomdp"),
                "--time-limit", "200", "--precision", "1e-9", "--seed", "1", "-q"],
}  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        *("click", "pomdptool.commands.simulate", "numpy", "numpy.linalg", "lark"),
        *("pomdptool.acting.simulate", "numba", "llvmlite.binding"),
    ],
)
def test_an_interrupt_within_an_import(module: str, folder: Path) -> None:
    command = ["simulate", str(PROBLEMS / "tag.pomdp"), "--seed", "1", "--episodes", "2"]
    result = subprocess.run(
        [sys.executable, "-c", AT_IMPORT, module, *command, "--sims", "1000", "-q"],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert result.returncode == 130
    assert result.stderr in ("", "interrupted\n")
    assert result.stdout == ""


def test_little_is_imported_before_interrupts_are_ours() -> None:
    """Until then Python answers with a traceback: what is imported makes that time longer."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pomdptool.__main__;"
    code += "print(sorted({'typing', 'signal', 'enum', 're', 'numpy', 'click'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


SWALLOWED = """
import os, signal
from pomdptool.commands import main
def run():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        return 0
main._run = run
main.main()
"""


def test_an_interrupt_that_a_library_swallowed_is_one() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (130, "interrupted\n")


STARTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pomdptool.__main__ import main
sys.argv[0] = "pomdptool"
print("started", flush=True)
main()
"""


def interrupted_at_random(name: str, folder: Path, times: int) -> None:
    rng = random.Random(name)
    for _ in range(times):
        for old in folder.glob("o.*"):
            old.unlink()
        with subprocess.Popen(
            [sys.executable, "-c", STARTED, *COMMANDS[name]],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            # Before it runs our code Python does as it likes.
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            moment = rng.choice([rng.uniform(0.001, 0.5), rng.uniform(0.3, 2.5)])
            time.sleep(moment)
            process.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, (moment, err)
        assert err in ("", "interrupted\n"), moment
        assert not list(folder.glob(".pomdptool-*"))
        if (folder / "o.json").exists():
            result = json.loads((folder / "o.json").read_text())
            assert result.get("stop_reason") == "interrupted" or result["interrupted"] is True
        if (folder / "o.pomdp").exists():
            assert load(folder / "o.pomdp").n_states == 5


@pytest.mark.parametrize("times", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COMMANDS)
def test_interrupts_at_random(name: str, times: int, folder: Path) -> None:
    interrupted_at_random(name, folder, times)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ignored_signals_stay_ignored(number: signal.Signals, folder: Path) -> None:
    """As under nohup, or in the background of a script."""
    command = ["solve", str(PROBLEMS / "hallway.pomdp"), "--time-limit", "1", "-q", "-o", "k.json"]
    with subprocess.Popen(
        [sys.executable, "-m", "pomdptool", *command],
        cwd=folder,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    ) as process:
        time.sleep(0.6)
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
    assert json.loads((folder / "k.json").read_text())["stop_reason"] == "time-limit"
