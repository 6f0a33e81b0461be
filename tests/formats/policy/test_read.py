"""Policies read from files, checked against a model, and mutated."""

from __future__ import annotations

import copy
import functools
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import pomdptool
from models import tiger
from pomdptool.errors import FormatError, PolicyError, PomdpError
from pomdptool.formats.policy.json import read_policy_json
from pomdptool.formats.policy.read import load_policy, load_vectors
from pomdptool.formats.policy.write import encode_policy
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from solved_policies import documents, maze, solved


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


def test_files_without_values(tmp_path: Path) -> None:
    _, policy = solved(0)
    for name in ("p.pg", "p.dot"):
        pomdptool.dump(policy, tmp_path / name)
        with pytest.raises(PolicyError, match=r"read from \.json or \.alpha"):
            load_policy(tmp_path / name)
    pomdptool.dump(policy, tmp_path / "p.alpha")
    with pytest.raises(PolicyError, match="the model is required"):
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
    assert "observation 0 is 'hear-left'" in refused(
        replace(model, observations=("a", "hear-right"))
    )
    assert "the initial beliefs differ" in refused(replace(model, start=np.array([0.25, 0.75])))
    assert "probabilities, rewards or discount differ" in refused(replace(model, discount=0.9))
    assert "in rewards, this one is in costs" in refused(replace(model, costs=True))
    load_policy(tmp_path / "p.json", replace(model, name="another"))


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
    leaves = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in items:
        if isinstance(part, (dict, list)):
            leaves += paths(part, (*at, key))
        else:
            leaves.append((*at, key))
    return leaves


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
            change = draw(st.sampled_from(["replace", "remove", "repeat"]))
            if change == "replace":
                at[last] = copy.deepcopy(draw(st.sampled_from(LEAVES)))
            elif change == "remove":
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
def test_mutated_json_raises_package_errors_only(document: Any) -> None:
    for model in (None, tiger(), maze()):
        try:
            policy = read_policy_json(json.dumps(document), "p.json", model)
        except PomdpError as refused:
            str(refused).encode()
        else:
            use(policy)


@settings(max_examples=300, deadline=5000)
@given(st.data())
def test_mutated_text_raises_package_errors_only(data: st.DataObject) -> None:
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
                result = read(stream, tiger())
            except PomdpError as refused:
                str(refused).encode()
            else:
                if isinstance(result, SolvedPolicy):
                    use(result)
            stream.seek(0)
