"""Formats by file extension."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

K = TypeVar("K")


def kind_of_path(path: str | Path, kinds: Mapping[str, K]) -> K | None:
    """Format of a file extension (case-insensitive); None if it is not in `kinds`.

    `kinds` has the formats by extension: `.csv`, and `.csv.gz` if files may be compressed.
    """
    name = str(path).lower()
    gz = ".gz" if name.endswith(".gz") else ""
    return kinds.get(Path(name.removesuffix(".gz")).suffix + gz)


def with_compressed(kinds: Mapping[str, K]) -> dict[str, K]:
    """Add the extensions of compressed files (`.gz`)."""
    return {**kinds, **{f"{extension}.gz": kind for extension, kind in kinds.items()}}
