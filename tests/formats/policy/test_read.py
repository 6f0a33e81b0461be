"""Policies read back: every kind round trips, what does not fit is refused, by our errors alone."""

from __future__ import annotations

import copy
import functools
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import pomdptool
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.errors import FormatError, PolicyError, PomdpError
from pomdptool.formats.policy.alpha import read_alpha, write_alpha
from pomdptool.formats.policy.json import read_policy_json
from pomdptool.formats.policy.read import load_policy, load_vectors
from pomdptool.formats.policy.write import encode_policy
from pomdptool.lookahead import on_faces
from pomdptool.model import Model, make_model
from pomdptool.policy import AlphaVectors, SolvedPolicy

PROBLEMS = ROOT / "problems"


@functools.cache
def maze() -> Model:
    return pomdptool.load(PROBLEMS / "maze-4x3.pomdp")


def costly() -> Model:
    T, Z = np.full((2, 2, 2), 0.5), np.array([[0.8, 0.2], [0.3, 0.7]])
    return make_model(T, Z, [[-3.0, 0.0], [-2.0, -1.0]], discount=0.9, costs=True)


Make = Callable[[], Model]

KINDS: list[tuple[Make, dict[str, Any]]] = [
    (tiger, {"method": "exact"}),
    (tiger, {"horizon": 3, "all_horizons": True}),
    (
        tiger,
        {"horizon": 3, "terminal": np.array([[1.0, -0.0], [0.0, 1 / 3]]), "all_horizons": True},
    ),
    (tiger, {"method": "fib"}),
    (tiger, {"method": "blind", "horizon": 4}),
    (tiger, {"method": "exact", "discount": 0.5}),
    (maze, {"method": "exact", "precision": 1e-2}),
    (maze, {"horizon": 4}),
    (maze, {"horizon": 3, "all_horizons": True, "full_simplex": True}),
    (maze, {"horizon": 3, "all_horizons": True}),
    (maze, {"horizon": 3, "all_horizons": True, "terminal": np.linspace(-1, 1, 22).reshape(2, 11)}),
    (costly, {"method": "exact"}),
    (costly, {"horizon": 2, "all_horizons": True, "terminal": np.array([[0.0, -5.0]])}),
    (lambda: random_model(3), {"horizon": 2}),
]


@functools.cache
def solved(k: int) -> tuple[Model, SolvedPolicy]:
    make, options = KINDS[k]
    model = make()
    return model, pomdptool.solve(model, **options).policy


def same_values(read: Any, known: Any, n_states: int) -> None:
    for b in random_beliefs(20, n_states):
        assert_allclose(read.value(b), known.value(b), rtol=1e-9, atol=1e-9)
        ours, theirs = read.action(b), known.action(b)
        assert ours == theirs or n_states > 2  # ties may fall otherwise where faces overlap


@pytest.mark.parametrize("k", range(len(KINDS)))
def test_json_round_trip(k: int) -> None:
    model, policy = solved(k)
    text = encode_policy(policy, "json")
    for given_model in (None, model):
        read = read_policy_json(text, "p.json", given_model)
        assert encode_policy(read, "json") == text
        assert (read.bounds, read.graph_value) == (policy.bounds, policy.graph_value)
        assert (read.horizon, read.stats) == (policy.horizon, policy.stats)
        assert_array_equal(read.problem.start, policy.problem.start)
        assert replace(read.problem, start=policy.problem.start).digest == policy.problem.digest
    same_values(read.values, policy.values, model.n_states)
    assert len(read.stages) == len(policy.stages)
    for ours, theirs in zip(read.stages, policy.stages, strict=True):
        same_values(ours, theirs, model.n_states)


@pytest.mark.parametrize("make", [tiger, maze, costly])
def test_linked_vectors_round_trip(make: Make) -> None:
    model = make()
    policy = pomdptool.solve(model, "sarsop", precision=1e-2).policy
    text = encode_policy(policy, "json")
    for given_model in (None, model):
        read = read_policy_json(text, "p.json", given_model)
        assert encode_policy(read, "json") == text
        assert read.bounds == policy.bounds
        same_values(read.values, policy.values, model.n_states)


