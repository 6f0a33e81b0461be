"""Small .pomdp texts, and the errors of reading them."""

from __future__ import annotations

import numpy as np

from pomdptool.errors import Finding
from pomdptool.formats.models import read_model
from pomdptool.model import Model

PREAMBLE = "discount: 0.9\nvalues: reward\nstates: a b\nactions: x y\nobservations: o p\n"


TABLES = "T: *\nuniform\nO: *\nuniform\n"


SET_R = "R: * : * : * : * 1\n"


BASE = PREAMBLE + TABLES + SET_R
"""Ten lines: tests append from line 11."""


MDP = "discount: 0.9\nvalues: reward\nstates: a b c\nactions: x y\n"


Place = tuple[int, int, str]
"""Line, column and code of an error; column 0 is any."""


def read(text: str, *, strict: bool = False) -> tuple[Model | None, tuple[Finding, ...]]:
    return read_model(text, "f", kind="pomdp", strict=strict)


def errors(text: str) -> list[Finding]:
    model, findings = read(text)
    reported = [f for f in findings if f.level == "error"]
    assert (model is None) == bool(reported)
    return reported


def error_places(text: str) -> list[Place]:
    return [(f.line, f.column, f.code) for f in errors(text)]


def numbered(states: int, observations: int) -> str:
    """One line of preamble: one action, numbered states and observations."""
    return f"discount: 1 values: reward actions: 1 states: {states} observations: {observations}\n"


def matches(reported: Place, expected: Place) -> bool:
    return expected in (reported, (reported[0], 0, reported[2]))


def only_error(text: str) -> Finding:
    (error,) = errors(text)
    return error


def full_R(model: Model) -> np.ndarray:
    shape = (model.n_actions, model.n_states, model.n_states, model.n_observations)
    return np.broadcast_to(model.R, shape)
