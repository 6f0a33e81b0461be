"""Names of strangers on a terminal: whatever a file calls things, nothing but text is printed.

Every name of the model, the policy, the data and the files holds an escape sequence, a line end
that forges a line of ours, and marks of right-to-left writing. A new command needs a case here.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import sys
from pathlib import Path

import click
import numpy as np
import pytest

import pomdptool
from pomdptool.commands.main import _run, cli
from pomdptool.printable import printable

BAD = "\x1b[31m\x1b]0;owned\x07\x9b2J\r\u202e\u2028\noptimum within  19.0 to 19.1 (certified)"
"""Colours, the title of the window, an 8-bit control, bidirectional marks, and a forged line."""

FORGED = re.compile(r"^\s*optimum within\s+19\.0", re.MULTILINE)

FILE = "f\x1b[31m\noptimum within  19.0"


def names(*words: str) -> list[str]:
    return [f"{word}{BAD}" for word in words]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hostile model, a policy for it, data of it, a trace and a report."""
    folder = tmp_path_factory.mktemp("hostile")
    model = {
        "format": "pomdptool/model", "version": 1, "name": BAD, "discount": 0.9, "values": "reward",
        "states": names("s", "t"), "actions": names("a", "b"), "observations": names("x", "y"),
        "start": [0.5, 0.5],
        "T": [[a, s, s2, 0.5] for a in (0, 1) for s in (0, 1) for s2 in (0, 1)],
        "O": [[a, s, o, 0.8 if s == o else 0.2] for a in (0, 1) for s in (0, 1) for o in (0, 1)],
        "R": {"shape": [2, 2, 1, 1], "values": [1.0, 0.0, 0.0, 1.000001]},
    }  # fmt: skip
    (folder / f"{FILE}.json").write_text(json.dumps(model))
    (folder / "m.json").write_text(json.dumps(model))
    (folder / "m2.json").write_text(json.dumps({**model, "discount": 0.8}))
    rows = [
        {"episode": e, "action": a, "observation": o, "reward": float(a == o)}
        for e in names("e", "f")
        for a in model["actions"]  # type: ignore[attr-defined]
        for o in model["observations"]  # type: ignore[attr-defined]
    ]
    (folder / f"{FILE}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "bad.jsonl").write_text(json.dumps({**rows[0], "observation": BAD}) + "\n")
    (folder / "bad.csv").write_text(f'action,"{BAD}"\na,b\n')
    (folder / "bad.json").write_text(json.dumps({**model, "values": BAD}))
    (folder / f"{FILE}.map").write_text("G..\n")
    (folder / "bad.map").write_text("G\x1b..\n")
    (folder / "bad.pomdp").write_text(f"discount: 0.9\nvalues: reward\nstates: {BAD}\n")
    enum = f"<ValueEnum>{BAD.replace(chr(27), '').replace(chr(7), '')} b</ValueEnum>"
    (folder / "bad.pomdpx").write_text(
        f'<pomdpx><Variable><StateVar vnamePrev="&#x202e;" vnameCurr="b">{enum}</StateVar>'
        "</Variable></pomdpx>"
    )
    call(folder, "solve", "m.json", "-q", "-o", "p.json")
    policy = json.loads((folder / "p.json").read_text())
    policy |= {"method": BAD, "stop_reason": BAD}
    (folder / "p.json").write_text(json.dumps(policy))
    (folder / "f.jsonl").write_text((folder / f"{FILE}.jsonl").read_text())
    call(folder, "simulate", "m.json", "--policy", "p.json", "--trace", "t.jsonl", "-q",
         "--seed", "1", "--episodes", "2", "--steps", "3")  # fmt: skip
    call(folder, "fit", "f.jsonl", "--states", "2", "--seed", "1", "-q", "-o", "fit.json",
         "--report", "r.json")  # fmt: skip
    return folder


class Stream(io.TextIOWrapper):
    """A stream in memory, that may be a terminal."""

    terminal = False

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", "surrogateescape")

    def isatty(self) -> bool:
        return self.terminal

    def written(self) -> bytes:
        self.flush()
        self.seek(0)
        return bytes(self.buffer.read())


def call(
    folder: Path, *args: str, stdin: str = "", terminal: bool = False
) -> tuple[int, bytes, str]:
    """Exit code and both outputs of the command line, in this process."""
    out, err = Stream(), Stream()
    out.terminal = terminal
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["pomdptool", *args])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = _run()
    return code, out.written(), err.written().decode("utf-8", "surrogateescape")


