"""Models of families compared with problem files and published ones."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from pomdptool.errors import PomdpWarning
from pomdptool.formats.models import load
from pomdptool.model import Model
from pomdptool.sparse import SparseRows

PROBLEMS = Path(__file__).parents[1] / "problems"

SHARED = Path(__file__).parents[2] / "shared" / "problems"

RUSSELL = "...+\n.#.-\n....\n"


def published(name: str) -> Model:
    """Read a published file, or skip the test where there is none."""
    path = SHARED / f"{name}.POMDP"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PomdpWarning)
        return load(path)


def problem(name: str) -> Model:
    return load(PROBLEMS / f"{name}.pomdp")


def same_rows(ours: SparseRows, theirs: SparseRows, atol: float) -> None:
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=0, atol=atol)


def same_model(ours: Model, theirs: Model, atol: float = 1e-12) -> None:
    """Compare two models whose states, actions and observations come in the same order."""
    assert ours.discount == theirs.discount
    same_rows(ours.sparse_T, theirs.sparse_T, atol)
    same_rows(ours.sparse_Z, theirs.sparse_Z, atol)
    np.testing.assert_allclose(ours.start, theirs.start, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.expected_rewards, theirs.expected_rewards, atol=100 * atol)


def index(model: Model, state: str) -> int:
    return model.states.index(state)


def after(model: Model, state: str, action: str) -> dict[str, float]:
    """Next states and their probabilities."""
    row = model.T[model.actions.index(action), index(model, state)]
    return {model.states[i]: float(row[i]) for i in np.flatnonzero(row)}


def observations_in(model: Model, state: str, action: str) -> dict[str, float]:
    """Observations on arrival in a state, and their probabilities."""
    row = model.Z[model.actions.index(action), index(model, state)]
    return {model.observations[i]: float(row[i]) for i in np.flatnonzero(row)}


def reward(model: Model, state: str, action: str) -> float:
    return float(model.expected_rewards[model.actions.index(action), index(model, state)])
