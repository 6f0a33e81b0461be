"""Which module may import what: the table of the design, held over every import statement."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from samples import ROOT

PACKAGE = ROOT / "pomdptool"
NOUNS = [
    *("errors", "sparse", "rewards", "model", "belief", "policy", "lookahead", "linked", "graph"),
    *("episodes", "envelope", "limits", "printable", "trace", "steps", "memory", "deprecation"),
    "distributions",
    "certificates",
    *("readable", "arguments", "randomness", "episode_lists", "belief_input", "filtering"),
    "model_input",
]
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
NAMES = {path: "pomdptool." + path.removesuffix(".py").replace("/", ".") for path in MODULES}
VERBS = [
    *("formats", "families", "solving", "acting", "learning", "analysis", "drawing", "kernels"),
    "commands",
]
THIRD_PARTY = {
    *("numpy", "numba", "scipy", "highspy", "click", "rich", "lark", "pyarrow", "matplotlib"),
}
LAZY = {"numba", "scipy", "highspy"}
"""Libraries that nouns and verbs import only inside functions and for type checking."""


@dataclass(frozen=True)
class Rule:
    """What a module may import: parts of the project, other libraries, and these lazily."""

    project: frozenset[str]
    libraries: frozenset[str]
    lazy: frozenset[str] = frozenset()


def rule(project: list[str], libraries: list[str], lazy: set[str] | None = None) -> Rule:
    return Rule(frozenset(project), frozenset(libraries), frozenset(lazy or ()))


FOLDERS = {
    "formats": rule([*NOUNS, "formats"], ["numpy"]),
    "kernels": rule(["kernels"], ["numpy", "numba"]),
    "families": rule([*NOUNS, "families"], ["numpy"]),
    "solving": rule([*NOUNS, "kernels", "solving"], ["numpy"], LAZY),
    "acting": rule([*NOUNS, "kernels", "solving", "acting"], ["numpy"], LAZY),
    "learning": rule([*NOUNS, "kernels", "learning"], ["numpy"], LAZY),
    "analysis": rule(
        [*NOUNS, "kernels", "solving", "acting", "learning", "analysis"], ["numpy"], LAZY
    ),
    "drawing": rule([*NOUNS, "drawing"], ["numpy"], {"matplotlib"}),
    "commands": rule(["", *NOUNS, *VERBS], ["numpy", "click", "rich"]),
}
FILES = {
    "commands/plot.py": rule([*NOUNS, *VERBS], ["numpy", "click"], {"matplotlib"}),  # its types
    "formats/pomdp/syntax.py": rule([*NOUNS, "formats"], ["numpy", "lark"]),
    "formats/data/read.py": rule([*NOUNS, "formats"], ["numpy"], {"pyarrow"}),
    "formats/data/delimited.py": rule([*NOUNS, "formats"], ["numpy"], {"pyarrow"}),
    "formats/data/columns.py": rule([*NOUNS, "formats"], ["numpy"], {"pyarrow"}),
    "formats/data/write.py": rule([*NOUNS, "formats"], ["numpy"], {"pyarrow"}),
    "drawing/plot.py": rule(  # draws what files, solving and learning have
        [*NOUNS, "drawing", "formats", "learning", "solving"], ["numpy"], {"matplotlib"}
    ),
    "__init__.py": rule(NOUNS, [], set(VERBS)),
    "__main__.py": rule(["commands"], []),
}
NOUN = rule([*NOUNS, "kernels"], ["numpy"], LAZY)


@dataclass(frozen=True)
class Import:
    """One import: the module, by its full name, and whether it runs only later, or never.

    It does inside a function and under `if TYPE_CHECKING`.
    """

    module: str
    line: int
    inside: bool

    @property
    def part(self) -> str:
        """The part of the project ("" for the package itself), or the library."""
        first, _, rest = self.module.partition(".")
        if first != "pomdptool":
            return first
        part = rest.partition(".")[0]
        return part if part in NOUNS + VERBS else ""


def imports(source: str, module: str = "pomdptool.x") -> Iterator[Import]:
    """Every import of a module."""
    yield from _imports(ast.parse(source), module, inside=False)


def _imports(node: ast.AST, module: str, *, inside: bool) -> Iterator[Import]:
    inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = module.split(".")[: -child.level]
                base = ".".join([*above, base]).strip(".")
            names = [f"{base}.{alias.name}" for alias in child.names]
            found = [n if base == "pomdptool" or n in NAMES.values() else base for n in names]
            yield from (Import(name, child.lineno, inside) for name in dict.fromkeys(found))
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from _imports(ast.Module(child.body, []), module, inside=True)
            yield from _imports(ast.Module(child.orelse, []), module, inside=inside)
        else:
            yield from _imports(child, module, inside=inside)


def rule_of(path: str) -> Rule:
    """Rule of a module, by its path inside the package."""
    folder = path.partition("/")[0]
    if path in FILES:
        return FILES[path]
    return FOLDERS[folder] if "/" in path else NOUN


def breaches(path: str, source: str) -> list[str]:
    """What the imports of a module break."""
    allowed = rule_of(path)
    module = "pomdptool." + path.removesuffix(".py").replace("/", ".")
    found = []
    for item in imports(source, module):
        ours = item.module.partition(".")[0] == "pomdptool"
        if not ours and item.part not in THIRD_PARTY:
            continue
        at_once = allowed.project if ours else allowed.libraries
        later = allowed.lazy if item.inside else frozenset()
        if item.part not in at_once | later:
            found.append(f"{path}:{item.line}: imports {item.module}")
    return found


@pytest.mark.parametrize("path", MODULES)
def test_imports_follow_the_layers(path: str) -> None:
    assert breaches(path, (PACKAGE / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES)
def test_third_parties_are_known(path: str) -> None:
    source = (PACKAGE / path).read_text(encoding="utf-8")
    roots = {item.module.partition(".")[0] for item in imports(source)}
    assert roots <= THIRD_PARTY | {"pomdptool"} | set(sys.stdlib_module_names)


def test_every_module_has_a_place() -> None:
    for path in MODULES:
        folder = path.partition("/")[0]
        known = folder in FOLDERS if "/" in path else path in FILES or folder[:-3] in NOUNS
        assert known, f"{path} is of no layer"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("model.py", "from pomdptool.formats.models import load"),
        ("model.py", "def f():\n    import pomdptool.formats.models"),
        ("model.py", "import numba"),
        ("model.py", "import click"),
        ("belief.py", "from pomdptool import solving"),
        ("belief.py", "from .formats import files"),
        ("belief.py", "if TYPE_CHECKING:\n    from pomdptool.solving import exact"),
        (
            "belief.py",
            "if typing.TYPE_CHECKING:\n    import pomdptool.solving.exact.value_iteration",
        ),
        ("drawing/values.py", "if TYPE_CHECKING:\n    from pomdptool.formats import traces"),
        ("formats/pomdp/build.py", "import lark"),
        ("formats/pomdp/build.py", "def f():\n    from lark import Lark"),
        ("formats/pomdp/build.py", "from ...solving import exact"),
        ("formats/data/read.py", "import pyarrow"),
        ("kernels/hmm/em.py", "from pomdptool.model import Model"),
        ("kernels/hmm/em.py", "import scipy.sparse"),
        ("solving/exact/value_iteration.py", "from pomdptool.acting import pomcp"),
        ("solving/exact/value_iteration.py", "import scipy.optimize"),
        ("solving/exact/value_iteration.py", "class A:\n    import rich"),
        ("learning/em.py", "if True:\n    from pomdptool.acting.sample import sample"),
        ("acting/simulate.py", "from pomdptool.analysis.transfer import transfer"),
        ("families/tiger.py", "from pomdptool.kernels import em"),
        ("drawing/values.py", "from matplotlib.figure import Figure"),
        ("drawing/values.py", "from pomdptool.formats import traces"),
        ("commands/solve.py", "def f():\n    import matplotlib"),
        ("__init__.py", "from pomdptool.formats.models import load"),
    ],
)
def test_breach_is_seen(path: str, source: str) -> None:
    assert len(breaches(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("model.py", "import hashlib\nimport numpy as np\nfrom pomdptool.sparse import SparseRows"),
        ("model.py", "def f():\n    import scipy.sparse\n    from numba import njit"),
        ("belief.py", "from pomdptool import errors\nfrom . import sparse"),
        ("drawing/values.py", "if TYPE_CHECKING:\n    from matplotlib.figure import Figure"),
        ("__init__.py", "if TYPE_CHECKING:\n    from pomdptool.formats.models import load"),
        ("formats/pomdp/syntax.py", "from lark import Lark\nfrom . import findings"),
        ("formats/data/read.py", "def f():\n    import pyarrow.parquet"),
        ("kernels/hmm/em.py", "from numba import njit\nfrom pomdptool.kernels.jit import solve"),
        ("acting/simulate.py", "from pomdptool.solving.bounds import qmdp"),
        ("analysis/compare.py", "from pomdptool.acting.sample import sample"),
        ("drawing/values.py", "def f():\n    from matplotlib.figure import Figure"),
        ("commands/main.py", "import click\nimport pomdptool\nfrom rich.table import Table"),
        ("__init__.py", "def f():\n    from pomdptool.formats.models import load"),
    ],
)
def test_what_is_allowed(path: str, source: str) -> None:
    assert breaches(path, source) == []


def imported() -> dict[str, set[str]]:
    """For each module the modules of the package that it imports, anywhere in its text."""
    packages = {name.removesuffix(".__init__"): name for name in NAMES.values()}
    return {
        name: {
            packages[item.module]
            for item in imports((PACKAGE / path).read_text(encoding="utf-8"), name)
            if item.module in packages
        }
        for path, name in NAMES.items()
    }


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Some cycle of a graph, from a node back to it; empty where there is none."""
    left = dict(graph)
    while ends := [node for node, after in left.items() if not after & left.keys()]:
        for node in ends:
            del left[node]
    path = [min(left)] if left else []
    while path and path[-1] not in path[:-1]:
        path.append(min(left[path[-1]] & left.keys()))
    return path[path.index(path[-1]) :] if path else []


def test_there_are_no_import_cycles() -> None:
    graph = imported()
    assert graph["pomdptool.formats.dump"] >= {"pomdptool.formats.models", "pomdptool.model"}
    assert cycle(graph) == []


def test_cycle_is_seen() -> None:
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": set()}) == ["b", "c", "b"]


def test_import_of_the_package_is_cheap() -> None:
    code = "import sys, pomdptool; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = THIRD_PARTY - {"numpy"}
    assert not heavy & set(ast.literal_eval(done.stdout))


def test_package_folder_is_found() -> None:
    assert Path(PACKAGE / "model.py").exists()
    assert len(MODULES) > 20