@pytest.mark.parametrize("k", range(len(KINDS)))
def test_without_the_model_values_inside_faces_are_known(k: int) -> None:
    model, policy = solved(k)
    read = read_policy_json(encode_policy(policy, "json"), "p.json")
    pairs = [*zip(read.stages, policy.stages, strict=True)]
    if policy.horizon is None or next(policy.values.rows()).states is None:
        pairs.append((read.values, policy.values))
    for ours, theirs in pairs:
        for row in theirs.rows():
            b = np.zeros(model.n_states)
            b[slice(None) if row.states is None else row.states] = 1.0
            b /= b.sum()
            assert ours.value(b) == pytest.approx(theirs.value(b), abs=0.01 if k == 6 else 1e-8)
            best = ours.action(b)
            assert 0 <= best < model.n_actions


def test_values_elsewhere_ask_for_the_model() -> None:
    for k in (6, 9):
        policy = read_policy_json(encode_policy(solved(k)[1], "json"), "p.json")
        values = policy.stages[1] if k == 9 else policy.values
        for ask in (values.value, values.action):
            with pytest.raises(PolicyError, match="the model is needed"):
                ask(maze().start)
            with pytest.raises(PolicyError, match="the model is needed"):
                ask(np.zeros(11))


def test_with_a_horizon_vectors_on_faces_are_those_after_a_step() -> None:
    model, policy = solved(7)
    read = read_policy_json(encode_policy(policy, "json"), "p.json")
    corner = np.eye(11)[0]
    with pytest.raises(PolicyError, match="give values after a step: the model is needed"):
        read.value(corner)
    read = read_policy_json(encode_policy(policy, "json"), "p.json", model)
    assert read.value(corner) == pytest.approx(policy.value(corner), abs=1e-9)


def test_another_discount_is_the_policys() -> None:
    model, policy = solved(5)
    assert read_policy_json(encode_policy(policy, "json"), "p.json", model).problem.discount == 0.5
    model = maze()
    policy = pomdptool.solve(model, "exact", discount=0.5, horizon=2).policy
    read = read_policy_json(encode_policy(policy, "json"), "p.json", model)
    assert read.value(model.start) == pytest.approx(policy.value(model.start), abs=1e-12)


def test_overlapping_faces_give_the_largest_value() -> None:
    def one(values: list[float], action: int) -> AlphaVectors:
        return AlphaVectors(np.array([action]), np.array([values]))

    faces = on_faces(
        [(one([1.0, 4.0], 0), np.array([0, 1])), (one([5.0, 2.0], 1), np.array([1, 2]))], 3
    )
    assert faces.value(np.array([0.0, 1.0, 0.0])) == 5.0
    assert faces.action(np.array([0.0, 1.0, 0.0])) == 1
    assert faces.value(np.array([0.5, 0.5, 0.0])) == 2.5
    assert faces.value(np.array([0.0, 0.5, 0.5])) == 3.5
    with pytest.raises(PolicyError):
        faces.value(np.array([0.5, 0.0, 0.5]))


# ---------------------------------------------------------------- files


def test_files_of_either_form(tmp_path: Path) -> None:
    model, policy = solved(0)
    for name in ("p.json", "p.json.gz", "p.alpha", "p.alpha.gz"):
        pomdptool.dump(policy, tmp_path / name)
        read = pomdptool.load_policy(tmp_path / name, model)
        assert read.value(model.start) == policy.value(model.start)
        assert read.act(np.array([0.01, 0.99])) == policy.act(np.array([0.01, 0.99]))
    assert read.bounds == pomdptool.Bounds(-np.inf, np.inf)
    assert not read.converged
    odd = tmp_path / "p.txt"
    odd.write_text(encode_policy(policy, "json"))
    assert load_policy(odd).method == "exact"
    odd.write_text(encode_policy(policy, "alpha"))
    assert load_policy(odd, model).method == "alpha"
    with odd.open() as stream:
        assert load_policy(stream, model).method == "alpha"
    assert load_policy(io.StringIO(encode_policy(policy, "json"))).method == "exact"
    assert load_policy(io.BytesIO(encode_policy(policy, "json").encode())).method == "exact"


def test_files_that_hold_no_values(tmp_path: Path) -> None:
    _, policy = solved(0)
    for name in ("p.pg", "p.dot"):
        pomdptool.dump(policy, tmp_path / name)
        with pytest.raises(PolicyError, match=r"read from \.json or \.alpha"):
            load_policy(tmp_path / name)
    pomdptool.dump(policy, tmp_path / "p.alpha")
    with pytest.raises(PolicyError, match="give the model"):
        load_policy(tmp_path / "p.alpha")
    with pytest.raises(OSError, match="none"):
        load_policy(tmp_path / "none.json")
    (tmp_path / "p.json.gz").write_bytes(gzip.compress(b"{}")[:15])
    with pytest.raises(FormatError, match="compression"):
        load_policy(tmp_path / "p.json.gz")
    with pytest.raises(FormatError, match="pomdptool/policy"):
        load_policy(io.StringIO('{"format": "pomdptool/model", "version": 1}'))


