"""Agent: the simulator against the model's tables, planners against expectimax, simulations."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chisquare

import naive_planning as naive
import pomdptool
from models import PROBLEMS, ROOT, SHARED, random_model, tiger
from pomdptool.acting import compile_model as layout
from pomdptool.acting.agents import agent_for, compiled_agent
from pomdptool.acting.compile_model import compile_model
from pomdptool.acting.environment import Environment, episode
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.runners import AgentRunner, CompiledRunner, returns_of
from pomdptool.acting.sample import sample
from pomdptool.acting.search_settings import Prior
from pomdptool.acting.simulate import simulate
from pomdptool.analysis.evaluate import bellman_residual, evaluate
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.kernels.simulation.random import uniform
from pomdptool.kernels.simulation.simulator import filter_belief, step
from pomdptool.model import Model, make_model

TIGER = ROOT / "problems" / "tiger.pomdp"
SHARED_PROBLEMS = [p for p in (SHARED / "problems").glob("*.POMDP") if p.stem != "ejs7"]


def stepping(reward_axes: str) -> Model:
    """A random model whose rewards depend on these of s, s' and o."""
    plain = random_model(5, n_states=4, n_actions=2, n_observations=3)
    rng = np.random.default_rng(1)
    shape = (2, 4, 4 if "n" in reward_axes else 1, 3 if "o" in reward_axes else 1)
    return make_model(plain.T, plain.Z, rng.normal(size=shape), discount=0.9)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("axes", ["", "n", "o", "no"])
