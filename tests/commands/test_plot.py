"""`plot` through real processes: what is drawn of which file, and what is said where it is not."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pomdptool
from pomdptool.commands.main import _run
from pomdptool.errors import PomdpError
from pomdptool.formats.plottable import read_plottable
from processes import call, run

TIGER = Path(__file__).parents[2] / "problems" / "tiger.pomdp"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy in each form, a report of learning and a trace."""
    made = tmp_path_factory.mktemp("plot")
    model = pomdptool.load(TIGER)
    policy = pomdptool.solve(model, "exact").policy
    for name in ("tiger.json", "tiger.alpha", "tiger.policy", "tiger.pg", "tiger.json.gz"):
        pomdptool.dump(policy, made / name)
    pomdptool.dump(pomdptool.solve(model, "qmdp").policy, made / "qmdp.json")
    (made / "tiger.pomdpx").write_text("<pomdpx/>")
    rng = np.random.default_rng(1)
    pomdptool.dump(pomdptool.sample(model, episodes=20, steps=10, rng=rng), made / "data.csv")
    fitted = ["--states", "2", "--seed", "1", "--restarts", "2", "--max-iter", "3"]
    done = run("fit", made / "data.csv", *fitted, "--report", made / "fit.json")
    assert done.returncode == 0
    played = [
        "--episodes",
        "2",
        "--steps",
        "6",
        "--seed",
        "1",
        "--policy",
        str(made / "tiger.json"),
    ]
    assert run("simulate", TIGER, *played, "--trace", made / "trace.jsonl").returncode == 0
    return made


@dataclass
class Done:
    """What a command did in this process."""

    returncode: int
    stdout: bytes
    stderr: str