def test_vectors_of_a_cost_model_are_read_in_rewards(tmp_path: Path) -> None:
    model, policy = solved(11)
    known = np.array([row.values for row in policy.values.rows()])
    assert known.max() < 0
    for name in ("p.json", "p.alpha"):
        pomdptool.dump(policy, tmp_path / name)
        assert_array_equal(load_vectors(tmp_path / name, model), known)
    assert json.loads((tmp_path / "p.json").read_text())["vectors"][0]["values"][0] > 0


# ---------------------------------------------------------------- does it fit


def test_a_policy_of_another_model_is_refused(tmp_path: Path) -> None:
    model, policy = solved(0)
    pomdptool.dump(policy, tmp_path / "p.json")

    def refused(other: Model) -> str:
        with pytest.raises(PolicyError) as caught:
            load_policy(tmp_path / "p.json", other)
        return str(caught.value)

    assert "for 2 states, the model has 11" in refused(maze())
    assert "action 0 is 'listen' there and 'hear'" in refused(
        replace(model, actions=("hear", "open-left", "open-right"))
    )
    assert "state 1 is 'tiger-right' there" in refused(replace(model, states=("tiger-left", "b")))
    assert "observation 0 is 'tiger-left'" in refused(
        replace(model, observations=("a", "tiger-right"))
    )
    assert "the initial beliefs differ" in refused(replace(model, start=np.array([0.25, 0.75])))
    assert "probabilities, rewards or discount differ" in refused(replace(model, discount=0.9))
    assert "in rewards, this one is in costs" in refused(replace(model, costs=True))
    load_policy(tmp_path / "p.json", replace(model, name="another"))


