"""What public functions say to arguments of another kind, and seeds in place of generators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from models import tiger

MODEL: Any = tiger()
PATH: Any = "some.file"


@pytest.mark.parametrize(
    ("call", "loader"),
    [
        (lambda: pt.solve(PATH), "load"),
        (lambda: pt.solve(Path("some.file")), "load"),  # type: ignore[arg-type]
        (lambda: pt.info(PATH), "load"),
        (lambda: pt.simulate(PATH, None, rng=1), "load"),
        (lambda: pt.simulate(MODEL, PATH, rng=1), "load_policy"),
        (lambda: pt.sample(PATH, episodes=1, steps=1, rng=1), "load"),
        (lambda: pt.sample(MODEL, episodes=1, steps=1, rng=1, policy=PATH), "load_policy"),
        (lambda: pt.evaluate(PATH, PATH, rng=1), "load"),
        (lambda: pt.evaluate(MODEL, PATH, rng=1), "load_policy"),
        (lambda: pt.agent_for(MODEL, PATH), "load_policy"),
        (lambda: pt.Pomcp(PATH), "load"),
        (lambda: pt.compare(MODEL, PATH, rng=1), "load"),
        (lambda: pt.transfer(PATH, MODEL, rng=1), "load"),
        (lambda: pt.fit(PATH, 2, rng=1), "load_data"),
        (lambda: pt.select(PATH, [2], rng=1), "load_data"),
        (lambda: pt.distinguish(PATH, 2, rng=1), "load_data"),
        (lambda: pt.loglik(MODEL, PATH), "load_data"),
        (lambda: list(pt.decode(MODEL, PATH)), "load_data"),
    ],
)
def test_a_path_is_refused_with_the_call_that_reads_it(
    call: Callable[[], object], loader: str
) -> None:
    with pytest.raises(pt.PomdpError, match=rf"use pomdptool\.{loader}\('some.file'\)"):
        call()


def test_other_things_are_refused_by_their_kind() -> None:
    with pytest.raises(pt.ModelError, match="expected a Model, not int"):
        pt.solve(3)  # type: ignore[arg-type]


def test_load_names_the_function_for_other_files(tmp_path: Path) -> None:
    pt.dump(pt.solve(MODEL, precision=1e-2), tmp_path / "p.json")
    pt.dump(pt.sample(MODEL, episodes=1, steps=2, rng=1), tmp_path / "d.csv")
    with pytest.raises(pt.FormatError, match=r"pomdptool\.load_policy$"):
        pt.load(tmp_path / "p.json")
    with pytest.raises(pt.FormatError, match=r"pomdptool\.load_data$"):
        pt.load(tmp_path / "d.csv")


def test_dump_of_a_solution_writes_its_policy(tmp_path: Path) -> None:
    solution = pt.solve(MODEL, precision=1e-2)
    pt.dump(solution, tmp_path / "p.json")
    assert pt.load_policy(tmp_path / "p.json", MODEL).bounds == solution.bounds
    with pytest.raises(pt.PomdpError, match="cannot write int"):
        pt.dump(3, tmp_path / "p.json")


def generators() -> list[Any]:
    return [1, np.int64(1), np.random.default_rng(1)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: pt.sample(MODEL, episodes=5, steps=5, rng=rng),
        lambda rng: pt.simulate(MODEL, None, episodes=5, rng=rng).returns.tolist(),
        lambda rng: pt.rocksample(3, 2, rng=rng),
        lambda rng: pt.solve(MODEL, "perseus", precision=0.1, rng=rng).bounds,
        lambda rng: pt.Pomcp(MODEL, sims=10, rng=rng).rng_state.tolist(),
        lambda rng: pt.compare(MODEL, MODEL, rng=rng, episodes=5, steps=5).rate_true,
    ],
)
def test_a_seed_stands_for_its_generator(draw: Callable[[Any], Any]) -> None:
    first, *others = map(draw, generators())
    assert all(other == first for other in others)


@pytest.mark.parametrize("rng", [-1, 1.5, "a", True, None])
def test_other_seeds_are_refused(rng: Any) -> None:
    with pytest.raises(pt.PomdpError, match="rng must be a numpy Generator or a whole number"):
        pt.sample(MODEL, episodes=1, steps=1, rng=rng)
