"""Keeps README.md and the manual true: runs the commands that they show, and writes what came out.

A console block is a list of lines `$ command`, each followed by its output (standard output and
standard error as they would mix on a screen). Python blocks are run as doctests. Between
`<!-- options of COMMAND -->` and `<!-- end -->` stand the options, from the help of the command.

The README comes first, in a folder that holds `problems/`. Each page of the manual then gets a copy
of that folder, so that it can use the files that the README's tour makes, and no others.

    python tests/docs.py [--check] [PAGE ...]

`--check` compares instead of writing: seconds aside, numbers to six digits, rounding errors as 0.
With names of pages only these are run, after the README.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from pomdptool.commands.main import cli

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MANUAL = ROOT / "pomdptool" / "manual"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"(<!-- options of ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
VOLATILE = re.compile(r"(seconds\s+|\"seconds\": |simulations\s+)[\d.e+]+")
COMPILING = "compiling kernels (once) ..."
LONG = re.compile(r"\d+\.\d{4,}")
TINY = re.compile(r"-?\d(\.\d+)?e-1\d\b")


# ------------------------------------------------------------ options


class Lists(click.HelpFormatter):
    """Writes the options of a command as Markdown lists under headings."""

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Write a heading."""
        self.write(f"**{name}**\n\n" * (name != "Options"))
        yield
        self.write("\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 0, col_spacing: int = 0
    ) -> None:
        """Write an item for each option; `--help` is known."""
        for names, text in rows:
            if "--help" not in names:
                text = re.sub(r"  +", " ", re.sub(r" ([-*+]) ", r" \\\1 ", text))
                item = textwrap.fill(
                    f"- `{names}`: {text}", 100, subsequent_indent="  ", break_on_hyphens=False
                )
                self.write(f"{item}\n")


def command_of(words: str) -> click.Command:
    """The command of a name such as `solve` or `problem tiger`."""
    command: click.Command = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, f"there is no command {words!r}"
        command = inner
    return command


def options_of(words: str) -> str:
    """The options of a command, in Markdown."""
    lists, command = Lists(), command_of(words)
    with command.make_context(words, [], resilient_parsing=True) as context:
        command.format_options(context, lists)
    return lists.getvalue().strip() or "None."


def with_options(text: str) -> str:
    """A page with the present options of its commands."""
    return OPTIONS.sub(lambda m: f"{m[1]}\n{options_of(m[2])}\n\n{m[3]}", text)


# ------------------------------------------------------------ outputs


def comparable(text: str) -> str:
    """Text without what differs from run to run and from machine to machine."""
    text = TINY.sub("0", VOLATILE.sub(r"\1", text))
    return LONG.sub(lambda m: f"{float(m[0]):.6g}", text)


def outputs_of(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a block, and the lines shown after each."""
    shown: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            shown.append((line, []))
        elif shown:
            shown[-1][1].append(line)
    return shown


def run_block(block: str, folder: Path) -> str:
    """Run the commands of a block; lines that are still true stay as they are."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lines = []
    for command, shown in outputs_of(block):
        result = subprocess.run(
            ["bash", "-c", command[2:]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        true = {comparable(line): line for line in shown}
        fresh = [line for line in result.stdout.rstrip("\n").splitlines() if line != COMPILING]
        lines += [command, *(true.get(comparable(line), line) for line in fresh)]
    return "\n".join(lines) + "\n"


def run_page(path: Path, folder: Path) -> str:
    """Text of a page with the present options and outputs."""
    text = with_options(path.read_text(encoding="utf-8"))
    return BLOCK.sub(lambda m: run_block(m[0], folder), text)


def run_examples(path: Path, folder: Path) -> bool:
    """Run the Python blocks of a page; whether they give what they show."""
    examples = "\n".join(PYTHON.findall(path.read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(examples, {}, path.name, str(path), 0)
    before = Path.cwd()
    os.chdir(folder)
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed
    os.chdir(before)
    return not failed


def run_all(paths: list[Path], folder: Path) -> tuple[dict[Path, str], bool]:
    """Texts as they should be, by page, and whether the Python blocks are right."""
    tour = folder / "tour"
    shutil.copytree(ROOT / "problems", tour)
    texts = {README: run_page(README, tour)}
    copies = {path: Path(shutil.copytree(tour, folder / path.stem)) for path in paths}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts |= zip(copies, pool.map(run_page, copies, copies.values()), strict=True)
    right = [run_examples(path, place) for path, place in [(README, tour), *copies.items()]]
    return texts, all(right)


def differs(path: Path, fresh: str) -> bool:
    """Whether a page shows what is no longer so; the first such line is printed."""
    text = path.read_text(encoding="utf-8")
    if comparable(fresh) == comparable(text):
        return False
    pairs = zip(text.splitlines(), fresh.splitlines(), strict=False)
    shown, now = next((p for p in pairs if comparable(p[0]) != comparable(p[1])), ("", "(longer)"))
    print(f"{path.relative_to(ROOT)} shows:\n  {shown}\nbut it is now:\n  {now}\nrun `make docs`")
    return True


def main() -> int:
    """Write the pages anew, or check them."""
    names = [name for name in sys.argv[1:] if name != "--check"]
    paths = [MANUAL / f"{name}.md" for name in names] or sorted(MANUAL.glob("*.md"))
    with tempfile.TemporaryDirectory() as folder:
        texts, right = run_all(paths, Path(folder))
    if "--check" in sys.argv:
        right &= sum(differs(path, fresh) for path, fresh in texts.items()) == 0
    else:
        for path, fresh in texts.items():
            path.write_text(fresh, encoding="utf-8")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
