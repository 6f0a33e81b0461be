"""Learning, beside hmmlearn where it is installed: `scaling`, its faster implementation.

8 symbols, a million steps, as one sequence and as 10,000 of 100: seconds of an iteration of EM (the
best of three, after compilation; of the processor, with two threads of the clock), with one action
and with three; peak memory, each in a process of its own; seconds to a converged log-likelihood,
from the same start, on data sampled from a model; seconds to read a million rows of CSV. Numbers
of states as arguments leave others out.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pomdptool.acting.sample import sample
from pomdptool.episodes import Episodes
from pomdptool.formats.data.read import read_episodes
from pomdptool.learning.e_step import Threads, expected_counts
from pomdptool.learning.em import EM, EMRun
from pomdptool.learning.encoding import Sequences, encode
from pomdptool.learning.m_step import MStepSettings, maximise
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor, LearningProgress
from pomdptool.model import make_model

STEPS = 1_000_000
LENGTHS = (STEPS, 100)
NAMES = tuple(map(str, range(8)))


def best(run: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of the best of three runs; of the processor, so that other load matters less."""
    seconds = []
    for _ in range(3):
        began = clock()
        run()
        seconds.append(clock() - began)
    return min(seconds)


def parameters(states: int, actions: int = 1, seed: int = 0) -> Parameters:
    rng = np.random.default_rng(seed)
    return Parameters(
        rng.dirichlet(np.ones(states), size=(actions, states)),
        rng.dirichlet(np.ones(8), size=(actions, states)),
        rng.dirichlet(np.ones(states)),
    )


def data(actions: int, length: int) -> Sequences:
    rng = np.random.default_rng(0)
    a, o = rng.integers(actions, size=STEPS), rng.integers(8, size=STEPS)
    return encode(Episodes(NAMES[:actions], NAMES, a, o, np.arange(0, STEPS + 1, length)))


def ours(states: int, actions: int, length: int, threads: int = 1) -> float:
    start, sequences = parameters(states, actions), data(actions, length)
    with Threads(threads) as pool:
        expected_counts(start, sequences, pool)  # compiles
        clock = time.process_time if threads == 1 else time.perf_counter
        return best(
            lambda: maximise(expected_counts(start, sequences, pool), start, MStepSettings()), clock
        )


def peer(start: Parameters, iterations: int, tol: float) -> object:
    """A model of hmmlearn with these tables, or None where that is not installed."""
    try:
        from hmmlearn.hmm import CategoricalHMM
    except ImportError:
        return None
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    model = CategoricalHMM(
        start.n_states, n_iter=iterations, tol=tol, implementation="scaling", init_params=""
    )
    model.startprob_, model.transmat_, model.emissionprob_ = start.start, start.T[0], start.Z[0]
    model.n_features = start.Z.shape[2]
    return model


def theirs(states: int, length: int) -> float | None:
    if peer(parameters(states), 1, 0.0) is None:
        return None
    symbols = np.random.default_rng(0).integers(8, size=(STEPS, 1))
    lengths = [length] * (STEPS // length)
    return best(lambda: peer(parameters(states), 1, -np.inf).fit(symbols, lengths))  # type: ignore[attr-defined]


def iterations(sizes: list[int]) -> None:
    print("states  actions  sequence  threads  seconds  hmmlearn  ratio")
    for states in sizes:
        for length in LENGTHS:
            seconds = theirs(states, length)
            cases = [(1, 1), (3, 1)] + ([(1, 2)] if length < STEPS else [])
            for actions, threads in cases:
                own = ours(states, actions, length, threads)
                beside = "-         -"
                if seconds is not None and actions == 1:
                    beside = f"{seconds:.3f}  {seconds / own:>5.1f}"
                print(
                    f"{states:>6}  {actions:>7}  {length:>8}  {threads:>7}  {own:>7.3f}  "
                    f"{beside:>15}",
                    flush=True,
                )


def peak(who: str, states: int, length: int) -> None:
    """Print the peak memory of this process after iterations on data."""
    if who == "ours":
        sequences = data(1, length)
        with Threads(1) as pool:
            maximise(
                expected_counts(parameters(states), sequences, pool),
                parameters(states),
                MStepSettings(),
            )
    else:
        theirs(states, length)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(f"{int(status['VmHWM'].split()[0]) // 1024} MB")


def memory(sizes: list[int]) -> None:
    print("states  sequence  peak memory  hmmlearn")
    for states in sizes:
        for length in LENGTHS:
            cells = [
                subprocess.run(
                    [sys.executable, __file__, "--peak", who, str(states), str(length)],
                    capture_output=True, text=True, check=True,
                ).stdout.strip()
                for who in ("ours", "theirs")
            ]  # fmt: skip
            print(f"{states:>6}  {length:>8}  {cells[0]}  {cells[1]}", flush=True)


def converged(states: int) -> None:
    """Time both from one start until an iteration gains less than 1e-7 a step."""
    rng = np.random.default_rng(1)
    true = parameters(states, seed=2)
    sharp = make_model(
        0.3 * true.T + 0.7 * np.eye(states), (true.Z**3) / (true.Z**3).sum(axis=2, keepdims=True),
        discount=0.9,
    )  # fmt: skip
    episodes = sample(sharp, episodes=1000, steps=200, rng=rng)
    n = episodes.n_steps
    start, sequences = parameters(states, seed=3), encode(episodes)
    run = EMRun(0, None, start)
    with Threads(1) as pool:
        expected_counts(start, sequences, pool)  # compiles
        progress: list[LearningProgress] = []
        monitor = LearningMonitor(on_step=progress.append)
        EM(sequences, MStepSettings(0.0, 0.0, 0.0), pool, monitor, 1e-7, 10_000).improve(run)
    print(f"{states:>6}  {run.loglik:.2f}  {progress[-1].seconds:.2f} s  {run.iterations}", end="")
    model = peer(start, 10_000, 1e-7 * n)
    if model is not None:
        symbols, lengths = episodes.observations[:, np.newaxis], episodes.lengths
        began = time.perf_counter()
        model.fit(symbols, lengths)  # type: ignore[attr-defined]
        seconds = time.perf_counter() - began
        loglik = model.score(symbols, lengths)  # type: ignore[attr-defined]
        done = model.monitor_.iter  # type: ignore[attr-defined]
        there = next((p.seconds for p in progress if p.loglik >= loglik), np.inf)
        print(
            f"; {loglik:.2f}  {seconds:.2f} s  {done}; {there:.2f} s, {seconds / there:.1f}", end=""
        )
    print(flush=True)


def reading() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        rows = zip(
            np.repeat(np.arange(10_000), 100).tolist(), np.tile(np.arange(100), 10_000).tolist(),
            rng.integers(3, size=STEPS).tolist(), rng.integers(8, size=STEPS).tolist(),
            rng.integers(-9, 9, size=STEPS).tolist(), strict=True,
        )  # fmt: skip
        lines = (f"{e},{t},go-{a},see-{o},{r}" for e, t, a, o, r in rows)
        path.write_text("episode,step,action,observation,reward\n" + "\n".join(lines) + "\n")
        print(
            f"a million rows of CSV: {best(lambda: read_episodes(path), time.perf_counter):.3f} s"
        )


def main() -> None:
    if sys.argv[1:2] == ["--peak"]:
        peak(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return
    sizes = [int(x) for x in sys.argv[1:]] or [4, 16, 64]
    reading()
    iterations(sizes)
    memory(sizes)
    print("states  converged at, after, iterations; hmmlearn; we are there after, ratio")
    for states in (4, 8):
        converged(states)


if __name__ == "__main__":
    main()