def test_steps_are_the_models(monkeypatch: pytest.MonkeyPatch, axes: str, listed: bool) -> None:
    """Frequencies pass a chi-squared test; rewards are those of what happened."""
    if not listed:
        monkeypatch.setattr(layout, "MAX_OUTCOMES", 0)
    model = stepping(axes)
    simulator, rng, n = compile_model(model), np.random.default_rng(2), 4000
    R = np.broadcast_to(model.R, (2, 4, 4, 3))
    for s, a in ((0, 0), (3, 1)):
        counts = np.zeros((4, 3))
        for u in rng.random(n):
            arrived, o, reward = step(simulator, s, a, u)
            counts[arrived, o] += 1
            assert reward == R[a, s, arrived, o]
        expected = model.T[a, s][:, None] * model.Z[a] * n
        possible = expected > 0
        assert counts[~possible].sum() == 0
        assert chisquare(counts[possible], expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_rewards_of_files_are_those_of_steps(path: Path) -> None:
    model = pomdptool.load(path)
    simulator, rng = compile_model(model), np.random.default_rng(0)
    expected = np.zeros(20)
    seen = np.zeros((20, 200))
    for k in range(20):
        s, a = int(rng.integers(model.n_states)), int(rng.integers(model.n_actions))
        expected[k] = model.expected_rewards[a, s]
        # Evenly over the numbers drawn from, the mean is nearly exact.
        for j in range(200):
            seen[k, j] = step(simulator, s, a, (j + 0.5) / 200)[2]
    spread = np.ptp(seen, axis=1)
    assert (np.abs(seen.mean(axis=1) - expected) <= 0.3 * spread + 1e-9).all()


def test_uniform_numbers_are_uniform() -> None:
    state = np.random.default_rng(3).integers(1, 2**31, 4)
    draws = np.array([uniform(state) for _ in range(20_000)])
    counts = np.histogram(draws, bins=50, range=(0.0, 1.0))[0]
    assert chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03


@pytest.mark.parametrize("seed", range(4))
def test_the_filter_agrees_with_the_oracle(seed: int) -> None:
    model = random_model(seed, n_states=5, n_actions=2, n_observations=4)
    simulator, rng = compile_model(model), np.random.default_rng(seed)
    for _ in range(20):
        b = rng.dirichlet(np.ones(5))
        a, o = int(rng.integers(2)), int(rng.integers(4))
        after = np.zeros(5)
        p = filter_belief(simulator, b, a, o, after)
        expected, chance = naive.update(model, b, a, o)
        assert p == pytest.approx(chance, abs=1e-14)
        if chance > 0:
            assert_allclose(after, expected, rtol=1e-12, atol=1e-15)


def nothing_known(model: Model) -> Prior:
    return Prior(np.zeros(model.n_actions, np.int64), np.zeros(model.n_actions))


@pytest.mark.parametrize(
    "model",
    [tiger(), *(random_model(seed, n_states=2 + seed % 2, n_actions=2) for seed in range(3))],
    ids=["tiger", "random-0", "random-1", "random-2"],
)
@pytest.mark.parametrize("exact", [True, False])
def test_root_values_agree_with_expectimax(model: Model, exact: bool) -> None:
    value = naive.expectimax(model, model.start, 3)
    span = float(np.ptp(model.expected_rewards))
    planner = Pomcp(
        model,
        sims=300_000,
        depth=3,
        exploration=2.0 * span,
        rollout="random",
        exact=exact,
        prior=nothing_known(model),
        particles=5000,
        rng=np.random.default_rng(1),
    )
    action = planner.act()
    assert planner.decision is not None
    assert planner.decision.values[action] == pytest.approx(value, abs=0.04 * span)
    assert planner.decision.visits.sum() == 300_000


def test_particles_do_not_run_out() -> None:
    """An observation that almost never comes is believed all the same."""
    T = np.broadcast_to(np.eye(2), (1, 2, 2))
    Z = np.array([[[1.0 - 1e-9, 1e-9], [1.0, 0.0]]])
    model = make_model(T, Z, [[1.0, 0.0]], discount=0.9, start=[1e-6, 1.0 - 1e-6])
    planner = Pomcp(model, sims=10, particles=50)
    planner.act()
    planner.observe(0, 1)
    assert set(planner.states.tolist()) == {0}


def test_what_cannot_be_observed_is_refused() -> None:
    T = np.broadcast_to(np.eye(2), (1, 2, 2))
    model = make_model(T, np.array([[[1.0, 0.0], [1.0, 0.0]]]), [[1.0, 0.0]], discount=0.9)
    for exact in (True, False):
        planner = Pomcp(model, sims=10, exact=exact)
        with pytest.raises(PolicyError, match="impossible"):
            planner.observe(0, 1)


def test_the_tree_is_kept_below_what_was_observed() -> None:
    model = tiger()
    planner = Pomcp(model, sims=2000, exact=True, rng=np.random.default_rng(3))
    action = planner.act()
    planner.observe(action, 0)
    nodes = planner.tree.i[0]
    assert 1 < nodes < 2000
    kept = planner.tree.f[0]
    planner.act()
    assert planner.decision is not None
    assert planner.decision.visits.sum() == kept + 2000


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"sims": 0}, "sims"),
        ({"sims": None}, "number of simulations or a time"),
        ({"depth": 0}, "depth"),
        ({"rollout": "best"}, "rollout"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(PomdpError, match=text):
        Pomcp(tiger(), **wrong)


def test_seed_is_a_deprecated_alias_of_rng() -> None:
    model = tiger()
    of_rng = Pomcp(model, sims=50, rng=np.random.default_rng(4))
    with pytest.warns(DeprecationWarning, match="rng=np.random.default_rng"):
        of_seed = Pomcp(model, sims=50, seed=4)
    assert (of_rng.rng_state == of_seed.rng_state).all()
    assert of_rng.act() == of_seed.act()
    with pytest.warns(DeprecationWarning, match="seed"), pytest.raises(PomdpError, match="and"):
        Pomcp(model, rng=np.random.default_rng(4), seed=4)


def test_without_a_discount_planners_look_some_steps_ahead() -> None:
    model = tiger(discount=1.0)
    planner = Pomcp(model, sims=200)
    assert planner.depth == 100
    result = simulate(model, planner, episodes=2, steps=3, rng=np.random.default_rng(1))
    assert len(result.returns) == 2


# ---------------------------------------------------------------- simulations


@pytest.mark.parametrize("method", ["sarsop", "exact", "qmdp"])
def test_a_saved_policy_earns_its_value(method: str) -> None:
    model = tiger()
    policy = pomdptool.solve(model, method).policy
    result = simulate(model, policy, episodes=4000, rng=np.random.default_rng(5))
    assert result.mean + 4.0 * result.standard_error + 0.2 >= policy.bounds.lower
    if method != "qmdp":
        assert abs(result.mean - 19.37) < 4.0 * result.standard_error + 0.2
    assert result.terminated == 0


@pytest.mark.parametrize("path", SHARED_PROBLEMS, ids=lambda path: path.stem)
def test_policies_of_shared_files_earn_their_lower_bound(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = pomdptool.load(path)
    if model.discount == 1.0:
        pytest.skip("discount 1")
    policy = pomdptool.solve(model, time_limit=2.0).policy
    result = simulate(model, policy, episodes=1000, rng=np.random.default_rng(1))
    missed = 3.0 * result.standard_error + result.truncation_bound
    assert result.mean >= policy.bounds.lower - missed - 1e-9
    assert result.mean <= policy.bounds.upper + missed + 1e-9


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads: int) -> None:
    model = tiger()
    policy = pomdptool.solve(model, "exact").policy
    for what in (policy, None, Pomcp(model, sims=50)):
        runs = [
            simulate(
                model, what, episodes=40, steps=20, rng=np.random.default_rng(7), threads=n
            ).returns
            for n in (1, threads)
        ]
        assert (runs[0] == runs[1]).all()


def test_random_actions_follow_the_seed() -> None:
    """Also where every step is told, which plays in Python."""
    model = tiger()
    seen: list[list[int]] = []
    for seed in (1, 1, 2):
        seen.append([])
        simulate(
            model,
            None,
            episodes=2,
            steps=20,
            rng=np.random.default_rng(seed),
            on_step=lambda s: seen[-1].append(s.step.action),
        )
    assert seen[0] == seen[1] != seen[2]


def test_an_interrupt_gives_what_there_is() -> None:
    model = tiger()
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] == 33  # after five steps, each asked of twice, and once more, three times

    planner = Pomcp(model, sims=20)
    result = simulate(
        model,
        planner,
        episodes=1000,
        steps=5,
        rng=np.random.default_rng(1),
        interrupted=interrupted,
    )
    assert result.interrupted
    assert len(result.returns) == 3


