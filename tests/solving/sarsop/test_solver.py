"""The anytime solver: its parts against plain loops, its bounds against exact solutions."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
import pomdptool
from models import PROBLEMS, ROOT, random_beliefs, random_model, tiger
from pomdptool import belief
from pomdptool.kernels.sarsop import belief_graph, interpolation, lower_bound, upper_bound
from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model, make_model
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.sarsop import informed_bound, list_pruning, search, solver, storage
from pomdptool.solving.sarsop.block_model import BlockModel, block_model
from pomdptool.solving.sarsop.informed_bound import Informed, informed_bounds
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import LimitReached, Monitor

SMALL = [p for p in PROBLEMS if p.stem in ("tiger", "maze-4x3", "cheese-maze", "shuttle", "parr95")]


def models() -> list[Model]:
    return [
        tiger(),
        *(random_model(seed, n_states=2 + seed % 4, n_actions=3) for seed in range(6)),
        random_model(7, n_states=5, n_observations=1),
        random_model(8, n_states=3, n_actions=1),
        random_model(9, n_states=3, discount=0.0),
        make_model(np.ones((1, 1, 1)), np.ones((1, 1, 1)), [[2.0]], discount=0.5),
    ]


def parts(model: Model) -> tuple[BlockModel, Informed, kernel.Tables, kernel.Search]:
    blocks = block_model(model)
    blind = fixed_point(model, "blind", precision=1e-6, horizon=None, monitor=Monitor()).Q
    mdp = fixed_point(model, "mdp", precision=1e-6, horizon=None, monitor=Monitor()).Q
    above = informed_bounds(blocks, mdp, blind, Monitor())
    tables = storage.tables(blocks, above, 1e-12)
    return blocks, above, tables, storage.begin(blocks, tables, blind)


def corners_of(run: solver._Run, block: int) -> np.ndarray:
    """Upper bounds in the states of a block."""
    first = run.blocks.arrays.block_first[block : block + 2]
    begin = run.tables.i[kernel.CORNERS]
    return run.tables.f[begin + first[0] : begin + first[1]]


def searched(model: Model, backups: int) -> solver._Run:
    """A search stopped after some backups."""
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > backups

    run = solver._Run(model, 1e-9, Monitor(), backups_per_call=1)
    run.start()
    run.monitor.interrupted = interrupted
    with contextlib.suppress(LimitReached), mock.patch.object(search, "CHUNK_SECONDS", 0.0):
        run.until_closed()
    return run


def belief_of(run: solver._Run, n: int) -> np.ndarray:
    """A node's belief over all states."""
    block, first = run.search.nodes[n, [kernel.BLOCK, kernel.BELIEF]].tolist()
    states = run.blocks.states(block)
    b = np.zeros(run.model.n_states)
    b[states] = run.search.f[first : first + len(states)]
    return b


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_entries_of_blocks_are_the_models_steps(model: Model) -> None:
    blocks = block_model(model)
    arrays, A = blocks.arrays, model.n_actions
    for i, s in enumerate(blocks.state_of_slot.tolist()):
        block = int(blocks.block_of_slot[i])
        for a in range(A):
            joint = np.zeros((model.n_states, model.n_observations))
            edges = arrays.edge_first[block * A + a]
            row = slice(*arrays.entry_first[i * A + a : i * A + a + 2])
            for e, local, weight in zip(
                arrays.entry_edge[row], arrays.entry_slot[row], arrays.weights[row], strict=True
            ):
                o = blocks.observation_of_edge[edges + e]
                joint[blocks.states(arrays.edge_target[edges + e])[local], o] += weight
            assert_allclose(joint, model.T[a, s][:, None] * model.Z[a], atol=1e-15)
            assert_allclose(
                arrays.rewards[i, a], naive.expected_reward(model, np.eye(model.n_states)[s], a)
            )


