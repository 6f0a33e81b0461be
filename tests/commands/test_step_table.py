"""Steps that `simulate -v` prints: aligned, with the belief in the order of the model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from models import tiger
from pomdptool.acting.environment import Transition
from pomdptool.acting.runners import RecordedStep
from pomdptool.commands.step_table import MAX_NAME, StepTable
from pomdptool.families.rocksample import rocksample
from pomdptool.model import Model
from processes import TIGER, run

FIELDS = 5
"""Columns without simulations and belief."""


def recorded(model: Model, belief: list[float], time: int = 0, **changes: int) -> RecordedStep:
    indices = {"state": 0, "action": 0, "observation": 0, "next_state": 0} | changes
    return RecordedStep(0, Transition(time, reward=-1.0, belief=np.array(belief), **indices), None)


def test_columns_are_aligned_and_the_belief_has_one_for_each_state() -> None:
    model = tiger()
    table = StepTable(model, planned=False)
    above, titles = table.header
    rows = [
        table.row(recorded(model, [0.03, 0.97], time=9)),
        table.row(recorded(model, [0.97, 0.0302], time=10, action=1, state=1, observation=1)),
        table.row(recorded(model, [1.0, 0.0], time=11, action=2)),
    ]
    assert titles.split() == ["step", "state", "action", "observation", "reward", *model.states]
    assert above.index("belief before") == titles.rindex(model.states[0])
    ends = [match.end() for match in re.finditer(r"\S+", titles)]
    begins = [match.start() for match in re.finditer(r"\S+", titles)]
    for row in rows:
        cells = list(re.finditer(r"\S+", row))
        assert len(cells) == len(ends)
        assert [cell.start() for cell in cells[:4]] == begins[:4]
        assert [cell.end() for cell in cells[4:]] == ends[4:]
    assert [row.split()[FIELDS:] for row in rows] == [
        ["0.03", "0.97"],
        ["0.97", "0.0302"],
        ["1", "0"],
    ]


def test_a_large_belief_lists_likely_states_in_the_order_of_the_model() -> None:
    model = rocksample(3, 2, rng=np.random.default_rng(1))
    belief = np.zeros(model.n_states)
    belief[[7, 2, 5, 9]] = [0.4, 0.3, 0.2, 0.1]
    step = recorded(model, belief.tolist())
    table = StepTable(model, planned=False)
    listed = f"{model.states[2]} 0.3, {model.states[5]} 0.2, {model.states[7]} 0.4 and 1 more"
    assert table.row(step).endswith(f"  {listed}")
    belief[[7, 2]] = [0.3, 0.4]
    changed = table.row(recorded(model, belief.tolist()))
    assert re.findall(r"(\S+) 0\.[234]", changed) == re.findall(r"(\S+) 0\.[234]", listed)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_rows_fit_the_screen(width: int) -> None:
    model = rocksample(3, 2, rng=np.random.default_rng(1))
    belief = np.full(model.n_states, 1.0 / model.n_states)
    table = StepTable(model, planned=True, width=width)
    row = table.row(recorded(model, belief.tolist()))
    assert len(row) <= max(width, table.begin + MAX_NAME)
    assert model.states[0] in row[table.begin :]
    assert max(map(len, StepTable(tiger(), planned=True, width=80).header)) <= 80


def test_simulate_prints_the_table() -> None:
    shown = run("simulate", TIGER, "--planner", "random", "--episodes", "2", "--steps", "3",
                "--seed", "1", "-v").stderr  # fmt: skip
    lines = [line for line in shown.splitlines() if re.match(r"\d\.\d ", line)]
    assert [line.split()[0] for line in lines] == ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]
    assert {len(line) for line in lines} == {len(lines[0])}
    beliefs = [list(map(float, line.split()[FIELDS:])) for line in lines]
    assert all(sum(belief) == pytest.approx(1.0, abs=2e-3) for belief in beliefs)
    assert beliefs[0] == [0.5, 0.5]


def test_compared_policies_run_on_the_same_random_numbers(tmp_path: Path) -> None:
    policy = tmp_path / "tiger.json"
    policy.write_text(run("solve", TIGER).stdout)
    options = ["--episodes", "3", "--steps", "20", "--seed", "1", "--json"]
    documents = []
    for shown in ([], ["-v"]):
        result = run(
            "simulate", TIGER, "--policy", policy, "--compare", policy, *options, *shown
        )  # fmt: skip
        document = json.loads(result.stdout)
        (other,) = document["compared"]
        assert other["mean_discounted_return"] == document["mean_discounted_return"]
        assert other["difference_confidence_95"] == [0.0, 0.0]
        documents.append(document | {"seconds": 0.0, "compared": []})
    assert documents[0] == documents[1]