def test_a_loop_of_ones_own_looks_alike() -> None:
    model = tiger()
    policy = pomdptool.solve(model).policy
    environment, agent = Environment(model), agent_for(model, policy)
    rng, total = np.random.default_rng(0), []
    for _ in range(300):
        rows = list(episode(environment, agent, 60, rng))
        total.append(sum(model.discount**row.time * row.reward for row in rows))
    assert abs(np.mean(total) - 19.37) < 4.0 * np.std(total) / np.sqrt(300) + 1.0


def test_terminal_states_end_episodes() -> None:
    T = np.array([[[0.5, 0.5], [0.0, 1.0]]])
    model = make_model(T, np.ones((1, 2, 1)), [[1.0, 0.0]], discount=0.9, start=[1.0, 0.0])
    data = sample(model, episodes=500, steps=50, rng=np.random.default_rng(1), states=True)
    assert data.n_episodes == 500
    assert data.lengths.mean() == pytest.approx(2.0, abs=0.3)
    assert data.states is not None
    assert (data.states == 0).all()
    result = simulate(model, None, episodes=200, rng=np.random.default_rng(1))
    assert result.terminated == 200
    assert result.truncation_bound == 0.0


def test_samples_follow_scripts_and_policies() -> None:
    model = tiger()
    data = sample(
        model, episodes=4, steps=9, rng=np.random.default_rng(1), actions=[[0, 0, 1], [2]]
    )
    assert data.actions.tolist() == [0, 0, 1, 2, 0, 0, 1, 2]
    policy = pomdptool.solve(model, "exact").policy
    data = sample(model, episodes=50, steps=4, rng=np.random.default_rng(1), policy=policy)
    assert (data.actions[data.first[:-1]] == 0).all()  # the tiger's first action is to listen


def test_agents_asked_in_python_play_as_kernels_do() -> None:
    model = tiger()
    policy = pomdptool.solve(model, "exact").policy
    agent = compiled_agent(model, policy)
    assert agent is not None
    runners = (
        CompiledRunner(model, agent, 20),
        AgentRunner(Environment(model), agent_for(model, policy), 20),
    )
    means = []
    for runner in runners:
        batch = runner.run(0, 400, np.random.default_rng(1))
        assert batch.lengths.tolist() == [20] * 400
        assert not batch.terminated.any()
        means.append(returns_of(batch, model.discount).returns.mean())
    assert abs(means[0] - means[1]) < 5.0