@pytest.mark.parametrize("model", models()[:-2], ids=lambda m: m.name)
def test_children_agree_with_the_filter(model: Model) -> None:
    run = searched(model, 12)
    search, A = run.search, model.n_actions
    checked = 0
    for n in range(search.i[kernel.N_NODES]):
        x = search.nodes[n, kernel.EXPANSION]
        for a in range(A if x >= 0 else 0):
            children, chances = search.actions[x].reshape(A, -1)[a].tolist()
            if children < 0:
                continue
            block = search.nodes[n, kernel.BLOCK]
            edges = run.blocks.arrays.edge_first[block * A + a : block * A + a + 2]
            seen = run.blocks.observation_of_edge[edges[0] : edges[1]].tolist()
            for o in range(model.n_observations):
                after, p = naive.update(model, belief_of(run, n), a, o)
                if o not in seen:
                    assert p == 0.0
                    continue
                e = seen.index(o)
                assert_allclose(search.f[chances + e], p, atol=1e-13)
                if search.i[children + e] != kernel.NONE:
                    assert_allclose(belief_of(run, search.i[children + e]), after, atol=1e-9)
                checked += 1
    assert checked or run.bounds.closed(1e-9)


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_informed_bounds_lie_between_fib_and_the_optimum(model: Model) -> None:
    blocks, above, tables, search = parts(model)
    exact = pomdptool.solve(model, "exact", precision=1e-7)
    qmdp = fixed_point(model, "qmdp", precision=1e-6, horizon=None, monitor=Monitor()).Q
    fib = fixed_point(model, "fib", precision=1e-6, horizon=None, monitor=Monitor()).Q
    root = int(search.nodes[0, kernel.BLOCK])
    belief_graph.apply_informed_bound(tables, search, 0)
    informed = search.bounds[0, kernel.UPPER]
    assert root == blocks.start_block
    assert exact.bounds.lower - 1e-6 <= informed <= (fib @ model.start).max() + 1e-2
    for slot, s in enumerate(blocks.state_of_slot.tolist()):
        assert exact.policy.value(np.eye(model.n_states)[s]) <= above.corner[slot] + 1e-6
        assert (above.q[slot] <= qmdp[:, s] + 1e-3 * max(1.0, np.abs(qmdp).max())).all()


@pytest.mark.parametrize("same", [1e-12, 10.0])
def test_one_step_beliefs_are_one_where_they_are_equal(same: float) -> None:
    """Also where their projections, here rounded to nothing, say that all of them are one."""
    T = np.zeros((1, 6, 6))
    T[0, 0, 3:5] = T[0, 1, 3:5] = 0.5
    T[0, 2, 3:5] = 0.4, 0.6
    T[0, 3, 4:] = 0.5
    T[0, 4, 5] = T[0, 5, 5] = 1.0
    model = make_model(T, np.ones((1, 6, 1)), np.zeros((1, 6)), discount=0.9)
    blocks = block_model(model)
    with mock.patch.object(informed_bound, "SAME", same):
        row, _, weight, number, B, drift = informed_bound._one_step_beliefs(blocks, Monitor())
    B = B.toarray()
    assert same > 1.0 or len(np.unique(B, axis=0)) == len(B)
    assert drift == 0.0
    for i, k in zip(row.tolist(), number.tolist(), strict=True):
        after = np.zeros(6)
        np.add.at(after, blocks.state_of_slot, B[k])
        assert_allclose(after, T[0, blocks.state_of_slot[i]])
    assert_allclose(weight, 1.0)


def elements_of(search: kernel.Search, row: int, width: int) -> np.ndarray:
    """Elements of a list, a row each; a view."""
    begin, length = search.lists[row, : kernel.CAPACITY].tolist()
    return search.i[begin : begin + length * width].reshape(length, width)


def points_of(search: kernel.Search, block: int) -> list[int]:
    """Nodes of a block's set of points."""
    row = kernel.LISTS * block + kernel.POINT_SET
    points_listed: list[int] = elements_of(search, row, kernel.POINT_ELEMENT)[:, 0].tolist()
    return points_listed


def as_listed(run: solver._Run) -> None:
    """Take back what points have dropped since they were listed, as a scan may pass that by."""
    for block in range(run.blocks.n_blocks):
        row = kernel.LISTS * block + kernel.POINT_SET
        elements = elements_of(run.search, row, kernel.POINT_ELEMENT)
        node = elements[:, kernel.ITEM]
        drop = np.ascontiguousarray(elements[:, kernel.POINT_DROP]).view(np.float64)
        run.search.bounds[node, kernel.UPPER] = run.search.bounds[node, kernel.BASE] - drop


