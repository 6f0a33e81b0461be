"""Policies in JSON: round trips, models that do not fit, invalid documents."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pomdptool
from models import tiger
from pomdptool.errors import FormatError, PolicyError
from pomdptool.formats.policy.json import read_policy_json
from pomdptool.formats.policy.write import encode_policy
from pomdptool.lookahead import on_faces
from pomdptool.policy import AlphaVectors
from solved_policies import KINDS, Make, costly, documents, maze, same_values, solved


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


def sarsop_document() -> Any:
    """A policy of sarsop in JSON, whose vectors form a controller."""
    return json.loads(encode_policy(pomdptool.solve(tiger()).policy, "json"))


def test_the_graph_of_a_controller_is_written() -> None:
    document = sarsop_document()
    nodes, vectors = document["graph"]["nodes"], document["vectors"]
    assert document["graph"]["start"] == 0
    assert document["graph"]["value"] == document["graph_value"] == pytest.approx(19.3713683749)
    assert [node["action"] for node in nodes] == [vector["action"] for vector in vectors]
    assert [node["next"] for node in nodes] == [vector["next"] for vector in vectors]


def test_files_without_the_graph_of_a_controller_are_read() -> None:
    document = sarsop_document()
    text = json.dumps(document | {"graph": None})
    read = read_policy_json(text, "p.json")
    assert read.graph is not None
    assert read.graph.n_nodes == len(document["vectors"])
    assert read.graph_value == document["graph_value"]
    assert json.loads(encode_policy(read, "json")) == document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["graph"], 5, '"graph" must be an object'),
        (["graph", "start"], 1, '"graph"."start" must agree with "next" of the vectors'),
        (["graph", "nodes", 0, "action"], 2, '"graph"."nodes" must agree with "next"'),
        (["graph", "nodes", 1, "next"], [0, 1], '"graph"."nodes" must agree with "next"'),
        (["graph", "nodes"], [], '"graph"."nodes" must agree with "next"'),
        (["graph_value"], "much", '"graph_value" must be a number'),
    ],
)
def test_the_graph_of_a_controller_must_be_that_of_its_vectors(
    path: list[Any], value: Any, message: str
) -> None:
    document = sarsop_document()
    at = document
    for key in path[:-1]:
        at = at[key]
    assert at[path[-1]] != value
    at[path[-1]] = value
    assert message in error(document)


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


def test_values_outside_faces_need_the_model() -> None:
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
        (["version"], 2, "version 2 is not supported"),
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
        (["problem", "start"], [1e308, 1e308], '"problem"."start" must hold probabilities'),
        (["method"], 1, '"method" must be text'),
        (["converged"], 1, '"converged" must be true or false'),
        (["bounds"], None, '"bounds" must be an object'),
        (["bounds", "lower"], "low", '"bounds"."lower" must be a number'),
        (["bounds", "lower"], "inf", '"bounds" must have "lower" below "upper"'),
        (["horizon"], 0, '"horizon" must be a whole number of at least 1'),
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
def test_invalid_numbers(constant: str) -> None:
    text = json.dumps(good()).replace(json.dumps(good()["bounds"]["upper"]), constant)
    with pytest.raises(FormatError):
        read_policy_json(text, "p.json")


def test_infinite_bounds_are_text() -> None:
    document = good()
    document["bounds"] = {"lower": "-inf", "upper": "inf"}
    assert read_policy_json(json.dumps(document), "p").bounds == pomdptool.Bounds(-np.inf, np.inf)
