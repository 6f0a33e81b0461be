"""Numbers as options: what is not finite, not in range or absurd is wrong usage, everywhere."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import pomdptool
from models import tiger
from pomdptool.acting.simulate import simulate
from pomdptool.commands.main import cli
from pomdptool.commands.numbers import MAX_THREADS, AnyReal, Real, Whole
from processes import call

ABSURD = ["nan", "NaN", "inf", "-inf", "1e999", "x", "", "1" + "0" * 30, "-" + "9" * 5000]


def numbers() -> Iterator[tuple[str, click.Parameter, Any]]:
    """Every parameter of every command that takes a number."""
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        inner: dict[str, Any] = {"": command}
        if isinstance(command, click.Group):
            inner = dict(command.commands)
        for part, one in inner.items():
            for param in one.params:
                kinds = param.type.types if isinstance(param.type, click.Tuple) else [param.type]
                for kind in kinds:
                    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
                        yield f"{name} {part} {param.name}", param, kind


NUMBERS = list(numbers())


def test_there_are_numbers() -> None:
    assert len(NUMBERS) > 40


@pytest.mark.parametrize(("param", "kind"), [n[1:] for n in NUMBERS], ids=[n[0] for n in NUMBERS])
def test_every_number_is_bounded(param: click.Parameter, kind: Any) -> None:
    assert isinstance(kind, Whole | Real | AnyReal)
    finite = isinstance(kind, Real | AnyReal)
    for value in ABSURD:
        if finite and value.startswith("1000") and getattr(kind, "max", None) is None:
            continue  # a large number is one
        if value.startswith("-9") and isinstance(kind, AnyReal):
            continue
        with pytest.raises(click.BadParameter):
            kind.convert(value, param, None)
    least = getattr(kind, "min", None)
    if least is not None:
        with pytest.raises(click.BadParameter):
            kind.convert(str(least - 1), param, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    pomdptool.dump(tiger(), folder / "m.json")
    return folder


@pytest.mark.parametrize(
    "args",
    [
        ["simulate", "m.json", "--exploration", "nan"],
        ["simulate", "m.json", "--time", "nan"],
        ["simulate", "m.json", "--sims", "1e20"],
        ["simulate", "m.json", "--sims", "100000000000000000000"],
        ["solve", "m.json", "--precision", "nan"],
        ["solve", "m.json", "--precision", "-1"],
        ["solve", "m.json", "--time-limit", "inf"],
        ["problem", "maze", "m.json", "--goal", "nan"],
        ["problem", "rocksample", "--size", "2", "--rocks", "1", "--position", "-1", "0"],
        ["compare", "m.json", "m.json", "--episodes", "10000", "--steps", "10000"],
    ],
)
def test_wrong_numbers_are_wrong_usage(args: list[str], folder: Path) -> None:
    code, out, err = call(folder, *args)
    assert (code, out) == (2, b"")
    assert "Traceback" not in err


def test_there_are_no_more_threads_than_work(folder: Path) -> None:
    most = threading.active_count()

    def look() -> bool:
        nonlocal most
        most = max(most, threading.active_count())
        return False

    simulate(tiger(), pomdptool.Pomcp(tiger(), sims=5), episodes=3, steps=2, threads=10**9,
             rng=np.random.default_rng(1), interrupted=look)  # fmt: skip
    assert most <= threading.active_count() + 3
    args = ["simulate", "m.json", "--planner", "random", "--episodes", "3", "--steps", "2"]
    code, _, _ = call(folder, *args, "--threads", "99999999999", "--seed", "1")
    assert code == 0
    assert MAX_THREADS < 10**4


@pytest.mark.parametrize(
    ("sims", "episodes", "steps"), [(10**12, 1, 1), (1, 10**9, 5), (1, 1, 10**9)]
)
def test_an_interrupt_ends_a_simulation_in_its_midst(sims: int, episodes: int, steps: int) -> None:
    """What has ended counts; where nothing has, the interrupt is raised."""
    asked = itertools.count()

    def play() -> int:
        rng = np.random.default_rng(1)
        found = simulate(tiger(), pomdptool.Pomcp(tiger(), sims=sims), episodes=episodes,
                         steps=steps, rng=rng, interrupted=lambda: next(asked) >= 50)  # fmt: skip
        assert found.interrupted
        return len(found.returns)

    if episodes == 1:
        with pytest.raises(KeyboardInterrupt):
            play()
    else:
        assert play() == 4  # of five steps, each asked after its search and after itself, and once
    assert next(asked) < 60


# ---------------------------------------------------------------- rewards and values near the limit


@pytest.mark.parametrize(
    "args",
    [
        ["solve", "huge.json"],
        ["simulate", "huge.json", "--planner", "random"],
        ["simulate", "huge.json", "--sims", "5"],
        ["simulate", "huge.json", "--policy", "huge.alpha"],
        ["evaluate", "huge.json", "huge.alpha"],
        ["evaluate", "m.json", "huge.alpha"],
        ["compare", "huge.json", "huge.json"],
    ],
)
def test_what_cannot_be_added_up_is_refused(args: list[str], folder: Path) -> None:
    """Warnings are errors here, so that numpy's never reach standard error either."""
    huge = [[-1.0, -1.0], [-1e308, 1e308], [1e308, -1e308]]
    document = json.loads((folder / "m.json").read_text())
    document["R"] = {"shape": [3, 2, 1, 1], "values": list(itertools.chain(*huge))}
    (folder / "huge.json").write_text(json.dumps(document))
    (folder / "huge.alpha").write_text("0\n1e308 -1e308\n\n1\n-1e308 1e308\n")
    code, out, err = call(folder, *args, "--seed", "1", "-q")
    assert (code, out) == (1, b"")
    assert re.fullmatch(
        r"error: (rewards|values) up to 1e\+308 are too large to be added up\n", err
    )
