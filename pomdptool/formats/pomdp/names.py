"""Valid names of a .pomdp file: a letter, then letters, digits, `_` and `-`; no reserved word."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from pomdptool.formats.pomdp.syntax import RESERVED
from pomdptool.model import Model

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def valid_names(model: Model) -> tuple[Model, list[str]]:
    """Replace names that the format does not allow; also returns a message for each change.

    Names equal to their index ("0", "1", ...) are allowed: the file declares their number.
    """
    messages: list[str] = []
    changed: dict[str, Any] = {}
    for axis in ("states", "actions") if model.mdp else ("states", "actions", "observations"):
        old: tuple[str, ...] = getattr(model, axis)
        new = _valid(old, axis[0])
        if new != old:
            changed[axis] = new
            pairs = [f"{a!r} is written as {b!r}" for a, b in zip(old, new, strict=True) if a != b]
            more = f" (and {len(pairs) - 3} more)" if len(pairs) > 3 else ""
            messages.append(f"{axis}: {', '.join(pairs[:3])}{more}")
    if model.mdp and "states" in changed:
        changed["observations"] = changed["states"]
    return (replace(model, **changed) if changed else model), messages


def _valid(names: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    if are_numbered(names):
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
    """Replace a name that the format does not allow.

    Characters other than letters, digits, `_` and `-` become `_`; a name that does not begin with a
    letter, or is reserved, gets a prefix: 404 becomes `o_404`.
    """
    base = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if not _NAME.fullmatch(base) or base in RESERVED:
        return f"{prefix}_{base}"
    return base


def are_numbered(names: tuple[str, ...]) -> bool:
    """Whether each name equals its index, so that the file can declare their number instead."""
    return all(name == str(i) for i, name in enumerate(names))