# ---------------------------------------------------------------- .alpha


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_alpha_text(end: str) -> None:
    text = end.join(["", "0", "1.0 -2.5e-3", "", "1", "+3 .5", "12", " 7. 8 \t"])
    read = read_alpha(text, "x.alpha")
    assert read.actions.tolist() == [0, 1, 12]
    assert read.values.tolist() == [[1.0, -0.0025], [3.0, 0.5], [7.0, 8.0]]
    assert read_alpha(write_alpha(read), "x").values.tolist() == read.values.tolist()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "there are no vectors"),
        ("\n \n", "1:1", "there are no vectors"),
        ("0\n", "1:2", "the values of the last vector are missing"),
        ("0\n1 2\n\n1", "4:2", "the values of the last vector are missing"),
        ("a\n1 2\n", "1:1", "expected the number of an action, not 'a'"),
        ("-1\n1 2\n", "1:1", "not '-1'"),
        ("1.0\n1 2\n", "1:1", "not '1.0'"),
        ("\u0663\n1 2\n", "1:1", "expected the number of an action"),
        ("9999999999\n1 2\n", "1:1", "expected the number of an action"),
        ("3\n1 2\n", "1:1", "there is no action 3: the actions are 0 to 2"),
        ("0 1 2\n1 2\n", "1:3", "alone on its line"),
        ("0\n1 x2\n", "2:3", "expected a number, not 'x2'"),
        ("0\n1 nan\n", "2:3", "expected a number, not 'nan'"),
        ("0\r\n1 -inf\r\n", "2:3", "expected a number, not '-inf'"),
        ("0\n1 1_0\n", "2:3", "expected a number"),
        ("0\n1 1e400\n", "2:3", "the number 1e400 is too large"),
        ("0\n1\n", "2:2", "expected 2 values, not 1"),
        ("0\n1 2 3 \n", "2:6", "expected 2 values, not 3"),
    ],
)
def test_alpha_errors_have_their_place(text: str, place: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_alpha(text, "x.alpha", 2, 3)
    assert str(caught.value).startswith(f"x.alpha:{place}: ")
    assert message in str(caught.value)


def test_alpha_names_every_wrong_line() -> None:
    with pytest.raises(FormatError) as caught:
        read_alpha("a\n1 2\n0\n1 b\n0\n1\n", "x.alpha", 2, 2)
    assert [f.line for f in caught.value.findings] == [1, 4, 6]
    with pytest.raises(FormatError) as caught:
        read_alpha("a\n1\n" * 1000, "x.alpha", 2, 2)
    assert len(caught.value.findings) == 100


def test_alpha_vectors_are_of_one_length() -> None:
    with pytest.raises(FormatError, match="expected 3 values, not 2"):
        read_alpha("0\n1 2 3\n\n0\n1 2\n", "x.alpha")


# ---------------------------------------------------------------- JSON that is wrong


@functools.cache
def documents() -> list[Any]:
    policies = [solved(k)[1] for k in (2, 9, 12, 3)]
    policies.append(pomdptool.solve(tiger(), "sarsop", precision=0.1).policy)
    return [json.loads(encode_policy(policy, "json")) for policy in policies]


def good() -> Any:
    return copy.deepcopy(documents()[0])


def error(document: Any) -> str:
    with pytest.raises(FormatError) as caught:
        read_policy_json(json.dumps(document), "p.json")
    assert str(caught.value).startswith("p.json:1:1: ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "pomdptool/model", '"format": "pomdptool/policy"'),
        (["version"], 2, "version 2 is not known"),
        (["problem"], [], '"problem" must be an object'),
        (["problem", "name"], None, '"problem"."name" must be text'),
        (["problem", "states"], [], '"problem"."states" must be a list of 1'),
        (["problem", "states"], ["a", "a"], '"problem"."states" must hold different names'),
        (["problem", "states", 1], 5, '"problem"."states"[1] must be text'),
        (["problem", "states"], ["a"], '"problem"."start" must hold 1 numbers'),
        (["problem", "discount"], 1.5, '"problem"."discount" must lie between'),
        (["problem", "discount"], True, '"problem"."discount" must be a number'),
        (["problem", "values"], ["cost"], '"problem"."values" must be "reward"'),
        (["problem", "start"], [0.5, 0.6], '"problem"."start" must hold probabilities'),
        (["problem", "start"], [-0.5, 1.5], '"problem"."start" must hold probabilities'),
        (["method"], 1, '"method" must be text'),
        (["converged"], 1, '"converged" must be true or false'),
        (["bounds"], None, '"bounds" must be an object'),
        (["bounds", "lower"], "low", '"bounds"."lower" must be a number'),
        (["bounds", "lower"], "inf", '"bounds" must have "lower" below "upper"'),
        (["horizon"], 0, '"horizon" must be a whole number from 1'),
        (["horizon"], 2.0, '"horizon" must be a whole number'),
        (["horizon"], True, '"horizon" must be a whole number'),
        (["stats", "seconds"], "1", '"stats"."seconds" must be a number'),
        (["graph"], 5, '"graph" must be an object'),
        (["graph", "start"], 99, '"graph"."start" must be a whole number from 0 to'),
        (["graph", "nodes"], [], '"graph"."start" must be'),
        (["graph", "nodes", 0, "action"], 3, '"graph"."nodes"[0]."action" must be'),
        (["graph", "nodes", 0, "next"], [0], '"graph"."nodes"[0]."next" must hold 2 nodes'),
        (["graph", "nodes", 0, "next", 1], -1, '"graph"."nodes"[0]."next"[1] must be'),
        (["graph", "value"], "much", '"graph"."value" must be a number'),
        (["terminal_values"], [], '"terminal_values" must hold at least one'),
        (["terminal_values", 0], [1], '"terminal_values"[0] must hold 2 numbers'),
        (["trace"], 5, '"trace" must be a list'),
        (["trace"], [[0.0, 1.0, 2.0]], '"trace"[0] must hold seconds, two bounds and a count'),
        (["vectors"], [], '"vectors" must hold at least one'),
        (["vectors"], {}, '"vectors" must be a list'),
        (["vectors", 1], 7, '"vectors"[1] must be an object'),
        (["vectors", 1, "action"], 3, '"vectors"[1]."action" must be a whole number from 0 to 2'),
        (["vectors", 1, "action"], False, '"vectors"[1]."action" must be'),
        (["vectors", 1, "values"], [1.0], '"vectors"[1]."values" must hold 2 numbers'),
        (["vectors", 1, "values"], [1.0, None], '"vectors"[1]."values" must hold numbers'),
        (["vectors", 1, "values"], [1.0, True], '"vectors"[1]."values" must hold numbers'),
        (["vectors", 1, "values"], [1.0, 10**400], '"vectors"[1]."values" holds a number that is'),
        (["vectors", 1, "states"], [0, 1], '"vectors" must have "states" in every vector'),
        (["vectors", 1, "states"], [], '"vectors"[1]."states" must hold ascending'),
        (["vectors", 1, "states"], [1, 0], '"vectors"[1]."states" must hold ascending'),
        (["vectors", 1, "states"], [0, 2], '"vectors"[1]."states" must hold ascending'),
        (["vectors", 1, "states"], [0, 0], '"vectors"[1]."states" must hold ascending'),
        (["vectors", 1, "states"], 1, '"vectors"[1]."states" must hold ascending'),
        (["stages"], 1, '"stages" must be a list'),
        (["stages", 1, "steps"], 1, '"stages"[1]."steps" must be 2'),
        (["stages", 1, "vectors"], [], '"stages"[1]."vectors" must hold at least one'),
        (["stages", 0, "vectors", 0, "values"], "x", '"stages"[0]."vectors"[0]."values" must hold'),
    ],
)
def test_wrong_parts_are_named(path: list[Any], value: Any, message: str) -> None:
    document = good()
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert message in error(document)


