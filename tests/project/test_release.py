"""A release: its version, its changelog, what it is built from, and that it works elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pomdptool
from models import PROBLEMS, ROOT

# An sdist lacks what a checkout has only for its keepers.
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.txt").read_text()


# ------------------------------------------------------------ version and locked dependencies


def test_the_version_is_stated_once_and_the_changelog_begins_with_it() -> None:
    assert version("pomdptool") == pomdptool.__version__
    headings = re.findall(r"^## (\S+) - (unreleased|\d{4}-\d\d-\d\d)$", changelog(), re.MULTILINE)
    assert headings[0][0] == pomdptool.__version__
    assert all(date != "unreleased" for _, date in headings[1:])
    assert len(headings) == len(re.findall(r"^## ", changelog(), re.MULTILINE))


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()


def locked() -> dict[str, list[Requirement]]:
    pins: dict[str, list[Requirement]] = {}
    for line in LOCK.splitlines():
        if line and not line.startswith(("#", " ")):
            pin = Requirement(line.removesuffix(" \\"))
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def test_every_dependency_is_locked_to_a_version_that_is_allowed() -> None:
    pins = locked()
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]:
        asked = Requirement(text)
        if asked.name != "pomdptool":
            for pin in pins[canonicalize_name(asked.name)]:
                (exact,) = pin.specifier
                assert exact.operator == "=="
                assert asked.specifier.contains(exact.version), (text, str(pin))


def test_the_lock_has_hashes_and_no_address() -> None:
    for block in re.split(r"\n(?=\S)", LOCK):
        assert block.startswith("#") or "--hash=sha256:" in block, block
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK


# ------------------------------------------------------------ what is built


@pytest.fixture(scope="module")
def dist(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sdist and the wheel: the one to be released, or built here."""
    given: str | None = request.config.getoption("--release")
    if given is not None:
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


def build(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_a_release_is_dated(request: pytest.FixtureRequest) -> None:
    dated = re.search(r"^## \S+ - (\S+)$", changelog(), re.MULTILINE)
    assert dated is not None
    assert request.config.getoption("--release") is None or dated[1] != "unreleased"


def test_the_wheel_holds_the_package_and_its_data(dist: Path) -> None:
    path = only(dist, "*.whl")
    assert path.name == f"pomdptool-{pomdptool.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    for pattern in ("*.py", "*.md", "*.svg"):
        for file in (ROOT / "pomdptool").rglob(pattern):
            assert str(file.relative_to(ROOT)) in names
    assert {"pomdptool/py.typed", "pomdptool/grammars/pomdp.lark"} <= names
    assert {f"pomdptool/problems/{path.name}" for path in PROBLEMS} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pomdptool"}


def test_the_sdist_builds_the_same_wheel_and_has_the_tests(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(only(dist, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    source = only(tmp_path, "pomdptool-*")
    names = ["tests/project/test_release.py", "Makefile", "requirements.txt"]
    for name in [*names, "CONTRIBUTING.md", "CHANGELOG.md"]:
        assert (source / name).is_file()
    build(source, tmp_path / "again")
    assert checksums(only(dist, "*.whl")) == checksums(only(tmp_path / "again", "*.whl"))


def checksums(path: Path) -> dict[str, int]:
    with zipfile.ZipFile(path) as archive:
        return {member.filename: member.CRC for member in archive.infolist()}


# ------------------------------------------------------------ that it works elsewhere


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of an environment that holds nothing."""
    venv.create(tmp_path / "env", symlinks=True)
    yield tmp_path / "env"
    shutil.rmtree(tmp_path / "env")


def install(environment: Path, *args: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    options = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *options, *args], check=True, timeout=600)


def works(environment: Path, folder: Path) -> None:
    """Run the installed command far from the checkout."""
    command = environment / "bin" / "pomdptool"
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    folder.mkdir()

    def output(*args: str) -> str:
        result = subprocess.run(
            [command, *args], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return result.stdout

    assert output("--version").split()[-1] == pomdptool.__version__
    output("problem", "tiger", "-o", "tiger.pomdp")
    output("solve", "tiger.pomdp", "-o", "tiger.json")
    policy = json.loads((folder / "tiger.json").read_text())
    assert policy["graph_value"] == pytest.approx(19.3714, abs=1e-4)
    assert output("help", "solve").startswith("# solve\n")
    output("plot", "tiger.json", "-o", "tiger.svg")
    assert (folder / "tiger.svg").read_text().startswith("<?xml")


def test_the_wheel_works_in_an_empty_environment(dist: Path, empty: Path, tmp_path: Path) -> None:
    """With the libraries of this environment, whose checkout is not on the path there."""
    install(empty, "--no-deps", "--no-index", str(only(dist, "*.whl")))
    site = Path(sysconfig.get_path("purelib", vars={"base": str(empty)}))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    works(empty, tmp_path / "elsewhere")


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_pip_installs_all_that_is_needed(
    pattern: str, dist: Path, empty: Path, tmp_path: Path
) -> None:
    install(empty, f"pomdptool[plot] @ {only(dist, pattern).as_uri()}")
    works(empty, tmp_path / "elsewhere")