def test_points_know_their_place() -> None:
    run = searched(random_model(3, n_states=4, n_actions=3, n_observations=3), 200)
    for _ in range(2):
        for block in range(run.blocks.n_blocks):
            nodes_there = points_of(run.search, block)
            assert nodes_there
            assert run.search.nodes[nodes_there, kernel.SET_INDEX].tolist() == list(
                range(len(nodes_there))
            )
        list_pruning.prune_points(run.search)


def test_sawtooth_agrees_with_a_plain_loop() -> None:
    run = searched(random_model(3, n_states=4, n_actions=3, n_observations=3), 60)
    search = run.search
    as_listed(run)
    tried = 0
    for n in range(search.i[kernel.N_NODES]):
        block = search.nodes[n, kernel.BLOCK]
        b, corner = belief_of(run, n), corners_of(run, block)
        states = run.blocks.states(block)
        base = expected = float(b[states] @ corner)
        for point in points_of(search, block):
            if point == n:
                continue
            u = belief_of(run, point)
            inside = u > 0.0
            ratio = (b[inside] / u[inside]).min()
            drop = search.bounds[point, kernel.UPPER] - u[states] @ corner
            expected = min(expected, base + ratio * min(drop, 0.0))
            tried += 1
        search.nodes[n, [kernel.CHECKED_POINTS, kernel.N_MIX]] = 0
        search.bounds[n, kernel.SLACK] = 0.0
        before = search.bounds[n, kernel.UPPER]
        search.bounds[n, kernel.UPPER] = base
        assert upper_bound.update_upper(run.tables, search, n) == pytest.approx(expected)
        search.bounds[n, kernel.UPPER] = before
    assert tried > 100


def test_interpolation_agrees_with_a_linear_program() -> None:
    from scipy.optimize import linprog

    run = searched(random_model(5, n_states=3, n_actions=3, n_observations=3), 120)
    search = run.search
    below = 0
    for n in range(search.i[kernel.N_NODES]):
        block = search.nodes[n, kernel.BLOCK]
        states = run.blocks.states(block)
        others = [p for p in points_of(search, block) if p != n]
        columns = [*np.eye(len(states)), *(belief_of(run, p)[states] for p in others)]
        costs = [*corners_of(run, block), *(search.bounds[p, kernel.UPPER] for p in others)]
        best = linprog(costs, A_eq=np.array(columns).T, b_eq=belief_of(run, n)[states]).fun
        found = interpolation.solve_lp(run.tables, search, n, 1e-8)
        assert found >= best - 1e-5
        if search.nodes[n, kernel.N_SUPPORT] > 1 and others:
            assert found == pytest.approx(best, abs=1e-5)
            below += found < search.bounds[n, kernel.BASE] - 1e-6
    assert below > 10


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_vectors_are_earned_by_their_links(model: Model) -> None:
    run = searched(model, 30)
    solution = run.solution("interrupted")
    values = solution.policy.values
    assert isinstance(values, LinkedVectors)
    earned = evaluate(model, values.graph())
    for k, vector in enumerate(values.values):
        assert (vector <= earned[k, values.states[values.block[k]]] + 1e-9).all()
    assert solution.bounds.lower <= earned[0] @ model.start + 1e-9


def test_shorter_lists_keep_what_nodes_know() -> None:
    run = searched(random_model(4, n_states=4, n_actions=3, n_observations=3), 80)
    search = run.search
    before = search.bounds[: search.i[kernel.N_NODES]].copy()
    A = run.model.n_actions
    lengths = search.lists[:, kernel.LENGTH].copy()
    list_pruning.prune_vectors(search, run.blocks.n_blocks * A)
    list_pruning.prune_points(search)
    assert search.lists[:, kernel.LENGTH].sum() < lengths.sum()
    for n in range(search.i[kernel.N_NODES]):
        block = search.nodes[n, kernel.BLOCK]
        lists = search.lists[kernel.LISTS * block :, kernel.LENGTH]
        assert search.nodes[n, kernel.CHECKED_VECTORS] <= lists[kernel.VECTOR_LIST]
        assert search.nodes[n, kernel.CHECKED_POINTS] <= lists[kernel.POINT_LIST]
        if search.nodes[n, kernel.EXPANSION] != kernel.NONE:
            search.nodes[n, kernel.CHECKED_VECTORS] = 0
            lower = lower_bound.update_lower(run.tables, search, n)
            assert lower >= before[n, kernel.LOWER] - 1e-12