def harmless(text: str, *, tabs: bool = False) -> None:
    """Nothing but printable lines, none of which a name has forged."""
    for line in text.split("\n"):
        assert (line.replace("\t", "") if tabs else line).isprintable(), repr(line)
    assert not FORGED.search(text)


SIMULATE = ["--seed", "1", "--episodes", "3", "--steps", "4"]

CASES: dict[str, list[list[str]]] = {
    "info": [
        ["m.json", "-v", "--tables"], [f"{FILE}.json"], ["m.json", "--json"], ["bad.json"],
        ["bad.pomdp"], ["bad.pomdpx"], [f"{BAD}.json"], [f"--{BAD}"], ["m.json", BAD],
    ],
    "check": [
        [f"{FILE}.json", "-v"], ["bad.json"], ["bad.json", "--json"], ["bad.pomdp"], ["bad.pomdpx"],
    ],
    "convert": [[f"{FILE}.json", "-v"], ["m.json", "--to", "json"], ["m.json", "-o", f"{FILE}.x"]],
    "problem": [
        ["maze", f"{FILE}.map"], ["maze", "bad.map"], ["tag", "--map", f"{FILE}.map"],
        ["maze", BAD], ["tiger"], ["heavenhell"], [BAD],
        ["rocksample", "--size", "2", "--rocks", "1", "--seed", "1"],
    ],
    "solve": [
        [f"{FILE}.json", "-v"], ["m.json", "--method", BAD], ["m.json", "--resume", "p.json"],
        ["m.json", "-o", "graph.dot"], ["m2.json", "--method", "exact", "-o", "p.policy"],
        ["m2.json", "--terminal-values", "p.json", "--horizon", "2", "-v"],
    ],
    "evaluate": [
        ["m.json", "p.json", *SIMULATE], ["m2.json", "p.json", *SIMULATE],
        ["m.json", "p.json", *SIMULATE, "--json"], ["m2.json", "p.policy", *SIMULATE],
    ],
    "simulate": [
        ["m.json", "--policy", "p.json", *SIMULATE, "-v", "--compare", "p.json"],
        ["m.json", "--sims", "5", *SIMULATE, "-v"], ["m.json", "--planner", BAD],
        ["m2.json", "--policy", "p.json", *SIMULATE], ["m.json", "--prior", "m.json"],
        ["m.json", "--policy", f"{FILE}.json"],
    ],
    "act": [["m.json", "p.json", "--belief"], ["m2.json", "p.json"]],
    "plot": [
        [file, "--to", "svg", "--title", title] for title in ("", BAD)
        for file in ("p.json", "t.jsonl", "r.json")
    ] + [["p.json", "--show", what] for what in ("graph", "bounds", BAD)],
    "sample": [
        ["m.json", *SIMULATE, "--states"], ["m.json", *SIMULATE, "-o", "o.jsonl"],
        ["m.json", "--actions", f"{FILE}.map"],
    ],
    "fit": [
        [f"{FILE}.jsonl", "--states", "1:2", "--seed", "1", "-v"],
        [f"{FILE}.jsonl", "--method", "udm", "--seed", "1", "--like", "m.json"],
        ["bad.jsonl", "--states", "1", "--like", "m.json"], ["bad.csv", "--states", "1"],
        ["f.jsonl", "--states", "2", "--action-column", BAD],
    ],
    "loglik": [
        ["m.json", f"{FILE}.jsonl", "--per-episode"], ["m.json", "bad.jsonl"],
    ],
    "decode": [
        ["m.json", "f.jsonl", *options] for options in ([], ["--json"], ["--show", "transitions"])
    ] + [["m.json", "bad.jsonl"]],
    "compare": [[f"{FILE}.json", "m2.json", *SIMULATE], ["m.json", "m2.json", *SIMULATE, "--json"]],
    "completion": [["bash"], [BAD]],
}  # fmt: skip
"""Ways to call each command so that it prints names, or refuses them."""

