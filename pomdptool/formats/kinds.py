"""Formats by the name of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

K = TypeVar("K")


def kind_of_path(path: str | Path, kinds: Mapping[str, K]) -> K | None:
    """Format that the extension of a file name stands for (in any case); None: none of these.

    Parameters
    ----------
    kinds
        The formats by extension: `.csv`, and `.csv.gz` where a file may be compressed.
    """
    name = str(path).lower()
    gz = ".gz" if name.endswith(".gz") else ""
    return kinds.get(Path(name.removesuffix(".gz")).suffix + gz)


def with_compressed(kinds: Mapping[str, K]) -> dict[str, K]:
    """Add `.gz` to each extension of a table."""
    return {**kinds, **{f"{extension}.gz": kind for extension, kind in kinds.items()}}
