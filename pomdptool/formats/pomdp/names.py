"""Names in a .pomdp file: a letter, then letters, digits, `_` and `-`, but no reserved word."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pomdptool.formats.pomdp.syntax import RESERVED
from pomdptool.model import Model

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def valid_names(model: Model) -> tuple[Model, list[str]]:
    """Replace names that the format does not allow, and say which.

    Names that are their own index ("0", "1", ...) are allowed: the file counts them.
    """
    said: list[str] = []
    changed: dict[str, Any] = {}
    for what in ("states", "actions") if model.mdp else ("states", "actions", "observations"):
        old: tuple[str, ...] = getattr(model, what)
        new = _valid(old, what[0])
        if new != old:
            changed[what] = new
            pairs = [f"{a!r} is written as {b!r}" for a, b in zip(old, new, strict=True) if a != b]
            more = f" (and {len(pairs) - 3} more)" if len(pairs) > 3 else ""
            said.append(f"{what}: {', '.join(pairs[:3])}{more}")
    if model.mdp and "states" in changed:
        changed["observations"] = changed["states"]
    return (replace(model, **changed) if changed else model), said


def _valid(names: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    if is_counted(names):
        return names
    allowed = [bool(_NAME.fullmatch(n)) and n not in RESERVED for n in names]
    taken = {name for name, ok in zip(names, allowed, strict=True) if ok}
    result = []
    for name, ok in zip(names, allowed, strict=True):
        if ok:
            result.append(name)
            continue
        base = allowed_name(name, prefix)
        fresh, k = base, 2
        while fresh in taken:
            fresh, k = f"{base}_{k}", k + 1
        taken.add(fresh)
        result.append(fresh)
    return tuple(result)


def allowed_name(name: str, prefix: str) -> str:
    """Return the name if the format allows it, else what is written for it unless that is taken.

    Other characters than letters, digits, `_` and `-` become `_`, and what does not begin with a
    letter, or is reserved, gets a prefix: 404 is written as `o_404`.
    """
    base = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if not _NAME.fullmatch(base) or base in RESERVED:
        return f"{prefix}_{base}"
    return base


def is_counted(names: tuple[str, ...]) -> bool:
    """Whether each name is its own index, so that the file can give their number instead."""
    return all(name == str(i) for i, name in enumerate(names))
