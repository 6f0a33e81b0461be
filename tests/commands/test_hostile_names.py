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
from pathlib import Path

import click
import numpy as np
import pytest

import pomdptool
from command_cases import BAD, CASES, FILE, SIMULATE
from pomdptool.commands.main import cli
from pomdptool.commands.step_table import MAX_NAME
from pomdptool.drawing.canvas import elided
from pomdptool.printable import printable
from processes import call

FORGED = re.compile(r"^\s*optimal value\s+19\.0", re.MULTILINE)


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


def harmless(text: str, *, tabs: bool = False) -> None:
    """Nothing but printable lines, none of which a name has forged."""
    for line in text.split("\n"):
        assert (line.replace("\t", "") if tabs else line).isprintable(), repr(line)
    assert not FORGED.search(text)


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
    assert {elided(letter + BAD, MAX_NAME, "..") for letter in "st"} <= set(re.split("  +", err))
    assert f"problem         {shown}\n" in out.decode()
    _, out, _ = call(folder, "evaluate", "m.json", "p.json", *SIMULATE)
    assert f"policy          {shown}\n" in out.decode()
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
