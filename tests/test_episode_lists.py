"""Episodes from lists, and from and to data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pomdptool as pt
from pomdptool.episodes import NONE, Episodes


class Frame:
    """As much of a data frame as is used."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.data = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return np.array(self.data[name], dtype=object)

    def __len__(self) -> int:
        return len(self.data[self.columns[0]])


def test_steps_are_tuples_or_observations() -> None:
    made = Episodes.from_lists([[("go", "b", 1.5), ("stay", None)], [("go", "a", -1)]])
    assert (made.action_names, made.observation_names) == (("go", "stay"), ("a", "b"))
    assert made.actions.tolist() == [0, 1, 0]
    assert made.observations.tolist() == [1, NONE, 0]
    assert made.first.tolist() == [0, 2, 3]
    assert made.rewards is not None
    assert_array_equal(made.rewards, [1.5, np.nan, -1.0])
    chain = Episodes.from_lists([[10, 9, 10]])
    assert (chain.action_names, chain.observation_names) == (("0",), ("9", "10"))
    assert (chain.observations.tolist(), chain.rewards) == ([1, 0, 1], None)


def test_alphabets_fix_the_order() -> None:
    made = Episodes.from_lists([["b"]], observations=["b", "a"])
    assert (made.observation_names, made.observations.tolist()) == (("b", "a"), [0])
    with pytest.raises(pt.DataError, match="unknown observation 'hear-lefd'; did you mean"):
        Episodes.from_lists([["hear-lefd"]], observations=["hear-left"])


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        (["text"], "episode 0 must be a list of steps, not 'text'"),
        ([[(1, 2, 3, 4)]], r"episode 0, step 0: expected \(action, observation\)"),
        ([[(1, 2, "much")]], "the reward 'much' is not a number"),
    ],
)
def test_other_forms_are_refused(episodes: Any, message: str) -> None:
    with pytest.raises(pt.DataError, match=message):
        Episodes.from_lists(episodes)


def test_a_model_is_learned_from_lists() -> None:
    rng = np.random.default_rng(1)
    made = Episodes.from_lists([rng.integers(0, 2, 20).tolist() for _ in range(20)])
    assert pt.fit(made, 1, rng=1, restarts=1).model.n_observations == 2


def test_frames_are_grouped_and_ordered() -> None:
    frame = Frame(
        {"user": [7, 3, 7], "t": [1, 0, 0], "act": ["x", "y", "z"], "obs": ["a", "b", float("nan")]}
    )
    made = Episodes.from_pandas(frame, episode="user", step="t", action="act", observation="obs")
    assert made.labels == [7, 3]
    assert [made.action_names[a] for a in made.actions] == ["z", "x", "y"]
    assert made.observations.tolist() == [NONE, 0, 1]
    with pytest.raises(pt.DataError, match="no column 'observation': name it"):
        Episodes.from_pandas(frame)
    with pytest.raises(pt.DataError, match="has no column 'obz'; did you mean 'obs'"):
        Episodes.from_pandas(frame, observation="obz")
    with pytest.raises(pt.DataError, match="unknown column 'acton'; did you mean 'action'"):
        Episodes.from_pandas(frame, acton="act", observation="obs")


def test_pandas_round_trip() -> None:
    pandas = pytest.importorskip("pandas")
    episodes = pt.sample(pt.tiger(), episodes=5, steps=4, rng=1)
    frame = episodes.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    names = {"actions": episodes.action_names, "observations": episodes.observation_names}
    again = Episodes.from_pandas(frame, **names)  # type: ignore[arg-type]
    for name in ("actions", "observations", "rewards", "first", "numbers"):
        assert_array_equal(getattr(again, name), getattr(episodes, name))


def test_without_pandas_an_error_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(pt.DataError, match="pip install pandas"):
        pt.sample(pt.tiger(), episodes=1, steps=1, rng=1).to_pandas()
