"""Data files as text, read by the tests of data formats."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from pomdptool.episodes import Episodes
from pomdptool.formats.data.read import read_episodes
from pomdptool.model import Model, make_model


def read(text: str | bytes, **options: Any) -> Episodes:
    data = text.encode() if isinstance(text, str) else text
    return read_episodes(io.BytesIO(data), **options)


def message(text: str | bytes, **options: Any) -> str:
    with pytest.raises(pt.DataError) as caught:
        read(text, **options)
    return str(caught.value).removeprefix("<data>:")


def model_of(actions: list[str], observations: list[str], states: list[str]) -> Model:
    A, S, Z = len(actions), len(states), len(observations)
    return make_model(
        np.full((A, S, S), 1 / S),
        np.full((A, S, Z), 1 / Z),
        np.zeros((A, S)),
        discount=0.9,
        states=states,
        actions=actions,
        observations=observations,
    )
