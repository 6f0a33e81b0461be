"""Paths of data files of the package.

In a wheel `grammars` and `problems` are inside the package; in a checkout and an editable install
they are beside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(folder: str, file: str) -> Path:
    """Path of a data file; FileNotFoundError if the installation lacks it."""
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root / folder / file
        if path.is_file():
            return path
    raise FileNotFoundError(f"the installation lacks {folder}/{file}")


def shipped_models() -> dict[str, Path]:
    """Paths of the models that come with pomdptool, by name; empty if the installation has none."""
    for root in (_PACKAGE, _PACKAGE.parent):
        paths = sorted((root / "problems").glob("*.pomdp"))
        if paths:
            return {path.stem: path for path in paths}
    return {}
