"""Keeps the README's outputs true: runs each command that it shows, and writes what came out.

A console block is a list of lines `$ command`, each followed by its output (standard output and
standard error as they would mix on a screen). `--check` compares instead of writing: seconds
aside, and numbers to six digits. Python blocks are run as doctests.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
VOLATILE = re.compile(r"(seconds\s+|\"seconds\": |simulations\s+)[\d.e+]+")
COMPILING = "compiling kernels (once) ..."
LONG = re.compile(r"\d+\.\d{4,}")


def comparable(text: str) -> str:
    """Text without what differs from run to run and from machine to machine."""
    return LONG.sub(lambda m: f"{float(m[0]):.6g}", VOLATILE.sub(r"\1", text))


def run_block(block: str, folder: Path) -> str:
    """Run the commands of a block and give the block with their present outputs."""
    lines = []
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in block.splitlines():
        if line.startswith("$ "):
            result = subprocess.run(
                ["bash", "-c", line[2:]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            shown = result.stdout.rstrip("\n").splitlines()
            lines += [line, *(text for text in shown if text != COMPILING)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the README anew, or check it."""
    text = README.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for problem in (ROOT / "problems").iterdir():
            shutil.copy(problem, folder)
        fresh = BLOCK.sub(lambda m: run_block(m[0], folder), text)
        os.chdir(folder)
        examples = "\n".join(PYTHON.findall(text))
        test = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed
        os.chdir(ROOT)
    if failed:
        return 1
    if "--check" not in sys.argv:
        README.write_text(fresh, encoding="utf-8")
        return 0
    if comparable(fresh) == comparable(text):
        return 0
    for shown, now in zip(text.splitlines(), fresh.splitlines(), strict=False):
        if comparable(shown) != comparable(now):
            print(f"README.md shows:\n  {shown}\nbut it is now:\n  {now}\nrun `make docs`")
            break
    return 1


if __name__ == "__main__":
    sys.exit(main())