def test_states_hardly_held_are_left_out_at_a_stated_error() -> None:
    slip = 1e-13
    Z = np.array([[1.0 - slip, slip], [slip, 1.0 - slip]])
    half = np.full((2, 2), 0.5)
    model = make_model([np.eye(2), half, half], [Z, half, half], [[-1, -1], [-9, 5], [5, -9]],
                       discount=0.9)  # fmt: skip
    run = searched(model, 60)
    size = run.search.nodes[:, kernel.N_SUPPORT]
    assert belief.update_belief(model, model.start, 0, 0)[0].min() > 0.0
    assert size.min() == 1
    for n in range(run.count(kernel.N_NODES)):
        assert belief_of(run, n).sum() == pytest.approx(1.0, abs=1e-14)
    drift = run.search.f[kernel.DRIFT]
    assert 1e-14 < drift < 1e-11
    assert run.error.above(drift) > 10.0 * run.error.above(0.0)
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    assert run.bounds.lower <= exact.bounds.upper
    assert run.bounds.upper >= exact.bounds.lower


def test_calls_of_kernels_stay_short() -> None:
    """A call that ends early, for it made all that was asked for, says nothing of longer ones."""
    run = solver._Run(
        pomdptool.load(ROOT / "problems" / "tag.pomdp"), 1e-3, Monitor(time_limit=2.0)
    )
    run.start()
    with contextlib.suppress(LimitReached):
        run.until_closed()
    per_second = run.count(kernel.N_BACKUPS) / run.monitor.seconds
    assert run.backups_per_call < 20 * search.CHUNK_SECONDS * per_second


def test_growing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(6, n_states=4, n_actions=3, n_observations=3)
    ample = searched(model, 50)
    grown = [0]

    def counted(blocks: BlockModel, tables: kernel.Tables, search: kernel.Search) -> kernel.Search:
        grown[0] += 1
        return storage.grown(blocks, tables, search)

    def tight(
        blocks: BlockModel, tables: kernel.Tables, blind: np.ndarray, drift: float
    ) -> kernel.Search:
        search = storage.begin(blocks, tables, blind, drift)
        room, need = storage.capacity_of(search), storage.needed(blocks)
        room = room._replace(nodes=4 + need.nodes, expanded=3, vectors=len(search.vectors) + 2)
        return storage.with_capacity(blocks, tables, search, room)

    monkeypatch.setattr(search, "grown", counted)
    monkeypatch.setattr(search, "begin", tight)
    small = searched(model, 50)
    assert grown[0] > 1
    assert small.search.i[kernel.N_NODES] > 4
    assert small.bounds.lower == pytest.approx(ample.bounds.lower, rel=1e-2)


def test_how_much_is_done_at_once_changes_nothing() -> None:
    """A trial left in its middle goes on as if it had not been."""
    model = random_model(11, n_states=4, n_actions=3, n_observations=3, discount=0.97)
    one_by_one, at_once = (
        solver._Run(model, 1e-9, Monitor(), backups_per_call=n) for n in (1, 999)
    )
    one_by_one.start()
    at_once.start()
    with mock.patch.object(search, "CHUNK_SECONDS", 0.0):
        one_by_one.trials(200)
    with mock.patch.object(search, "scaled_budget", lambda work: work):
        at_once.trials(200)
    assert at_once.count(kernel.N_BACKUPS) == one_by_one.count(kernel.N_BACKUPS) == 200
    assert at_once.bounds == one_by_one.bounds
    assert (at_once.search.vectors == one_by_one.search.vectors).all()


def test_a_larger_vector_takes_the_place_of_the_smaller() -> None:
    model = pomdptool.load(next(p for p in PROBLEMS if p.stem == "tiger"))
    solution = solve_sarsop(model, precision=1e-3)
    assert solution.policy.stats["vectors"] < 20
    graph = solution.policy.graph
    assert graph is not None
    assert max(evaluate(model, graph)[0] @ model.start, -np.inf) >= solution.bounds.lower - 1e-9