Plot = Callable[..., Done]


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Plot:
    """Run `pomdptool plot` in this process."""

    def plot(*args: str | Path, given: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["pomdptool", "plot", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        code = _run()
        out, err = capsysbinary.readouterr()
        return Done(code, out, err.decode())

    return plot


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("tiger.json", [], "tiger: optimal value by exact"),
        ("tiger.json.gz", [], "tiger: optimal value by exact"),
        ("tiger.json", ["--show", "graph"], "tiger: policy graph"),
        ("tiger.json", ["--show", "bounds"], "tiger: bounds by exact"),
        ("tiger.json", ["--title", "My tiger"], "My tiger"),
        ("tiger.alpha", ["--model", str(TIGER)], "tiger: value of the alpha vectors"),
        ("tiger.policy", ["--model", str(TIGER)], "tiger: value of the alpha vectors"),
        ("tiger.pg", ["--model", str(TIGER)], "0: listen"),
        ("tiger.pg", [], "0: action 0"),
        ("qmdp.json", [], "tiger: upper bound by qmdp"),
        ("qmdp.json", [], "upper bound on the optimal value"),
        (str(TIGER), [], "tiger: optimal value by exact"),
        (str(TIGER), ["--method", "sarsop"], "tiger: lower bound by sarsop"),
        (str(TIGER), ["--show", "graph", "--max-nodes", "all"], "tiger: policy graph"),
        (
            "qmdp.json",
            ["--model", str(TIGER), "--method", "exact"],
            "tiger: upper bound by qmdp and optimal value by exact",
        ),
        ("fit.json", [], "log-likelihood, 2 states, 200 steps of data"),
        ("trace.jsonl", [], "belief over episode 0"),
        ("trace.jsonl", ["--episode", "1"], "belief over episode 1"),
    ],
)
def test_the_picture_follows_from_the_file(
    file: str, options: list[str], words: str, folder: Path, plot: Plot
) -> None:
    result = plot(folder / file, *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith(b"<?xml")
    assert re.search(f"<!-- +{re.escape(words)} -->", result.stdout.decode())


def test_the_extension_says_the_format(folder: Path, tmp_path: Path, plot: Plot) -> None:
    for name, mark in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.PDF", b"%PDF")):
        assert plot(folder / "tiger.json", "-o", tmp_path / name).returncode == 0
        assert (tmp_path / name).read_bytes().startswith(mark)
    result = plot(folder / "tiger.json", "-o", tmp_path / "a.gif")
    assert result.returncode == 2
    assert ".svg, .png or .pdf" in result.stderr


def test_a_policy_comes_through_a_pipe(tmp_path: Path) -> None:
    line = "{0} solve {1} -q | {0} plot --to png > {2}/a.png && {0} solve {1} -q | {0} plot"
    command = line.format(f"{sys.executable} -m pomdptool", TIGER, tmp_path)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert done.stdout.startswith("<?xml")


@pytest.mark.parametrize(
    ("file", "options", "code", "message"),
    [
        ("tiger.alpha", [], 1, "give --model"),
        ("tiger.policy", [], 1, "give --model"),
        ("tiger.alpha", ["--show", "graph", "--model", str(TIGER)], 1, "gives no policy graph"),
        ("tiger.alpha", ["--show", "bounds", "--model", str(TIGER)], 1, "no bounds over time"),
        ("trace.jsonl", ["--episode", "9"], 1, "no episode 9, only 0 to 1"),
        ("fit.json", ["--show", "graph"], 2, "--show must be one of these for this file: loglik."),
        (
            "tiger.json",
            ["--show", "belief"],
            2,
            "one of these for this file: value, graph, bounds.",
        ),
        ("data.csv", [], 1, "expected a policy, a model, a report of fit or a trace of simulate"),
        (str(TIGER), ["--show", "belief"], 1, "can be plotted as value, graph or bounds"),
        ("tiger.json", ["--method", "exact"], 2, "use --model MODEL"),
        (str(TIGER.with_name("machine-maintenance.pomdp")), [], 1, "use solve --horizon"),
        ("tiger.json", ["--time-limit", "1"], 2, "use it with a model or --method"),
        ("fit.json", ["--method", "exact", "--model", str(TIGER)], 2, "--method is for a model"),
        ("tiger.json", ["--max-nodes", "none"], 2, "is not a valid integer"),
        ("missing.json", [], 2, "does not exist"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    file: str,
    options: list[str],
    code: int,
    message: str,
    folder: Path,
    tmp_path: Path,
    plot: Plot,
) -> None:
    target = tmp_path / "old.svg"
    target.write_text("old")
    result = plot(folder / file, *options, "-o", target)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a policy"),
        ("{", "1:2: Expecting property name"),
        ("[1, 2]", "expected"),
        ('{"format": "pomdptool/model", "version": 1}', 'must have "states"'),
        ('{"format": "pomdptool/policy", "version": 1}', '"problem"'),
        ('{"history": [], "loglik": 1, "restarts": [], "states": 1, "steps": 1}', "is empty"),
        ('{"history": ["a"], "loglik": 1, "restarts": [], "states": 1, "steps": 1}', "numbers"),
        ('{"episode": 0, "step": 0, "action": "a"}\n{"episode": 0}\n', ":2:1: the document"),
        ('{"episode": 0, "step": 0, "action": "a"}\n', "has no beliefs"),
        ('{"episode": 0, "step": 0, "action": "a", "belief": 3}\n', "must be an object"),
        ('{"episode": 0, "step": 0, "action": "a"}\nnonsense\n', ":2:1: Expecting value"),
        ("discount: 0.9\n", "<stdin>:1:1: `states:` is missing"),
    ],
)  # fmt: skip
def test_odd_input_is_one_error(text: str, message: str, plot: Plot) -> None:
    result = plot("-", given=text)
    assert result.returncode == 1
    assert message in result.stderr
    first, *excerpt = result.stderr.splitlines()
    assert message in first
    assert all(line.startswith("    ") for line in excerpt)  # the line of the file, and a caret
    assert result.stdout == b""


@pytest.mark.parametrize("name", ["tiger.json", "tiger.pg", "fit.json", "trace.jsonl"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_the_text_reading_raises_its_own_errors_only(
    name: str, folder: Path, data: st.DataObject
) -> None:
    text = (folder / name).read_text()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    part = data.draw(st.sampled_from(["", "9", "-1", "1e999", "null", "[", '"', "{}", "\n", "\0"]))
    with contextlib.suppress(PomdpError):
        read_plottable(text[:begin] + part + text[end:], name)


def test_without_matplotlib_it_is_said_how_to_get_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('none')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = run("plot", folder / "tiger.json", "-o", tmp_path / "a.svg", env=environment)
    assert result.returncode == 1
    assert result.stderr == (
        "error: plotting requires matplotlib, which is not installed: "
        "pip install 'pomdptool[plot]'\n"
    )
    assert not (tmp_path / "a.svg").exists()


def test_a_matplotlibrc_changes_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: none\nbackend: tkagg\n")
    plain = run("plot", folder / "tiger.json")
    odd = run("plot", folder / "tiger.json", env={**os.environ, "MPLCONFIGDIR": str(tmp_path)})
    assert odd.stdout == plain.stdout


def test_a_terminal_is_not_drawn_upon(folder: Path) -> None:
    from processes import terminal_result

    shown, code = terminal_result("plot", folder / "tiger.json")
    assert code == 2
    assert "-o plot.svg" in shown


def test_reports_of_fit_have_what_is_drawn(folder: Path) -> None:
    document = json.loads((folder / "fit.json").read_text())
    assert document["steps"] == 200
    assert len(document["history"]) == document["iterations"]


# ------------------------------------------------------------ numbers and settings of strangers


def policy_with(values: list[list[float]], trace: list[list[float]]) -> str:
    return json.dumps({
        "format": "pomdptool/policy", "version": 1,
        "problem": {
            "name": "", "digest": "", "states": ["a", "b", "c"][: len(values[0])],
            "actions": ["x"], "observations": ["o"], "discount": 0.9, "values": "reward",
            "start": [1.0, 0.0, 0.0][: len(values[0])],
        },
        "method": "exact", "converged": True, "stop_reason": "precision", "horizon": None,
        "bounds": {"lower": 0, "upper": 1}, "graph": None, "stats": {}, "trace": trace,
        "vectors": [{"action": 0, "values": row} for row in values],
    })  # fmt: skip


def step_of(reward: float) -> str:
    step = {"episode": 0, "step": 0, "action": "a", "belief": {"s": 1.0}, "reward": reward}
    return json.dumps(step) + "\n"


def report_of(end: float) -> str:
    restarts = [{"iterations": 2**53 - 1, "loglik": end}, {"iterations": 0, "loglik": 0.0}]
    return json.dumps({"loglik": 0, "states": 1, "steps": 1, "history": [0.0, end],
                       "restarts": restarts})  # fmt: skip


FIGURES = {
    "two states": lambda x: policy_with([[x, 0.0], [0.0, x]], []),
    "three states": lambda x: policy_with([[x, 0.0, -x], [-x, 0.0, x]], []),
    "bounds": lambda x: policy_with([[0.0, 0.0]], [[1.0, -x, x, 1]]),
    "seconds": lambda x: policy_with([[0.0, 0.0]], [[1e-3, 0.0, 1.0, 1], [x, 0.0, 1.0, 1]]),
    "rewards": lambda x: step_of(x) + step_of(-x),
    "log-likelihood": report_of,
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("x", [1e308, 1e101, 1e99, 1e-310])
def test_numbers_are_drawn_or_refused(name: str, x: float, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(FIGURES[name](x))
    what = ["--show", "bounds"] if name in ("bounds", "seconds") else []
    target = tmp_path / "picture.svg"
    code, _, err = call(tmp_path, "plot", str(file), *what, "-o", str(target))
    if x > 1e100:
        assert code == 1
        assert re.fullmatch(r"error: [^\n]* cannot be drawn: more than 1e\+100\n", err)
        assert not target.exists()
    else:
        assert (code, err) == (0, "")
        assert target.stat().st_size > 1000


def test_beliefs_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(step_of(1.0) + step_of(1.0).replace('"s": 1.0', '"s": 1e308'))
    code, _, err = call(tmp_path, "plot", "t.jsonl", "-o", "t.svg")
    assert (code, err) == (1, 't.jsonl:2:1: "belief"."s" must lie between 0 and 1\n')


def test_settings_of_matplotlib_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(FIGURES["two states"](1.0))
    (tmp_path / "matplotlibrc").write_text("backend: nope\nfont.size: many\n")
    (tmp_path / "no-folder").write_text("")
    settings = {"MPLBACKEND": "nope", "MPLCONFIGDIR": str(tmp_path / "no-folder" / "mpl")}
    usual = subprocess.run(
        [sys.executable, "-m", "pomdptool", "plot", "p.json"],
        cwd=tmp_path, env={**os.environ, **settings}, capture_output=True, check=False,
    )  # fmt: skip
    assert (usual.returncode, usual.stderr) == (0, b"")
    assert usual.stdout == call(tmp_path, "plot", "p.json")[1]