def test_evaluation_is_exact_for_controllers() -> None:
    model = tiger()
    policy = pomdptool.solve(model, precision=1e-4).policy
    found = evaluate(model, policy, rng=np.random.default_rng(1), beliefs=50)
    assert found.graph_value == pytest.approx(19.371, abs=2e-3)
    assert found.residual_min is not None
    assert found.residual_min > -1e-6
    far = pomdptool.solve(model, "blind").policy
    assert bellman_residual(model, far, np.array([0.95, 0.05])) > 0.1


# ---------------------------------------------------------------- commands


def run(*args: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pomdptool", *map(str, args)],
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    model = pomdptool.load(TIGER)
    policy = pomdptool.solve(model, "exact").policy
    for kind in ("json", "alpha", "policy", "pg"):
        pomdptool.dump(policy, folder / f"tiger.{kind}")
    return folder


@pytest.mark.parametrize("kind", ["json", "alpha", "policy", "pg"])
def test_evaluate_reads_every_form(policies: Path, kind: str) -> None:
    result = run("evaluate", TIGER, policies / f"tiger.{kind}", "--json", "--seed", 1, "-q")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["vector_value"] == pytest.approx(19.371, abs=5e-3)
    low, high = document["confidence_95"]
    assert low - 2.0 <= 19.371 <= high + 2.0


def test_simulate_prints_json_and_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    args = ["simulate", TIGER, "--sims", 50, "--episodes", 3, "--steps", 4, "--seed", 1]
    result = run(*args, "--json", "--trace", trace, "-q")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["episodes"] == 3
    assert document["planner"]["name"] == "pomcp"
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert len(rows) == 12
    assert rows[0]["belief"] == {"tiger-left": 0.5, "tiger-right": 0.5}
    assert sum(rows[0]["visits"]) >= 50
    again = run(*args, "--json", "-q", "--threads", 2)
    first, second = (json.loads(r.stdout)["mean_discounted_return"] for r in (result, again))
    assert first == second


def test_policies_are_compared_in_the_same_streams(policies: Path) -> None:
    file = policies / "tiger.json"
    result = run("simulate", TIGER, "--policy", file, "--compare", file, "--json", "--seed", 1)
    entry = json.loads(result.stdout)["compared"][0]
    assert entry["difference"] == 0.0


def test_act_answers_line_by_line(policies: Path) -> None:
    file = policies / "tiger.json"
    result = run("act", TIGER, file, "-q", text="tiger-left\ntiger-left\n")
    assert result.stdout.split() == ["listen", "listen", "open-right"]
    wrong = run("act", TIGER, file, "-q", text="tiger-up\n")
    assert wrong.returncode == 1
    assert "no observation 'tiger-up'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_sample_writes_the_same_bytes_for_a_seed() -> None:
    one, two = (run("sample", TIGER, "--episodes", 5, "--steps", 3, "--seed", 4) for _ in "ab")
    assert one.stdout == two.stdout
    assert len(one.stdout.splitlines()) == 16
    assert one.stdout.splitlines()[0] == (
        "episode,step,action,observation,reward,terminated,truncated"
    )


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["simulate", TIGER, "--episodes", "0"], 2, "episodes"),
        (["simulate", TIGER, "--sims", "-3"], 2, "sims"),
        (["simulate", ROOT / "problems/maze-4x3.pomdp", "--policy", "P"], 1, "the policy is for"),
        (["sample", TIGER, "--actions", "S"], 1, "did you mean 'listen'"),
        (["evaluate", TIGER, "B"], 1, "not XML"),
    ],
)
def test_wrong_input_is_named(
    policies: Path, tmp_path: Path, args: list[Any], code: int, text: str
) -> None:
    (tmp_path / "s.txt").write_text("lisen\n")
    (tmp_path / "b.policy").write_text("<Policy><AlphaVector>")
    places = {"P": policies / "tiger.json", "S": tmp_path / "s.txt", "B": tmp_path / "b.policy"}
    result = run(*(places.get(a, a) if isinstance(a, str) else a for a in args))
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
