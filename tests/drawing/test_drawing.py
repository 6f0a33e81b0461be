"""Pictures: what is measured of them, and what is drawn."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import random_beliefs, random_model, tiger
from pomdptool.drawing import canvas
from pomdptool.drawing.beliefs import MAX_BANDS, MAX_ROWS, belief_figure
from pomdptool.drawing.graphs import MAX_ARROWS, graph_figure
from pomdptool.drawing.layout import ascending, distances, layout
from pomdptool.drawing.progress import bounds_figure, loglik_figure
from pomdptool.drawing.values import (
    CORNERS,
    _vectors,
    crossing,
    region_of,
    value_figure,
)
from pomdptool.envelope import upper_envelope
from pomdptool.errors import DataError, PolicyError
from pomdptool.formats.policy.read import read_policy
from pomdptool.formats.policy.write import encode_policy
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.lookahead import LookAhead
from pomdptool.model import Model, make_model
from pomdptool.policy import AlphaVectors, Bounds, Problem, SolvedPolicy, problem_of
from pomdptool.solving.solve import solve
from pomdptool.trace import FitReport, Restart, TracedStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def policy_of(model: Model, values: np.ndarray, actions: list[int]) -> SolvedPolicy:
    """A policy of these vectors, with bounds over time."""
    return SolvedPolicy(
        problem=problem_of(model),
        method="exact",
        values=AlphaVectors(np.array(actions), values),
        bounds=Bounds(1.0, 2.0),
        converged=True,
        stop_reason="precision",
        trace=((0.1, -np.inf, 9.0, 1), (0.2, 0.5, 3.0, 2), (0.4, 1.0, 2.0, 3)),
    )


def named(n: int, actions: int, observations: int, word: str = "") -> Problem:
    model = random_model(1, n, actions, observations)
    return replace(
        problem_of(model),
        actions=tuple(f"{word}action-{a}" for a in range(actions)),
        observations=tuple(f"{word}sight-{o}" for o in range(observations)),
    )


def random_graph(n: int, actions: int, observations: int, seed: int = 1) -> PolicyGraph:
    """A graph whose start reaches all nodes."""
    rng = np.random.default_rng(seed)
    links = rng.integers(NOWHERE, n, size=(n, observations))
    links[np.arange(n - 1) // 2, np.arange(n - 1) % 2] = np.arange(1, n)
    return PolicyGraph(rng.integers(actions, size=n), links)


def svg_of(figure: Figure) -> str:
    """Text of a figure, drawn with the style that files have."""
    return canvas.render(lambda: figure, "svg").decode()


# ------------------------------------------------------------ values


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
def test_regions_part_the_triangle(seed: int) -> None:
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


def test_a_line_of_equal_value_ends_on_the_rim() -> None:
    worth = np.array([0.0, 1.0, 2.0])
    ends = crossing(np.eye(3), worth, 0.5)
    assert ends @ worth == pytest.approx([0.5, 0.5])
    assert sorted(ends.tolist()) == [[0.5, 0.5, 0.0], [0.75, 0.0, 0.25]]
    assert len(crossing(np.eye(3), worth, 3.0)) == 0


def test_the_picture_of_two_states_names_states_and_actions() -> None:
    model = tiger()
    values = np.array([[1.0, 1.0], [-5.0, 3.0], [3.0, -5.0]])
    picture = svg_of(value_figure(policy_of(model, values, [0, 1, 2])))
    for words in ("open-left", "open-right", "listen", "value", "start"):
        assert f"<!-- {words} -->" in picture
    without = svg_of(value_figure(policy_of(model, values[1:], [1, 2])))
    assert "<!-- listen" not in without


def test_costs_are_drawn_as_costs() -> None:
    model = replace(tiger(), costs=True)
    policy = policy_of(model, np.array([[-7.0, -3.0], [-4.0, -6.0]]), [0, 1])
    figure = value_figure(policy)
    ax = figure.axes[0]
    assert ax.get_ylabel() == "cost"
    assert ax.get_title(loc="left") == "tiger: cost over the belief"
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
    seen = np.zeros((3, n_states, 2))
    seen[:, :-1, 0] = seen[:, -1, 1] = 1.0
    return make_model(model.T, seen, model.R, discount=0.9)


def test_vectors_on_faces_are_looked_ahead_from() -> None:
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


# ------------------------------------------------------------ graphs


@pytest.mark.parametrize("seed", range(10))
def test_heights_keep_the_order_and_are_the_closest(seed: int) -> None:
    from scipy.optimize import isotonic_regression

    wish = np.random.default_rng(seed).normal(size=12)
    assert ascending(wish) == pytest.approx(isotonic_regression(wish).x)


@pytest.mark.parametrize("seed", range(5))
def test_nodes_of_a_layer_lie_apart(seed: int) -> None:
    graph = random_graph(40, 3, 3, seed)
    room = np.random.default_rng(seed).uniform(1.0, 3.0, size=40)
    placed = layout(graph, room)
    assert placed.layer.tolist() == distances(graph).tolist()
    for k in np.unique(placed.layer):
        (row,) = np.nonzero(placed.layer == k)
        row = row[np.argsort(placed.height[row])]
        apart = np.diff(placed.height[row]) - 0.5 * (room[row][1:] + room[row][:-1])
        assert apart.min(initial=0.0) >= -1e-9
    assert {(e.source, e.target) for e in placed.edges} == {
        (n, m) for n in range(40) for m in graph.edges(n)
    }
    for edge in placed.edges:
        passed = abs(int(placed.layer[edge.source]) - int(placed.layer[edge.target])) - 1
        assert len(edge.through) == max(passed, 0)


def test_a_simple_graph_has_no_crossing() -> None:
    links = [[1, 2], [4, 3], [6, 5], [NOWHERE] * 2, [NOWHERE] * 2, [NOWHERE] * 2, [NOWHERE] * 2]
    placed = layout(PolicyGraph(np.zeros(7, np.int64), np.array(links)))
    h = placed.height
    upper, lower = ((3, 4), (5, 6)) if h[1] < h[2] else ((5, 6), (3, 4))
    assert max(h[list(upper)]) < min(h[list(lower)])


def boxes(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Texts of a figure and the rectangles that they take, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    found = [t for ax in figure.axes for t in ax.texts if t.get_text()]
    return [(t.get_text(), t.get_window_extent(renderer).get_points()) for t in found]


@pytest.mark.parametrize(("n", "word"), [(6, ""), (6, "a-very-long-name-of-"), (100, "")])
def test_no_text_lies_on_another(n: int, word: str) -> None:
    import matplotlib as mpl

    graph = random_graph(n, 4, 4)
    with mpl.rc_context(canvas._STYLE):
        shown = boxes(graph_figure(graph, named(3, 4, 4, word), 100))
    assert len(shown) > n
    for k, (first, a) in enumerate(shown):
        for second, b in shown[:k]:
            apart = (a[0] >= b[1] - 1.0).any() or (b[0] >= a[1] - 1.0).any()
            assert apart, f"{first!r} lies on {second!r}"


def test_every_edge_is_an_arrow_or_named() -> None:
    graph = random_graph(60, 3, 4)
    assert sum(len(graph.edges(n)) for n in range(60)) > MAX_ARROWS
    figure = graph_figure(graph, named(3, 3, 4), 25)
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert figure.axes[0].get_title(loc="left").strip().endswith("the first 25 of 60 nodes")
    assert sum(": action-" in t for t in texts) == 25
    nodes = graph.breadth_first()[:25].tolist()
    labels = [t for t in texts if ": action-" not in t]
    assert len(labels) == sum(len(graph.edges(n)) for n in nodes)
    steps = distances(graph)
    far = [m for n in nodes for m in graph.edges(n) if m not in nodes or steps[m] <= steps[n]]
    named_ends = sorted(int(t.rpartition(" ")[2]) for t in labels if "\N{RIGHTWARDS ARROW}" in t)
    assert named_ends == sorted(far)


def test_one_node_and_loops_are_drawn() -> None:
    alone = PolicyGraph(np.zeros(1, np.int64), np.array([[NOWHERE, NOWHERE]]))
    loop = PolicyGraph(np.zeros(2, np.int64), np.array([[0, 1], [1, 1]]))
    for graph in (alone, loop):
        assert "<svg" in svg_of(graph_figure(graph, named(2, 1, 2), 10))


# ------------------------------------------------------------ progress and beliefs


def test_bounds_over_time_leave_infinities_out() -> None:
    policy = policy_of(tiger(), np.ones((1, 2)), [0])
    lines = bounds_figure(policy).axes[0].lines
    assert [np.asarray(line.get_xdata()).tolist() for line in lines] == [[0.2, 0.4]] * 2
    with pytest.raises(PolicyError, match="no bounds over time"):
        bounds_figure(replace(policy, trace=()))


def test_the_log_likelihood_is_a_step() -> None:
    restarts = (Restart(1, -10.0, 3, True), Restart(2, -25.0, 2, True))
    report = FitReport(2, 10, (-30.0, -20.0, -10.0), restarts)
    others, best, *_ = loglik_figure(report).axes[0].lines
    assert np.asarray(best.get_ydata()).tolist() == [-3.0, -2.0, -1.0]
    assert np.asarray(others.get_ydata()).tolist() == [-1.0, -2.5]


def episode(n_steps: int, n_states: int) -> list[TracedStep]:
    beliefs = random_beliefs(n_steps, n_states)
    return [
        TracedStep(
            3, t, "s0", {f"s{s}": float(p) for s, p in enumerate(b) if p}, f"a{t}", f"o{t % 2}", 1.0
        )
        for t, b in enumerate(beliefs)
    ]


def test_the_belief_over_an_episode() -> None:
    steps = episode(30, 40)
    figure = belief_figure(steps, 99, costs=True)
    bands, actions, observations, rewards = figure.axes
    areas = []
    for band in bands.collections:
        x, y = np.asarray(band.get_paths()[0].vertices)[:-1].T
        areas.append(0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))))
    assert len(areas) == MAX_BANDS
    assert sum(areas) == pytest.approx(30.0)  # a belief of 1 at each step
    assert len(actions.get_yticks()) == MAX_ROWS
    assert len(observations.get_yticks()) == 2
    assert rewards.get_title(loc="left") == "cost"
    short = belief_figure(steps, 20, costs=False).axes[0]
    assert short.get_xlim() == (-0.5, 19.5)
    assert short.get_title(loc="left") == "belief over episode 3, the first 20 of 30 steps"
    with pytest.raises(DataError, match="has no beliefs"):
        belief_figure([replace(step, belief={}) for step in steps], 99, costs=False)


# ------------------------------------------------------------ files


@pytest.mark.parametrize(
    "name", ["_hidden", "$x^{", "$x^{$", "a\nb", "<&>", "größe", "", "x" * 300, "虎"]
)
def test_names_of_all_kinds_are_drawn_as_they_are(name: str) -> None:
    model = replace(tiger(), states=(name, "b"), actions=(name, "c", "d"), name=name)
    policy = policy_of(model, np.eye(2), [0, 1])
    graph = PolicyGraph(np.zeros(2, np.int64), np.array([[0, 1], [1, NOWHERE]]))
    problem = replace(problem_of(model), observations=(name, "z"))
    steps = [TracedStep(0, 0, name, {name: 1.0}, name, name, 0.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canvas.render(lambda: value_figure(policy), "svg")
        assert canvas.render(lambda: graph_figure(graph, problem, 9), "pdf")
        assert canvas.render(lambda: belief_figure(steps, 99, costs=False), "png")


def test_the_same_picture_has_the_same_bytes() -> None:
    policy = policy_of(tiger(), np.eye(2), [0, 1])
    for kind, mark in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first = canvas.render(lambda: value_figure(policy), kind)  # type: ignore[arg-type]
        assert first == canvas.render(lambda: value_figure(policy), kind)  # type: ignore[arg-type]
        assert first.startswith(mark)
        assert b"<dc:date>" not in first


def test_a_huge_picture_is_drawn_coarser() -> None:
    png = canvas.render(lambda: canvas.new_figure(400.0, 1.0, manual=True), "png")
    assert int.from_bytes(png[16:20], "big") == canvas.MAX_PIXELS


def test_long_names_lose_their_middle() -> None:
    assert canvas.elided("open-the-left-door") == "open-the-left-door"
    short = canvas.elided("a" * 20 + "b" * 20)
    assert len(short) == canvas.MAX_NAME
    assert short.startswith("aaaa")
    assert short.endswith("bbbb")
