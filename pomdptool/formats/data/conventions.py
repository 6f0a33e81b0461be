"""How a table is to be read: what people mean by a missing value, a gap, an end, a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pomdptool.errors import DataError
from pomdptool.formats.data.report import Columns

Gaps = Literal["consecutive", "missing"]
"""Steps that a table leaves out: none are meant, or they happened and nothing was observed."""

Ends = Literal["absorbing", "cut"]
"""How all episodes ended: in a terminal state, or cut off."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a table means where its text does not say.

    Attributes
    ----------
    columns
        What its columns are called.
    missing
        Texts that stand for a missing value, beside the empty one.
    actions, observations
        The alphabets, in order; None: those of a model, else the symbols that occur.
    gaps
        What a gap in `step` means.
    ends
        How episodes ended; None: as the columns `terminated` and `truncated` say.
    """

    columns: Columns = field(default_factory=Columns)
    missing: frozenset[str] = frozenset()
    actions: tuple[str, ...] | None = None
    observations: tuple[str, ...] | None = None
    gaps: Gaps = "consecutive"
    ends: Ends | None = None

    def alphabet(self, role: str) -> tuple[str, ...] | None:
        """Alphabet of the symbols of a column."""
        return {"action": self.actions, "observation": self.observations}.get(role)

    def __post_init__(self) -> None:
        for what in ("actions", "observations"):
            names = getattr(self, what)
            if names is None:
                continue
            if not names or "" in names:
                raise DataError(f"the alphabet of {what} has an empty name")
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise DataError(f"the alphabet of {what} has {twice!r} twice")
        if self.gaps not in ("consecutive", "missing"):
            raise DataError(f"gaps are consecutive or missing, not {self.gaps!r}")
        if self.ends not in (None, "absorbing", "cut"):
            raise DataError(f"episodes end absorbing or cut, not {self.ends!r}")
