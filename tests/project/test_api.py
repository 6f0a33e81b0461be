"""The public names: each command's result is there from Python, documented, cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import pomdptool
from models import ROOT
from pomdptool.commands.main import COMMANDS

PUBLIC = {
    "info": ("info",),
    "check": ("check",),
    "convert": ("load", "dump"),
    "problem": ("rocksample", "tag", "maze", "heavenhell", "tiger"),
    "solve": ("solve", "load_vectors"),
    "policy": ("policy_info", "policy_at"),
    "evaluate": ("evaluate", "carried", "load_graph"),
    "simulate": ("simulate", "Pomcp", "Prior"),
    "act": ("agent_for", "update_belief"),
    "plot": ("plot",),
    "sample": ("sample",),
    "fit": ("fit", "select", "distinguish", "standard_errors"),
    "loglik": ("loglik",),
    "decode": ("decode",),
    "compare": ("compare", "transfer"),
}
"""The public functions by which each command's result is computed from Python."""

WITHOUT_RESULT = {"completion", "help"}
"""Commands that only tell a shell, or people, about the others."""

OTHERWISE = {"convert": "encode_model", "sample": "sample_batches"}
"""Commands that call a part of their function, because they write text or in parts."""


# ---------------------------------------------------------------- every command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_public_function(name: str) -> None:
    if name in WITHOUT_RESULT:
        return
    assert name in PUBLIC, (
        f"the command {name!r} has no function in Python: add one to pomdptool/__init__.py, and "
        "both to PUBLIC in tests/project/test_api.py"
    )
    for function in PUBLIC[name]:
        assert function in pomdptool.__all__, f"pomdptool.{function} is not public"
        assert callable(getattr(pomdptool, function))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_command_calls_its_public_functions(name: str) -> None:
    """There is no second way to the same result."""
    folder = ROOT / "pomdptool" / "commands"
    shared = [folder / "models.py", folder / "planners.py"]
    parts = [folder / f"{name}.py", *shared, *folder.glob(f"{name}_*.py")]
    tree = [node for path in parts for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    used = {node.id for node in tree if isinstance(node, ast.Name)}
    for public in PUBLIC[name]:
        function = OTHERWISE.get(name, getattr(pomdptool, public).__name__)
        assert function in used, f"commands/{name}.py does not call {function}"


def test_commands_of_the_table_exist() -> None:
    assert set(PUBLIC) <= set(COMMANDS)


@pytest.mark.parametrize("name", pomdptool.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(pomdptool, name)
    assert value.__doc__, f"pomdptool.{name} has no docstring"
    assert not value.__doc__.startswith(f"{name}("), f"pomdptool.{name} has no docstring"


RANDOM = {
    *("solve", "simulate", "sample", "evaluate", "transfer", "compare"),
    *("fit", "select", "distinguish", "rocksample"),
}
FUNCTIONS = [name for name in pomdptool.__all__ if inspect.isfunction(getattr(pomdptool, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_functions_take_a_generator(name: str) -> None:
    """Randomness is a numpy Generator, by keyword, that the caller makes; never a seed."""
    parameters = inspect.signature(getattr(pomdptool, name)).parameters
    assert "seed" not in parameters
    assert ("rng" in parameters) == (name in RANDOM)
    if name in RANDOM:
        assert parameters["rng"].kind is inspect.Parameter.KEYWORD_ONLY
        assert "Generator" in str(parameters["rng"].annotation)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_functions_raise_is_documented(name: str) -> None:
    function = getattr(pomdptool, name)
    raised = {
        node.exc.func.id
        for node in ast.walk(ast.parse(inspect.getsource(function)))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
    } & {"PomdpError", "ModelError", "DataError", "PolicyError", "FormatError"}
    for error in raised:
        assert error in function.__doc__, f"pomdptool.{name} raises {error}: document it"


def test_import_is_cheap() -> None:
    code = (
        "import sys, pomdptool; pomdptool.__all__; "
        "print(sorted(m for m in sys.modules if m.startswith(('pomdptool.', 'numpy'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_former_names_are_accepted_for_one_version() -> None:
    with pytest.warns(DeprecationWarning, match=r"player is now agent_for"):
        assert pomdptool.player is pomdptool.agent_for