# ---------------------------------------------------------------- the whole


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_bounds_bracket_the_exact_value(model: Model) -> None:
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    solution = solve_sarsop(model, precision=1e-2)
    assert solution.converged
    assert solution.bounds.gap <= 1e-2 * max(1.0, abs(solution.bounds.lower))
    assert solution.bounds.lower <= exact.bounds.upper
    assert exact.bounds.lower <= solution.bounds.upper
    for progress in solution.trace:
        assert progress.lower <= exact.bounds.upper
        assert exact.bounds.lower <= progress.upper


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_small_problems_converge_to_the_exact_value(path: Any) -> None:
    model = pomdptool.load(path)
    exact = pomdptool.solve(model, "exact", precision=1e-5).bounds
    solution = solve_sarsop(model, precision=1e-3)
    assert solution.converged
    assert solution.stop_reason == "precision"
    assert solution.bounds.lower <= exact.upper
    assert exact.lower <= solution.bounds.upper


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_the_policy_earns_what_is_certified(path: Any) -> None:
    """Simulated runs of the controller lie between the bounds."""
    model = pomdptool.load(path)
    if model.discount == 1.0:
        pytest.skip("discount 1")
    solution = solve_sarsop(model, monitor=Monitor(time_limit=1.0))
    policy = solution.policy
    assert solution.bounds.lower <= solution.bounds.upper
    assert isinstance(policy.values, LinkedVectors)
    mean, error = simulated(model, policy.values, 2000)
    assert solution.bounds.lower - error <= mean <= solution.bounds.upper + error


def simulated(model: Model, values: LinkedVectors, runs: int) -> tuple[float, float]:
    """Mean discounted return of a controller, all runs side by side, and how far it may be off.

    That is four standard errors and what the steps after the last may bring.
    """
    rng = np.random.default_rng(1)
    S, T, Z = model.n_states, model.sparse_T, model.sparse_Z
    g, r = model.discount, model.expected_rewards
    s = rng.choice(S, size=runs, p=model.start)
    node, total, weight = np.zeros(runs, np.int64), np.zeros(runs), 1.0

    def drawn(table: Any, rows: np.ndarray) -> np.ndarray:
        below = np.concatenate([[0.0], np.cumsum(table.data)])
        first = table.indptr[rows]
        aim = below[first] + rng.random(len(rows)) * (below[table.indptr[rows + 1]] - below[first])
        at = np.searchsorted(below, aim, side="right") - 1
        return np.asarray(table.indices[np.clip(at, first, table.indptr[rows + 1] - 1)])

    largest = float(np.abs(r).max()) / (1.0 - g) if g < 1.0 else 0.0
    while weight * largest > 1e-4 * max(1.0, largest):
        a = values.actions[node]
        total += weight * r[a, s]
        s = drawn(T, a * S + s)
        node = values.next[node, drawn(Z, a * S + s)]
        assert (node >= 0).all()
        weight *= g
    return float(total.mean()), float(4.0 * total.std() / np.sqrt(runs)) + weight * largest + 1e-9


def test_values_elsewhere_are_lower_bounds() -> None:
    model = random_model(2, n_states=4, n_actions=3)
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    solution = solve_sarsop(model)
    for b in random_beliefs(50, 4, 3):
        assert solution.policy.value(b) <= exact.policy.value(b) + 1e-5
        assert 0 <= solution.policy.act(b) < 3


def test_limits_give_the_best_so_far() -> None:
    hard = random_model(1, n_states=12, n_actions=4, n_observations=5, discount=0.99)
    fib = pomdptool.solve(hard, "fib").bounds
    for monitor, reason in (
        (Monitor(time_limit=0.0), "time-limit"),
        (Monitor(time_limit=0.5), "time-limit"),
        (Monitor(max_vectors=100), "max-vectors"),
        (Monitor(interrupted=lambda: True), "interrupted"),
    ):
        solution = solve_sarsop(hard, precision=1e-9, monitor=monitor)
        assert solution.stop_reason == reason
        assert not solution.converged
        assert solution.bounds.lower <= fib.upper
        assert solution.bounds.upper >= fib.lower


def test_discount_one_is_refused() -> None:
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        solve_sarsop(tiger(discount=1.0))


def test_costs_are_solved_too() -> None:
    costly = make_model(
        np.ones((2, 1, 1)), np.ones((2, 1, 1)), [[-3.0], [-2.0]], discount=0.5, costs=True
    )
    solution = solve_sarsop(costly)
    assert solution.bounds.lower == pytest.approx(-4.0, abs=1e-2)
    assert solution.policy.act(np.ones(1)) == 1