TABLES = {"decode", "sample"}
"""Commands that print CSV, which has quoting rules of its own."""


def test_every_command_has_a_case() -> None:
    assert set(CASES) == set(cli.list_commands(click.Context(cli)))
    group = cli.get_command(click.Context(cli), "problem")
    assert isinstance(group, click.Group)
    assert set(group.commands) <= {args[0] for args in CASES["problem"]}


@pytest.mark.parametrize(
    ("name", "args"),
    [(name, args) for name, cases in CASES.items() for args in cases],
    ids=lambda value: value if isinstance(value, str) else printable("_".join(value))[:30],
)
def test_names_are_escaped(name: str, args: list[str], folder: Path) -> None:
    code, out, err = call(folder, name, *args, stdin=f"{printable('x' + BAD)}\n1\n\n0\n")
    assert code in (0, 1, 2)
    harmless(err)
    text = out.decode()
    if name in TABLES and "--json" not in args:
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(row) for row in rows}) <= 1
    elif name == "completion":
        assert text.isascii()
    else:
        harmless(text, tabs=name in ("act", "plot", "loglik"))


def test_all_the_names_are_shown(folder: Path) -> None:
    """What is escaped is not left out: the cases above print what they should."""
    shown = printable(BAD)
    _, out, err = call(folder, "solve", "m.json", "-v")
    assert f"problem         {shown}\n" in err
    assert re.search(f"first action    [ab]{re.escape(shown)}\n", err)
    _, out, err = call(folder, "simulate", "m.json", "--policy", "p.json", *SIMULATE, "-v")
    assert re.search(f"state [st]{re.escape(shown)}  belief [st]{re.escape(shown)} 0.5", err)
    assert f"problem         {shown}\n" in out.decode()
    _, out, _ = call(folder, "evaluate", "m.json", "p.json", *SIMULATE)
    assert f"by {shown}\n" in out.decode()
    _, out, _ = call(folder, "act", "m.json", "p.json", stdin=f"x{shown}\n")
    assert re.fullmatch(f"([ab]{re.escape(shown)}\n){{2}}", out.decode())
    _, out, _ = call(folder, "plot", "p.json", "--show", "graph")
    assert b"0: " in out
    assert b"\\x1b" in out


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_on_a_terminal_are_escaped(name: str, folder: Path) -> None:
    code, out, _ = call(folder, name, *CASES[name][0], terminal=True)
    assert code == 0
    shown = out.decode()
    harmless(shown)
    assert printable(BAD) in shown


def test_what_is_printable_stays() -> None:
    for text in ("tiger-left", "Größe", "日本", "hör☃", "a b", ""):
        assert printable(text) == text
    assert printable("a\x1b\n\t\u202eb\ud800") == r"a\x1b\n\t\u202eb\ud800"
    assert printable("ö".encode().decode("ascii", "surrogateescape")) == "ö"
    assert printable("\udcff") == r"\udcff"
    rng = np.random.default_rng(1)
    for _ in range(200):
        text = "".join(map(chr, rng.integers(0, 0x110000, size=20).tolist()))
        assert printable(text).isprintable()
        assert printable(printable(text)) == printable(text)


def test_no_command_prints_by_itself() -> None:
    """Lines for people go through `say` and `show_pairs`; completion is a script of click's."""
    for path in sorted((Path(pomdptool.__file__).parent / "commands").glob("*.py")):
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        ours = {"print", "click.echo", "click.secho", "sys.stderr.write"} & calls
        assert ours <= ({"click.echo"} if path.stem == "completion" else set()), path