def test_missing_parts_are_named() -> None:
    for key in good():
        if key in ("terminal_values", "stages", "trace"):
            continue
        document = good()
        del document[key]
        assert key in error(document)
    for key in good()["problem"]:
        document = good()
        del document["problem"][key]
        assert f'"problem" must have "{key}"' in error(document)
    for key in ("action", "values"):
        document = good()
        del document["vectors"][2][key]
        assert f'"vectors"[2] must have "{key}"' in error(document)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000])
def test_numbers_that_are_none(constant: str) -> None:
    text = json.dumps(good()).replace(json.dumps(good()["bounds"]["upper"]), constant)
    with pytest.raises(FormatError):
        read_policy_json(text, "p.json")


def test_infinite_bounds_are_text() -> None:
    document = good()
    document["bounds"] = {"lower": "-inf", "upper": "inf"}
    assert read_policy_json(json.dumps(document), "p").bounds == pomdptool.Bounds(-np.inf, np.inf)


# ---------------------------------------------------------------- mutations

LEAVES: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    0.5,
    10**30,
    1e308,
    "",
    "inf",
    "cost",
    "é",
    [],
    {},
    [[]],
    [0, 1],
]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in items:
        if isinstance(part, (dict, list)):
            found += paths(part, (*at, key))
        else:
            found.append((*at, key))
    return found


@functools.cache
def places(k: int) -> list[tuple[Any, ...]]:
    return paths(documents()[k])


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A policy with one to three parts replaced, removed or repeated."""
    k = draw(st.integers(0, len(documents()) - 1))
    document = copy.deepcopy(documents()[k])
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(k)))
        at = document
        try:
            for key in path:
                at = at[key]
            what = draw(st.sampled_from(["replace", "remove", "repeat"]))
            if what == "replace":
                at[last] = copy.deepcopy(draw(st.sampled_from(LEAVES)))
            elif what == "remove":
                del at[last]
            else:
                at[last] = [at[last], copy.deepcopy(at[last])]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took the place away
    return document


def use(policy: SolvedPolicy) -> None:
    """Whatever was read works, or says why it cannot."""
    b = np.full(len(policy.problem.states), 1.0 / len(policy.problem.states))
    encode_policy(policy, "json")
    for values in (policy.values, *policy.stages):
        try:
            assert np.isfinite(values.value(b))
            assert 0 <= values.action(b) < len(policy.problem.actions)
        except PolicyError:
            continue


@settings(max_examples=400, deadline=5000)
@given(mutated())
def test_mutated_json_raises_nothing_else(document: Any) -> None:
    for model in (None, tiger(), maze()):
        try:
            policy = read_policy_json(json.dumps(document), "p.json", model)
        except PomdpError as refused:
            str(refused).encode()
        else:
            use(policy)


@settings(max_examples=300, deadline=5000)
@given(st.data())
def test_mutated_text_raises_nothing_else(data: st.DataObject) -> None:
    text = encode_policy(solved(0)[1], data.draw(st.sampled_from(["json", "alpha"])))
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(text)))
        j = i + data.draw(st.integers(0, 8))
        text = (
            text[:i] + data.draw(st.text(max_size=3) | st.sampled_from("0-.e\n\r{}[]")) + text[j:]
        )
    for suffix in ("json", "alpha", "txt"):
        stream = io.StringIO(text)
        stream.name = f"p.{suffix}"
        for read in (load_policy, load_vectors):
            try:
                found = read(stream, tiger())
            except PomdpError as refused:
                str(refused).encode()
            else:
                if isinstance(found, SolvedPolicy):
                    use(found)
            stream.seek(0)
