from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
from models import random_beliefs, random_model, tiger
from pomdptool.belief import belief_blocks, update_belief
from pomdptool.model import make_model


@pytest.mark.parametrize("seed", range(10))
def test_update_agrees_with_the_oracle(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=3, n_observations=3)
    for b in random_beliefs(5, 4, seed):
        for a in range(3):
            for o in range(3):
                expected, p = naive.update(model, b, a, o)
                after, probability = update_belief(model, b, a, o)
                assert_allclose(after, expected, rtol=1e-12, atol=1e-15)
                assert_allclose(probability, p, rtol=1e-12, atol=1e-15)


def test_impossible_observation_has_probability_zero() -> None:
    model = make_model(np.eye(2)[None], np.eye(2)[None], discount=0.9)
    after, probability = update_belief(model, np.array([1.0, 0.0]), 0, 1)
    assert probability == 0.0
    assert not after.any()


@pytest.mark.parametrize("every_belief", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_blocks_agree_with_the_oracle(seed: int, every_belief: bool) -> None:
    rng = np.random.default_rng(seed)
    S, A, Z = 9, 2, 3
    T = (rng.random((A, S, S)) < 0.15) + np.eye(S)[rng.integers(S, size=(A, S))]
    O = np.eye(Z)[rng.integers(Z, size=(A, S))] + 0.5 * (rng.random((A, S, Z)) < 0.1)  # noqa: E741
    start = np.eye(S)[rng.integers(S)] + np.eye(S)[rng.integers(S)]
    model = make_model(
        T / T.sum(axis=2, keepdims=True),
        O / O.sum(axis=2, keepdims=True),
        discount=0.9,
        start=start / start.sum(),
    )
    blocks = belief_blocks(model, every_belief=every_belief)
    actual = {frozenset(np.flatnonzero(blocks.label == k).tolist()) for k in range(blocks.count)}
    assert actual == naive.blocks(model, every_belief)
    assert blocks.sizes.tolist() == [int((blocks.label == k).sum()) for k in range(blocks.count)]


def test_tiger_is_one_block() -> None:
    assert belief_blocks(tiger()).sizes.tolist() == [2]


def test_observable_states_are_blocks_of_one_state() -> None:
    model = make_model(np.full((1, 4, 4), 0.25), None, discount=0.9)
    assert belief_blocks(model).largest == 1


def test_belief_blocks_can_be_stopped() -> None:
    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        belief_blocks(tiger(), check=stop)
