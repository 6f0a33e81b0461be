"""Where the files that ship with the package lie.

In a wheel `grammars` and `problems` lie inside the package; in a checkout and an editable install
they lie beside it.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(folder: str, file: str) -> Path:
    """Path of a shipped file.

    Raises
    ------
    FileNotFoundError
        If the installation lacks it.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root / folder / file
        if path.is_file():
            return path
    raise FileNotFoundError(f"the installation lacks {folder}/{file}")
