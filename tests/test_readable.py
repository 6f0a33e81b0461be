"""Representation, equality, pickling and copies of the objects that users hold."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from models import tiger
from pomdptool.readable import equal

MAX_LINE = 200


@cache
def objects() -> dict[str, Any]:
    """An object of every public class that users get from a function."""
    model = tiger()
    solution = pt.solve(model, precision=1e-2)
    episodes = pt.sample(model, episodes=20, steps=5, rng=1, states=True)
    fitted = pt.fit(episodes, 2, restarts=1, rng=1, max_iter=5)
    simulation = pt.simulate(model, solution, episodes=20, rng=1)
    return {
        "Model": model,
        "ModelInfo": pt.info(model),
        "Solution": solution,
        "SolvedPolicy": solution.policy,
        "Bounds": solution.bounds,
        "Progress": solution.trace[-1],
        "PolicyInfo": pt.policy_info(solution),
        "PolicyAt": pt.policy_at(solution, [0.3, 0.7], model),
        "PolicyGraph": solution.policy.graph,
        "AlphaVectors": pt.solve(model, "qmdp").policy.values,
        "Evaluation": pt.evaluate(model, solution, rng=1, episodes=20),
        "Simulation": simulation,
        "Summary": simulation.summary,
        "Pomcp": pt.Pomcp(model, sims=10, rng=1),
        "Prior": pt.Prior(np.ones(3, np.int64), np.zeros(3)),
        "Episodes": episodes,
        "Columns": pt.Columns(action="act"),
        "Fit": fitted,
        "Selection": pt.select(episodes, [1, 2], rng=1, restarts=1, max_iter=5),
        "Distinction": pt.distinguish(episodes, 2, rng=1, restarts=1, max_iter=5, max_states=2),
        "StandardErrors": pt.standard_errors(fitted, episodes),
        "Likelihood": pt.loglik(model, episodes),
        "Decoded": next(pt.decode(model, episodes)),
        "Comparison": pt.compare(model, fitted.model, rng=1, episodes=5, steps=5),
        "Transfer": pt.transfer(model, fitted.model, rng=1),
        "Check": pt.check(io.StringIO("discount: 0.5 nonsense")),
        "Finding": pt.check(io.StringIO("discount: 0.5 nonsense")).findings[0],
    }


CLASSES = [
    name
    for name in pt.__all__
    if inspect.isclass(getattr(pt, name)) and is_dataclass(getattr(pt, name))
]
ACTING = {"Pomcp"}
"""Objects with a state of their own: equal only to themselves."""


@pytest.mark.parametrize("name", CLASSES)
def test_repr_is_one_short_line(name: str) -> None:
    assert name in objects(), f"add an object of {name} to objects()"
    text = repr(objects()[name])
    assert name in text
    assert "\n" not in text
    assert len(text) < MAX_LINE


@pytest.mark.parametrize("name", sorted(set(CLASSES) - ACTING))
def test_copies_and_pickles_are_equal(name: str) -> None:
    thing = objects()[name]
    for other in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert other == thing
        assert hash(other) == hash(thing)
    assert thing != 1
    assert thing != object()


def test_the_line_of_a_model_tells_its_sizes() -> None:
    expected = "<Model tiger: 2 states, 3 actions, 2 observations, discount 0.95>"
    assert repr(objects()["Model"]) == expected
    assert repr(objects()["Solution"]).startswith("<Solution tiger: sarsop, ")


def test_hostile_names_stay_on_the_line() -> None:
    text = repr(replace(tiger(), name="a\x1b[31m\nb" + "c" * 500))
    assert len(text) < MAX_LINE
    assert text.isprintable()


def test_objects_differ_if_a_number_differs() -> None:
    model = tiger()
    assert model == replace(model, name="another")
    assert model != tiger(discount=0.9)
    episodes = objects()["Episodes"]
    assert replace(episodes, rewards=episodes.rewards + 1.0) != episodes
    assert replace(episodes, rewards=None) != episodes


def test_equality_of_arrays_and_nan() -> None:
    nan = np.array([1.0, np.nan])
    assert equal({"a": (nan, [float("nan")])}, {"a": (nan.copy(), [float("nan")])})
    assert not equal(nan, np.array([1.0, 2.0]))
    assert not equal(np.zeros(2), np.zeros((1, 2)))
    assert not equal([1], (1,))
    assert not equal({"a": 1}, {"b": 1})


def test_errors_can_be_pickled() -> None:
    """A process pool sends them back."""
    with pytest.raises(pt.FormatError) as caught:
        pt.loads("discount: 2 states: 2")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.findings) == (str(caught.value), caught.value.findings)
    data = pickle.loads(pickle.dumps(pt.DataError("first", ["first", "second"])))
    assert (data.findings, data.placed) == (("first", "second"), True)
