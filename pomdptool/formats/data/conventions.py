"""Conventions of a data file that its text does not show: column names, missing values, gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pomdptool.errors import DataError
from pomdptool.formats.data.report import Columns

Gaps = Literal["consecutive", "missing"]
"""Meaning of skipped step numbers: no step was skipped, or steps without an observation."""

Ends = Literal["absorbing", "cut"]
"""How all episodes ended: in a terminal state, or cut off."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """How to interpret a data file; see the parameters of `read_episodes`."""

    columns: Columns = field(default_factory=Columns)
    missing: frozenset[str] = frozenset()
    actions: tuple[str, ...] | None = None
    observations: tuple[str, ...] | None = None
    gaps: Gaps = "consecutive"
    ends: Ends | None = None

    def alphabet(self, role: str) -> tuple[str, ...] | None:
        """Alphabet of a column."""
        return {"action": self.actions, "observation": self.observations}.get(role)

    def __post_init__(self) -> None:
        for kind in ("actions", "observations"):
            names = getattr(self, kind)
            if names is None:
                continue
            if not names or "" in names:
                raise DataError(f"{kind} (--{kind}) contains an empty name")
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise DataError(f"{kind} (--{kind}) lists {twice!r} twice")
        if self.gaps not in ("consecutive", "missing"):
            raise DataError(f"gaps must be 'consecutive' or 'missing', not {self.gaps!r}")
        if self.ends not in (None, "absorbing", "cut"):
            raise DataError(f"ends must be 'absorbing' or 'cut', not {self.ends!r}")
