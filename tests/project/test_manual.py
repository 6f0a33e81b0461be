"""The manual: it names all that there is, and its pages have one form.

That its examples are true is checked by `tests/docs.py`, which takes longer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import docs
import pomdptool
from models import ROOT
from pomdptool.commands.help import CONTENTS, MANUAL, TOPICS
from pomdptool.commands.main import COMMANDS, cli
from pomdptool.commands.planners import PLANNERS
from pomdptool.formats import findings
from pomdptool.formats.data.read import DATA_KINDS
from pomdptool.formats.models import MODEL_KINDS
from pomdptool.formats.policy.write import POLICY_KINDS
from pomdptool.solving.solve import ALGORITHMS, METHODS

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in MANUAL.glob("*.md")}
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(MANUAL.glob("*.md"))]


def prose(page: str) -> str:
    """A page without options, synopsis and examples."""
    text = docs.OPTIONS.sub("", PAGES.get(page, ""))
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(page: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def codes(page: str) -> set[str]:
    """Words in the code of a page."""
    return {
        word.rstrip(",")
        for code in re.findall(r"`([^`]+)`", prose(page))
        for word in [*code.split(), code]
    }


# ------------------------------------------------------------ everything is documented

HEADED = {
    ("solve", "method"): "methods",
    ("solve", "algorithm"): "methods",
    ("simulate", "planner"): "planners",
    **{(name, "kind"): "formats" for name in COMMANDS},
    ("fit", "method"): "fit",
}
"""Options each of whose values has a section of its own, and the page of these."""

SHARED = {"data_from": "data", "gaps": "data", "belief": "planners"}
"""Options whose values are explained on another page, and that page."""


def parameters(command: click.Command, name: str) -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of a command and of those below it, with the name of its command."""
    for param in command.params:
        yield name, param
    if isinstance(command, click.Group):
        for inner, below in command.commands.items():
            yield from parameters(below, f"{name} {inner}")


def undocumented(command: click.Command, name: str) -> list[str]:
    """What the manual lacks of a command: its page, its options, or values of an option."""
    page = name.split()[0]
    if page not in PAGES:
        return [f"the command `{name}` has no page pomdptool/manual/{page}.md"]
    lacking = [
        f"manual/{page}.md: no options of `{words}`: add `<!-- options of {words} -->` and "
        "`<!-- end -->`, and run `make docs`"
        for words in dict.fromkeys(words for words, _ in parameters(command, name))
        if f"<!-- options of {words} -->" not in PAGES[page]
    ]
    for words, param in parameters(command, name):
        if not isinstance(param.type, click.Choice) or words == "help":
            continue
        headed = HEADED.get((words, str(param.name)))
        where = headed or SHARED.get(str(param.name), page)
        known = set(headings(where)) if headed else codes(where) | codes(page)
        lacking += [
            f"manual/{where}.md: {'no section' if headed else 'nothing'} about `{value}` of "
            f"`{words} {param.opts[-1]}`"
            for value in param.type.choices
            if value not in known and f".{value}" not in known
        ]
    return lacking


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_option_and_value_is_documented(name: str) -> None:
    assert undocumented(docs.command_of(name), name) == []


def test_what_is_not_documented_is_named() -> None:
    choice = click.Option(["--method"], type=click.Choice(["sarsop", "magic"]))
    (lacking,) = undocumented(click.Command("solve", params=[choice]), "solve")
    assert lacking == "manual/methods.md: no section about `magic` of `solve --method`"
    colour = click.Option(["--colour"], type=click.Choice(["red"]))
    (lacking,) = undocumented(click.Command("info", params=[colour]), "info")
    assert lacking == "manual/info.md: nothing about `red` of `info --colour`"
    (lacking,) = undocumented(click.Command("frobnicate"), "frobnicate")
    assert lacking == "the command `frobnicate` has no page pomdptool/manual/frobnicate.md"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("methods", [*METHODS, *ALGORITHMS]),
        ("planners", PLANNERS),
        ("formats", set(MODEL_KINDS.values())),
        ("policies", {kind.removesuffix(".gz") for kind in POLICY_KINDS}),
    ],
)
def test_every_method_planner_and_format_has_a_section(page: str, names: Any) -> None:
    assert set(names) - set(headings(page)) == set(), f"add sections to manual/{page}.md"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("formats", MODEL_KINDS),
        ("data", [*DATA_KINDS, *DATA_KINDS.values()]),
        ("python", pomdptool.__all__),
    ],
)
def test_every_extension_and_public_name_is_documented(page: str, names: Any) -> None:
    lacking = {name.removesuffix(".gz") for name in names} - codes(page)
    assert lacking == set(), f"add these to manual/{page}.md"


