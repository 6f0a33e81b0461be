"""Deprecated names of keyword arguments, accepted for one version."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[F], F]:
    """Decorate a function or class whose keyword arguments were renamed.

    Parameters
    ----------
    names
        New name of each deprecated one, which issues a `DeprecationWarning`.
    """

    def decorate(target: F) -> F:
        if isinstance(target, type):
            target.__init__ = decorate(target.__init__)  # type: ignore[misc]
            return target

        @wraps(target)
        def accept(*args: Any, **keywords: Any) -> Any:
            for old, new in names.items():
                if old not in keywords:
                    continue
                warnings.warn(f"{old}= is now {new}=", DeprecationWarning, stacklevel=2)
                if new in keywords:
                    raise TypeError(f"{new}= is given twice, once by its former name {old}=")
                keywords[new] = keywords.pop(old)
            return target(*args, **keywords)

        return accept  # type: ignore[return-value]

    return decorate
