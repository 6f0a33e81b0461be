"""Models: validation by `make_model`, derived quantities, equality and digest."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
from pomdptool import sparse
from pomdptool.errors import ModelError
from pomdptool.formats.models import encode_model, loads
from pomdptool.formats.pomdp import reward_rules
from pomdptool.model import Model, make_model
from pomdptool.sparse import from_dense, from_entries
from samples import counted, rows, small_models, wide_models

EYE = np.eye(2)
HALF = np.full((2, 2), 0.5)
GOOD: dict[str, Any] = {"T": [EYE, HALF], "Z": [[1, 0, 0], [0, 0.5, 0.5]], "discount": 0.9}


def make(**changes: Any) -> Model:
    return make_model(**{**GOOD, **changes})


def test_defaults() -> None:
    m = make()
    assert (m.states, m.actions, m.observations) == (("0", "1"), ("0", "1"), ("0", "1", "2"))
    assert_array_equal(m.start, [0.5, 0.5])
    assert_array_equal(m.T, GOOD["T"])
    assert_array_equal(m.Z, [GOOD["Z"]] * 2)
    assert_array_equal(m.R, np.zeros((2, 2, 2, 3)))
    assert (m.n_states, m.n_actions, m.n_observations) == (2, 2, 3)
    assert (m.discount, m.costs, m.mdp, m.name) == (0.9, False, False, "")


def test_sparse_rows_make_the_same_model() -> None:
    T = from_dense(np.array(GOOD["T"]))
    Z = from_dense(np.array([GOOD["Z"]] * 2, dtype=float))
    assert make(T=T, Z=Z).equals(make())


def test_sparse_observations_of_the_wrong_shape_are_errors() -> None:
    with pytest.raises(ModelError, match="Z"):
        make(Z=from_dense(np.array([[[1.0, 0.0]] * 3] * 2)))


def test_without_observations_it_is_an_mdp() -> None:
    m = make(Z=None, states=["a", "b"])
    assert m.mdp
    assert m.observations == ("a", "b")
    assert_array_equal(m.Z, [EYE, EYE])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": EYE}, r"T must have shape \(A, S, S\), not \(2, 2\)"),
        ({"T": np.full((1, 4, 2), 0.5)}, r"T must have shape \(A, S, S\)"),
        ({"Z": np.full((1, 4, 2), 0.5)}, "Z must have shape"),
        ({"Z": np.full((4, 1, 2), 0.5)}, "Z must have shape"),
        ({"Z": np.full((4, 2), 0.5)}, r"Z must have shape .* not \(4, 2\)"),
        ({"T": np.ones((1, 3, 2)) / 2}, r"T must have shape \(A, S, S\)"),
        ({"T": np.zeros((0, 2, 2))}, r"T must have shape \(A, S, S\)"),
        ({"T": np.zeros((2, 0, 0))}, r"T must have shape \(A, S, S\)"),
        (
            {"T": [EYE, [[0.5, 0.4], [0, 1]]]},
            r"T: the row of action '1', state '0' sums to 0.9, not 1",
        ),
        ({"T": [EYE, [[1.5, -0.5], [0, 1]]]}, "T contains a number that is not a probability"),
        ({"T": [EYE, [[np.nan, 1], [0, 1]]]}, "T contains a number that is not a probability"),
        ({"T": [EYE, [[np.inf, 1], [0, 1]]]}, "T contains a number that is not a probability"),
        ({"T": [EYE, np.zeros((2, 2))]}, r"T: .* sums to 0, not 1 \(2 such rows\)"),
        ({"Z": [[1, 0]]}, r"Z must have shape .* not \(1, 2\)"),
        ({"Z": [[[1, 0], [1, 0], [1, 0]]] * 2}, r"Z must have shape .* not \(2, 3, 2\)"),
        ({"Z": [1, 0]}, r"Z must have shape .* not \(2,\)"),
        ({"Z": [[0.5, 0.4], [1, 0]]}, "Z: the row of action '0', state '0' sums to 0.9"),
        ({"Z": [[2, -1], [1, 0]]}, "Z contains a number that is not a probability"),
        ({"discount": 1.5}, "discount must lie between 0 and 1, not 1.5"),
        ({"discount": -0.1}, "discount must lie between 0 and 1"),
        ({"discount": float("nan")}, "discount must lie between 0 and 1"),
        ({"start": [1.0]}, r"start must have shape \(2,\), not \(1,\)"),
        ({"start": [0.5, 0.4]}, "start sums to 0.9, not 1"),
        ({"start": [1.5, -0.5]}, "start contains a number that is not a probability"),
        ({"start": [np.nan, 1]}, "start contains a number that is not a probability"),
        ({"states": ["a"]}, "1 state names for 2 states"),
        ({"actions": ["a", "a"]}, "the action name 'a' occurs twice"),
        ({"observations": ["a", "b", "c", "d"]}, "4 observation names for 3 observations"),
        ({"R": np.zeros((2, 2, 2, 3, 1))}, "R has 5 axes"),
        ({"R": np.zeros((3, 2))}, r"R of shape \(3, 2, 1, 1\) does not fit \(2, 2, 2, 3\)"),
        ({"R": np.zeros((2, 2, 2, 2))}, "does not fit"),
        ({"R": [[1, 2], [3, np.nan]]}, r"R\[1, 1, 0, 0\] is nan, not a finite number"),
        ({"R": [[1, 2], [-np.inf, 1]]}, r"R\[1, 0, 0, 0\] is -inf, not a finite number"),
    ],
)
def test_invalid_models_are_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make(**changes)


def test_start_whose_sum_overflows_is_an_error() -> None:
    with pytest.raises(ModelError, match="start sums to"):
        make(start=[1e308, 1e308])


def test_errors_of_rows_use_the_names_of_the_model() -> None:
    with pytest.raises(ModelError, match="action 'open', state 'left'"):
        make(T=[EYE, [[0.5, 0.4], [0, 1]]], states=["left", "right"], actions=["listen", "open"])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2,), (2, 1, 1, 1)), ((2, 2), (2, 2, 1, 1)), ((1, 1, 2), (1, 1, 2, 1)), ((), (1, 1, 1, 1))],
)
def test_missing_axes_of_R_are_added_at_the_end(
    shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    R = np.arange(int(np.prod(shape))).reshape(shape)
    assert make(R=R).rewards.stored.shape == expected
    assert_array_equal(make(R=R).rewards.stored.ravel(), R.ravel())


def test_R_shrinks_along_axes_that_it_does_not_depend_on() -> None:
    R = np.zeros((2, 2, 2, 3))
    R[:, 1] = 4
    assert make(R=R).rewards.stored.shape == (1, 2, 1, 1)
    assert not make(R=R).rewards.depends_on_next


def test_minus_zero_becomes_zero() -> None:
    assert not np.signbit(make(R=[[-0.0, 1], [-0.0, -0.0]]).R).any()


def test_arrays_are_copied() -> None:
    arrays = {"T": np.array(GOOD["T"]), "R": np.ones((2, 2)), "start": np.array([0.5, 0.5])}
    m = make(**arrays)
    for array in arrays.values():
        array[...] = 7
    assert m.equals(make(R=np.ones((2, 2))))
    assert all(array.flags.writeable for array in arrays.values())


# ---------------------------------------------------------------- views


@pytest.mark.parametrize("view", ["T", "Z", "R", "expected_rewards", "start"])
def test_views_are_cached_and_read_only(view: str) -> None:
    m = make(R=np.arange(24.0).reshape(2, 2, 2, 3))
    array = getattr(m, view)
    assert getattr(m, view) is array
    assert array.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


def test_sparse_tables_are_read_only() -> None:
    for table in (make().sparse_T, make().sparse_Z):
        for array in (table.indptr, table.indices, table.data):
            assert not array.flags.writeable


def test_a_model_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().discount = 0.5  # type: ignore[misc]


def test_replace_does_not_keep_old_views() -> None:
    m = make()
    assert m.T[0, 0, 0] == 1
    other = dataclasses.replace(m, sparse_T=make(T=[HALF, HALF]).sparse_T)
    assert other.T[0, 0, 0] == 0.5


def large(n: int = 20_000) -> Model:
    diagonal = from_entries(n, n, np.arange(n), np.arange(n), np.ones(n))
    return make_model(diagonal, None, np.zeros(1), discount=1)


@pytest.mark.parametrize("view", ["T", "Z"])
def test_large_dense_view_is_an_error_with_its_size(view: str) -> None:
    with pytest.raises(
        ModelError, match=rf"dense {view} of shape 1 x 20000 x 20000 .* 3\.0 GiB .*limit 1\.0"
    ):
        getattr(large(), view)


def test_large_reward_view_is_an_error_with_its_size() -> None:
    n = 20_000
    text = f"discount: 1 values: reward states: {n} actions: 1 T: 0 identity R: 0 : 1 : 1 5"
    model = loads(text)
    with pytest.raises(ModelError, match=r"dense R of shape 1 x 20000 x 20000 x 1 .*3\.0 GiB"):
        _ = model.R
    assert model.expected_rewards[0, :3].tolist() == [0, 5, 0]


def test_dense_limit_is_exact() -> None:
    with patch.object(sparse, "DENSE_LIMIT", 64):
        sparse.check_dense_size((2, 2, 2), "T", limit=64)
        with pytest.raises(ModelError):
            sparse.check_dense_size((2, 2, 3), "T", limit=64)


# ---------------------------------------------------------------- against loops

MODELS = small_models(counted) | wide_models()


@given(small_models(counted))
def test_expected_rewards_agree_with_the_oracle(m: Model) -> None:
    expected = naive.expected_rewards(m.T, m.Z, m.R)
    assert_allclose(
        m.expected_rewards, expected, rtol=1e-12, atol=1e-12 * np.abs(m.R).max() + 1e-320
    )


@given(small_models(counted))
def test_rewards_of_steps_are_those_of_the_table(m: Model) -> None:
    full = np.broadcast_to(m.R, (m.n_actions, m.n_states, m.n_states, m.n_observations))
    assert_array_equal(m.rewards.on_steps(m.steps), full[m.steps.indices])


@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
def test_terminal_states_agree_with_the_oracle(data: st.DataObject, A: int, S: int, Z: int) -> None:
    T = np.zeros((A, S, S))
    stays = data.draw(st.lists(st.integers(0, 4), min_size=A * S, max_size=A * S))
    for k, stay in enumerate(stays):
        a, s = divmod(k, S)
        T[a, s, s if stay else (s + 1) % S] += 0.5
        T[a, s, s] += 0.5
    O = np.array(data.draw(rows(S, Z)))  # noqa: E741
    n = A * S * S * Z
    mostly_zero = st.sampled_from([0.0] * 12 + [1.0, -1.0])
    R = np.array(data.draw(st.lists(mostly_zero, min_size=n, max_size=n))).reshape(A, S, S, Z)
    m = make_model(T, O, R, discount=0.5)
    assert m.terminal_states.tolist() == naive.terminal_states(m.T, m.Z, m.R)
    with patch.object(reward_rules, "TABLE_LIMIT", 1):
        on_support = loads(encode_model(m, "pomdp")[0])
    assert on_support.terminal_states.tolist() == m.terminal_states.tolist()


def test_terminal_state_by_example() -> None:
    T = np.array([np.eye(3), [[0, 1, 0], [0, 1, 0], [0, 0, 1]]])
    assert make_model(T, np.ones((3, 1)), discount=1).terminal_states.tolist() == [1, 2]
    R = [[0, 0, 0], [0, 0, -1]]
    assert make_model(T, np.ones((3, 1)), R, discount=1).terminal_states.tolist() == [1]


def test_rewards_that_cancel_are_not_terminal() -> None:
    R = np.zeros((1, 1, 1, 2))
    R[..., 0], R[..., 1] = 1, -1
    m = make_model([[[1.0]]], [[0.5, 0.5]], R, discount=1)
    assert m.expected_rewards[0, 0] == 0
    assert m.terminal_states.tolist() == []


# ---------------------------------------------------------------- equality

CHANGES: list[dict[str, Any]] = [
    {"T": [EYE, EYE]},
    {"T": [EYE, [[0.5, 0.5], [np.nextafter(0.5, 0), np.nextafter(0.5, 1)]]]},
    {"Z": [[1, 0, 0], [0, 0.25, 0.75]]},
    {"R": [1.0, 0.0]},
    {"discount": 0.95},
    {"start": [1, 0]},
    {"costs": True},
    {"states": ["a", "b"]},
    {"actions": ["a", "b"]},
    {"observations": ["a", "b", "c"]},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: next(iter(c)))
def test_any_difference_makes_models_unequal(change: dict[str, Any]) -> None:
    assert not make(**change).equals(make())
    assert not make().equals(make(**change))
    assert make(**change).digest != make().digest
    assert make(**change).equals(make(**change))
    assert make(**change).digest == make(**change).digest


def test_the_mdp_flag_makes_models_unequal() -> None:
    mdp = make(Z=None)
    pomdp = make(Z=EYE)
    assert not mdp.equals(pomdp)
    assert mdp.digest != pomdp.digest


def test_the_name_does_not_matter_for_equality() -> None:
    assert make(name="x").equals(make(name="y"))
    assert make(name="x").digest == make(name="y").digest


def test_any_name_has_a_digest() -> None:
    assert make(states=["\uffff\U0001f42f", "b"]).digest != make().digest


def test_a_lone_surrogate_is_not_a_name() -> None:
    with pytest.raises(ModelError, match="lone surrogate"):
        make(states=["\ud800", "b"])


def test_names_do_not_run_together_in_the_digest() -> None:
    assert make(states=["a\nb", "c"]).digest != make(states=["a", "b\nc"]).digest


# ---------------------------------------------------------------- renormalising


TINY = [k * sign * 2.0**-50 for k in (1, 2, 3, 5, 9, 20, 60) for sign in (1, -1)]


def test_renormalisation_is_reported() -> None:
    m = make(T=[EYE, [[0.5, 0.500004], [0.5, 0.5]]], start=[0.500008, 0.5])
    assert m.renormalised["T"].rows == 1
    assert m.renormalised["T"].worst == pytest.approx(4e-6)
    assert m.renormalised["O"].rows == 0
    assert m.renormalised["start"].worst == pytest.approx(8e-6)
    assert m.T[1, 0].sum() == pytest.approx(1, abs=1e-15)
    assert m.start.sum() == pytest.approx(1, abs=1e-15)


@given(MODELS)
def test_rebuilding_from_the_views_gives_an_equal_model(m: Model) -> None:
    Z = None if m.mdp else m.Z
    again = make_model(
        m.T, Z, m.R, discount=m.discount, start=m.start, states=m.states, actions=m.actions,
        observations=m.observations, costs=m.costs,
    )  # fmt: skip
    assert again.equals(m)
    assert again.digest == m.digest
