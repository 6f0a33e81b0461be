"""Standard output carries results and nothing else, whatever libraries print to its descriptor.

Commands run in this process, where click holds their results in memory; all that reaches the file
descriptor itself is foreign. The test of one command in a process of its own shows the same from
outside.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT
from pomdptool.commands.main import COMMANDS, cli
from pomdptool.commands.planners import PLANNERS
from pomdptool.solving.exact import highs
from pomdptool.solving.solve import ALGORITHMS, METHODS

TIGER = str(ROOT / "problems" / "tiger.pomdp")
SHUTTLE = str(ROOT / "problems" / "shuttle.pomdp")

# Every command, with each method that it has. Files are made by the lines before.
LINES = [
    *(f"solve {TIGER} --method {method} --time-limit 5 --seed 1 --json" for method in METHODS),
    *(f"solve {SHUTTLE} --algorithm {name} --horizon 5 --json" for name in ALGORITHMS),
    f"solve {TIGER} --full-simplex --method exact --json",
    f"solve {TIGER} -o p.json",
    f"solve {TIGER} -o p.alpha",
    f"solve {TIGER} --resume p.json --precision 1e-4 --json",
    *(
        f"simulate {TIGER} --planner {name} --episodes 2 --sims 20 --seed 1 --json"
        for name in PLANNERS
    ),
    f"simulate {TIGER} --policy p.json --episodes 20 --seed 1 --trace t.jsonl --json",
    f"evaluate {TIGER} p.json --seed 1 --json",
    f"evaluate {TIGER} p.alpha --seed 1 --json",
    f"act {TIGER} p.json",
    f"policy p.json --model {TIGER} --at 0.3,0.7 --json",
    f"info {TIGER} --tables",
    f"check {TIGER} --json",
    f"convert {TIGER} -o m.json",
    *(f"problem {family}" for family in ("tiger", "heavenhell", "tag", "list", "hallway")),
    "problem rocksample --size 3 --rocks 2 --seed 1",
    f"sample {TIGER} --episodes 30 --steps 10 --seed 1",
    *(
        f"sample {TIGER} --episodes 30 --steps 10 --seed 1 -o d.{kind}"
        for kind in ("csv", "tsv", "jsonl", "parquet", "csv.gz")
    ),
    *(f"fit d.{kind} --states 2 --seed 1 --restarts 2" for kind in ("csv", "jsonl", "parquet")),
    "fit d.csv --states 2 --seed 1 --restarts 2 -o l.pomdp --report r.json",
    "fit d.csv --method udm --max-states 3 --seed 1",
    *(f"fit d.csv --states 1:2 --select {by} --seed 1" for by in ("bic", "aic", "heldout")),
    "loglik l.pomdp d.csv --json",
    *(f"decode l.pomdp d.csv --method {method}" for method in ("posterior", "viterbi", "filter")),
    f"compare {TIGER} l.pomdp --seed 1 --episodes 5 --json",
    *(f"plot {file} -o x.svg" for file in ("p.json", "r.json", "t.jsonl")),
    "plot p.json --show graph -o x.png",
    "help solve",
    "completion bash",
]


def test_every_command_is_tried() -> None:
    assert {line.split()[0] for line in LINES} == set(COMMANDS)


def test_nothing_foreign_reaches_the_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in LINES:
        result = CliRunner().invoke(cli, line.split(), input="hear-left\n")
        ctypes.CDLL(None).fflush(None)
        foreign = capfd.readouterr()
        assert (foreign.out, foreign.err) == ("", ""), line
        assert result.exit_code == 0, (line, result.output)
        if "--json" in line:
            json.loads(result.stdout)


def test_from_outside_too() -> None:
    command = [sys.executable, "-m", "pomdptool", "solve", SHUTTLE, "--horizon", "5"]
    result = subprocess.run(
        [*command, "--algorithm", "witness"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert json.loads(result.stdout)["converged"] is True


# ------------------------------------------------------------ the linear programming solver


def test_what_c_printed_before_a_solver_is_made_is_kept(
    capfd: pytest.CaptureFixture[str],
) -> None:
    c = ctypes.CDLL(None)
    c.printf(b"before ")
    highs.new_solver()
    os.write(1, b"after")
    c.fflush(None)
    assert capfd.readouterr().out == "before after"


def test_a_solver_is_made_where_standard_output_is_closed() -> None:
    code = (
        "import os; os.close(1); from pomdptool.solving.exact.highs import new_solver; new_solver()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_user_of_highs_in_the_process_changes_nothing() -> None:
    """HiGHS refuses to run with another number of threads than its scheduler was started with."""
    code = (
        "import highspy, pomdptool\n"
        "other = highspy.Highs()\n"
        "other.setOptionValue('threads', 2)\n"
        "other.addVar(0.0, 1.0)\n"
        "other.run()\n"
        f"model = pomdptool.load({SHUTTLE!r})\n"
        "solution = pomdptool.solve(model, horizon=6, algorithm='witness')\n"
        "print('vectors', solution.policy.stats['vectors'])\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code.replace("'threads', 2", f"'threads', {threads}")],
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in (1, 2)
    ]  # fmt: skip
    last = [output.splitlines()[-1] for output in outputs]
    assert last[0] == last[1]
    assert last[0].startswith("vectors ")


@pytest.mark.parametrize("call", ["setOptionValue", "addVar", "addRow", "changeColsCost", "run"])
def test_a_failed_call_is_an_error(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import highspy

    monkeypatch.setattr(highspy.Highs, call, lambda *_: SimpleNamespace(name="kError"))
    model = pomdptool.load(SHUTTLE)
    with pytest.raises(pomdptool.PomdpError, match="HiGHS failed"):
        pomdptool.solve(model, horizon=5, algorithm="witness")


def test_programs_without_an_optimum_keep_their_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dropped on the word of a solver that found nothing, and the bounds still hold."""
    import highspy

    model = pomdptool.load(SHUTTLE)
    right = pomdptool.solve(model, horizon=3, algorithm="incremental")
    monkeypatch.setattr(
        highspy.Highs, "getModelStatus", lambda _: highspy.HighsModelStatus.kUnknown
    )
    doubtful = pomdptool.solve(model, horizon=3, algorithm="incremental")
    assert doubtful.policy.stats["vectors"] >= right.policy.stats["vectors"]
    assert doubtful.bounds.lower == pytest.approx(right.bounds.lower, rel=1e-9)