def test_every_code_of_a_finding_is_documented() -> None:
    table = re.compile(r"^\| (PT\d+) \|", re.MULTILINE)
    assert table.findall(PAGES["findings"]) == table.findall(findings.__doc__ or "")


@pytest.mark.parametrize("page", PAGES)
def test_options_are_those_of_the_commands(page: str) -> None:
    assert docs.with_options(PAGES[page]) == PAGES[page], "run `make docs`"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    for name in ("tiger", "tit-for-two-tats"):
        (folder / f"{name}.pomdp").write_text((ROOT / "problems" / f"{name}.pomdp").read_text())
    return folder


DOCUMENTS = [
    ("info", "info tiger.pomdp --json"),
    ("check", "check broken.pomdp --json"),
    ("formats", "convert tiger.pomdp --to json"),
    ("policies", "solve tiger.pomdp --json"),
    ("policies", "solve tiger.pomdp --horizon 2 --all-horizons --json"),
    ("simulate", "simulate tiger.pomdp --policy p.json --compare p.json --episodes 5 --json"),
    ("planners", "simulate tiger.pomdp --sims 5 --episodes 2 --json"),
    ("evaluate", "evaluate tiger.pomdp p.json --episodes 5 --json"),
    ("fit", "fit d.csv --states 1:2 --restarts 1 -q --report r.json"),
    ("fit", "fit g.csv --method udm -q --report r.json"),
    ("loglik", "loglik tiger.pomdp d.csv --per-episode --json"),
    ("decode", "decode tiger.pomdp d.csv --json"),
    ("compare", "compare tiger.pomdp tiger.pomdp --episodes 2 --json"),
    ("data", "simulate tiger.pomdp --sims 5 --episodes 1 --steps 2 -q --trace r.json"),
]


def keys(document: Any) -> set[str]:
    """All keys of a document, but names of the model and of options, which are no keys of ours."""
    if isinstance(document, list):
        return set().union(*map(keys, document))
    if not isinstance(document, dict):
        return set()
    opened = {k: v for k, v in document.items() if k not in ("belief", "settings", "states")}
    return set(document).union(*map(keys, opened.values()))


@pytest.mark.parametrize(("page", "line"), DOCUMENTS, ids=[line for _, line in DOCUMENTS])
def test_every_key_of_json_is_documented(
    page: str, line: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run("solve tiger.pomdp -q -o p.json")
    run("sample tiger.pomdp --episodes 50 --steps 10 --seed 1 -o d.csv")
    run("sample tit-for-two-tats.pomdp --episodes 100 --steps 20 --seed 1 -o g.csv")
    Path("broken.pomdp").write_text("discount: 2\nvalues: x\n")
    output = run(f"{line} --seed 1" if line.split()[0] in ("simulate", "evaluate") else line)
    text = Path("r.json").read_text() if "r.json" in line else output
    texts = text.splitlines() if "trace" in line else [text]
    known = codes(page) | (codes("simulate") if page in ("evaluate", "planners") else set())
    assert keys([json.loads(text) for text in texts]) - known == set(), (
        f"add these keys to manual/{page}.md"
    )


def run(line: str) -> str:
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code in (0, 1), result.output
    return result.stdout


# ------------------------------------------------------------ the pages have one form


@pytest.mark.parametrize("name", COMMANDS)
def test_pages_of_commands_are_made_from_one_template(name: str) -> None:
    assert name in PAGES, f"the command `{name}` has no page pomdptool/manual/{name}.md"
    parts = re.findall(r"^## (.+)$", PAGES[name], re.MULTILINE)
    assert PAGES[name].startswith(f"# {name}\n\n")
    assert parts[:3] == ["Synopsis", "When to use it", "Example"]
    assert parts[-1] == "See also"
    assert "Options" in parts
    assert f"```\npomdptool {name}" in PAGES[name]
    writes_json = any(param.name == "as_json" for param in docs.command_of(name).params)
    assert "JSON" in parts or not writes_json or name == "solve"


def test_the_contents_list_every_page() -> None:
    listed = re.findall(r"^- \[(\w+)\]\(\1\.md\): ", PAGES[CONTENTS], re.MULTILINE)
    assert sorted(listed) == TOPICS
    assert len(set(listed)) == len(listed)


def test_the_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(pomdptool/manual/\1\.md\) \|", README, re.MULTILINE)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        there = path.parent / target
        assert there.exists(), f"{path.name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [title.lower().replace(" ", "-") for title in titles]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = re.findall(r"`((?:[a-z_]+/)+(?:[a-zA-Z_.]+)?|[a-zA-Z_]+\.(?:py|md|toml))`", text)
    roots = (ROOT, ROOT / "pomdptool", ROOT / "tests")
    assert [name for name in names if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_plain_text(page: str) -> None:
    assert PAGES[page].isascii()
