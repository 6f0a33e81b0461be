"""Names of items that a file declares only by their number.

A declared number may be far larger than the file, so names are made on demand, not stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import overload


class NumberedNames(Sequence[str]):
    """The names `{prefix}0` to `{prefix}{n - 1}`."""

    def __init__(self, prefix: str, n: int) -> None:
        self.prefix, self.n = prefix, n

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, k: int) -> str: ...
    @overload
    def __getitem__(self, k: slice) -> list[str]: ...
    def __getitem__(self, k: int | slice) -> str | list[str]:
        numbers = range(self.n)[k]
        if isinstance(numbers, range):
            return [f"{self.prefix}{number}" for number in numbers]
        return f"{self.prefix}{numbers}"

    def find(self, name: str) -> int | None:
        """Index of a name; None if it is not among them."""
        match = re.fullmatch(re.escape(self.prefix) + "(0|[1-9][0-9]{0,17})", name)
        return int(match[1]) if match and int(match[1]) < self.n else None
