"""Value functions plotted over two and three states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import random_beliefs, random_model, tiger
from pomdptool.drawing.progress import bounds_figure
from pomdptool.drawing.triangle import CORNERS, crossing, region_of
from pomdptool.drawing.values import _vectors, value_figure
from pomdptool.envelope import upper_envelope
from pomdptool.errors import PolicyError
from pomdptool.formats.policy.read import read_policy
from pomdptool.formats.policy.write import encode_policy
from pomdptool.lookahead import LookAhead
from pomdptool.model import Model, make_model
from pomdptool.policy import Bounds
from pomdptool.solving.solve import solve

if TYPE_CHECKING:
    pass
from figures import policy_of, svg_of


@pytest.mark.parametrize("seed", range(20))
def test_the_envelope_is_the_largest_line(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(12, 2)).round(seed % 3)
    pieces = upper_envelope(values)
    assert pieces[0][1] == 0.0
    assert pieces[-1][2] == 1.0
    assert [left for _, left, _ in pieces[1:]] == [right for _, _, right in pieces[:-1]]
    for k, left, right in pieces:
        assert left < right
        for x in np.linspace(left, right, 5):
            at = values[:, 0] + x * (values[:, 1] - values[:, 0])
            assert at[k] == pytest.approx(at.max(), abs=1e-12)


def test_the_envelope_of_equal_lines_has_one_of_them() -> None:
    assert len(upper_envelope(np.ones((3, 2)))) == 1
    assert len(upper_envelope(np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]]))) == 2


@pytest.mark.parametrize("seed", range(10))
def test_regions_partition_the_triangle(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(15, 3))
    rivals = np.arange(15)
    regions = [region_of(k, rivals, values) for k in range(15)]

    def area(polygon: np.ndarray) -> float:
        x, y = (polygon @ CORNERS).T
        return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))

    total = sum(area(region) for region in regions if len(region) > 2)
    assert total == pytest.approx(area(np.eye(3)))
    for k, region in enumerate(regions):
        if len(region) > 2:
            inside = region.mean(axis=0)
            assert values[k] @ inside == pytest.approx((values @ inside).max())
    for b in random_beliefs(20, 3, seed):
        assert len(regions[int((values @ b).argmax())]) > 2


def test_contour_lines_end_on_the_boundary() -> None:
    heights = np.array([0.0, 1.0, 2.0])
    ends = crossing(np.eye(3), heights, 0.5)
    assert ends @ heights == pytest.approx([0.5, 0.5])
    assert sorted(ends.tolist()) == [[0.5, 0.5, 0.0], [0.75, 0.0, 0.25]]
    assert len(crossing(np.eye(3), heights, 3.0)) == 0


def test_figures_of_two_states_name_states_and_actions() -> None:
    model = tiger()
    values = np.array([[1.0, 1.0], [-5.0, 3.0], [3.0, -5.0]])
    picture = svg_of(value_figure(policy_of(model, values, [0, 1, 2])))
    for words in ("open-left", "open-right", "listen", "optimal value", "start"):
        assert f"<!-- {words} -->" in picture
    without = svg_of(value_figure(policy_of(model, values[1:], [1, 2])))
    assert "<!-- listen" not in without


def test_costs_are_drawn_as_costs() -> None:
    model = replace(tiger(), costs=True)
    policy = policy_of(model, np.array([[-7.0, -3.0], [-4.0, -6.0]]), [0, 1])
    figure = value_figure(replace(policy, bounds=Bounds(-6.0, -5.0)))
    ax = figure.axes[0]
    assert ax.get_ylabel() == "optimal cost"
    assert ax.get_title(loc="left") == "tiger: optimal cost by exact"
    assert ax.get_ylim()[0] > 0.0
    assert "cost" in bounds_figure(policy).axes[0].get_ylabel()
    low, high = (line.get_ydata() for line in bounds_figure(policy).axes[0].lines)
    assert (np.asarray(low) <= np.asarray(high)).all()
    assert np.asarray(low)[-1] == -2.0


def test_three_states_are_a_triangle_and_more_are_refused() -> None:
    model = random_model(3, 3, 9)
    values = np.vstack([np.eye(3) * 4.0, np.ones((6, 3))])
    policy = policy_of(model, values, list(range(9)))
    picture = svg_of(value_figure(policy))
    for name in (*model.states, "0", "1", "2", "equal value"):
        assert f"<!-- {name} -->" in picture
    flat = policy_of(model, np.ones((1, 3)), [0])
    assert svg_of(value_figure(flat))
    many = random_model(3, 5)
    with pytest.raises(PolicyError, match="of 2 or 3 states, not 5; use --show graph"):
        value_figure(policy_of(many, np.ones((1, 5)), [0]))


def faced(n_states: int) -> Model:
    """A model that shows after each step whether its last state is reached."""
    model = random_model(4, n_states, 3, 2)
    Z = np.zeros((3, n_states, 2))
    Z[:, :-1, 0] = Z[:, -1, 1] = 1.0
    return make_model(model.T, Z, model.R, discount=0.9)


def test_vectors_on_faces_are_extended_by_look_ahead() -> None:
    model = faced(3)
    policy = read_policy(encode_policy(solve(model, "exact").policy, "json"), "p.json", model)
    assert isinstance(policy.values, LookAhead)
    drawn = _vectors(policy)
    for b in random_beliefs(20, 3):
        inner = 0.9 * b + 0.1 / 3
        action, vector = policy.values.vector(inner)
        assert vector @ inner == pytest.approx(policy.value(inner))
        assert action == policy.act(inner)
        assert drawn.value(inner) == pytest.approx(policy.value(inner), rel=1e-3)
        assert drawn.value(inner) <= policy.value(inner) + 1e-9
    assert svg_of(value_figure(policy))
    with pytest.raises(PolicyError, match="use --model, or solve with --full-simplex"):
        value_figure(replace(policy, values=policy.values.after))


@pytest.mark.parametrize("n_states", [2, 3])
def test_a_solved_policy_is_drawn_like_its_file(n_states: int) -> None:
    model = faced(n_states)
    policy = solve(model, "exact").policy
    read = read_policy(encode_policy(policy, "json"), "p.json", model)
    assert _vectors(policy).values == pytest.approx(_vectors(read).values)
    assert _vectors(policy).actions.tolist() == _vectors(read).actions.tolist()
    assert svg_of(value_figure(policy)) == svg_of(value_figure(read))


@pytest.mark.parametrize(("n_states", "n_axes"), [(2, 1), (3, 2)])
def test_a_lower_bound_and_the_optimum_are_both_drawn(n_states: int, n_axes: int) -> None:
    model = random_model(5, n_states, 3)
    lower, optimum = solve(model, "blind").policy, solve(model, "exact").policy
    figure = value_figure(lower, "", optimum)
    assert len(figure.axes) == n_axes
    texts = svg_of(figure)
    assert "lower bound by blind and optimal value by exact" in texts
    assert "certified at the initial belief" in texts
    if n_states == 2:
        ax = figure.axes[0]
        (second,) = [line for line in ax.lines if line.get_linewidth() == 1.5]
        x, y = (np.asarray(part, dtype=float) for part in second.get_data())
        assert y == pytest.approx([optimum.value(np.array([1.0 - p, p])) for p in x])
    with pytest.raises(PolicyError, match="for different models"):
        value_figure(lower, "", solve(tiger(), "exact").policy)


def test_certified_bounds_are_marked_at_the_start() -> None:
    policy = policy_of(tiger(), np.array([[1.5, 1.5]]), [0])
    bars = [line for line in value_figure(policy).axes[0].lines if line.get_marker() == "_"]
    assert [np.asarray(bar.get_ydata()).tolist() for bar in bars] == [[1.0, 2.0]]
    stopped = replace(policy, horizon=9, converged=False, stats={"iterations": 4})
    assert not [line for line in value_figure(stopped).axes[0].lines if line.get_marker() == "_"]
