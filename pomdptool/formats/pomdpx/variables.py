"""The variables of a POMDPX file: names, values and product spaces."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_NAMES, MAX_ROWS
from pomdptool.formats.numbered_names import NumberedNames
from pomdptool.formats.pomdpx.syntax import Element
from pomdptool.sparse import Int32Array, IntArray

Digits = Int32Array
"""Value index of a variable, for every combination: a digit of a mixed-radix number."""

Role = Literal["action", "previous", "current", "observation", "reward"]

MAX_VARIABLES = 60
"""Maximal number of names of variables; a state variable has two."""

_ROLES: dict[str, tuple[tuple[Role, str], ...]] = {
    "StateVar": (("previous", "vnamePrev"), ("current", "vnameCurr")),
    "ObsVar": (("observation", "vname"),),
    "ActionVar": (("action", "vname"),),
    "RewardVar": (("reward", "vname"),),
}
"""Roles of the variables that an element declares, and the attributes with their names."""

_LETTER = {"StateVar": "s", "ObsVar": "o", "ActionVar": "a"}
"""Prefix of the names of numbered values."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the tables; a state variable is two, before and after a transition."""

    name: str
    role: Role
    values: Sequence[str]
    at: int

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Variables:
    """All variables of a file.

    `previous` and `current` are the state variables before and after a transition, in the same
    order; `observed` has the indices of the fully observed ones.
    """

    actions: tuple[Variable, ...]
    previous: tuple[Variable, ...]
    current: tuple[Variable, ...]
    observations: tuple[Variable, ...]
    rewards: tuple[Variable, ...]
    observed: tuple[int, ...]

    @property
    def named(self) -> dict[str, Variable]:
        """Variables by name."""
        groups = (self.actions, self.previous, self.current, self.observations, self.rewards)
        return {variable.name: variable for group in groups for variable in group}


def read_variables(element: Element, findings: Findings) -> Variables | None:
    """Read `<Variable>`, and check the sizes of the model; None after an error."""
    before = findings.errors
    by_role: dict[Role, list[Variable]] = {
        role: [] for roles in _ROLES.values() for role, _ in roles
    }
    observed: list[int] = []
    names: set[str] = set()
    sizes = _Sizes()
    for child in element.children:
        values = () if child.name == "RewardVar" else _values(child, findings)
        fully_observed = _flag(child, "fullyObs", findings)
        excess = sizes.add(child.name, len(values), fully_observed)
        if excess:
            findings.error("PT010", child.at, excess)
            return None
        if fully_observed:
            observed.append(len(by_role["current"]))
        for role, name in _names(child, names, findings).items():
            by_role[role].append(Variable(name, role, values, child.at))
    if not by_role["action"] or not by_role["current"]:
        tag = "StateVar" if by_role["action"] else "ActionVar"
        findings.error("PT008", element.at, f"there is no <{tag}>")
    elif not by_role["observation"] and not observed:
        message = "nothing is observed: there is no <ObsVar>, and no <StateVar> is fully observed"
        findings.error("PT008", element.at, message)
    if findings.errors > before:
        return None
    return Variables(
        actions=tuple(by_role["action"]),
        previous=tuple(by_role["previous"]),
        current=tuple(by_role["current"]),
        observations=tuple(by_role["observation"]),
        rewards=tuple(by_role["reward"]),
        observed=tuple(observed),
    )


def _names(element: Element, names: set[str], findings: Findings) -> dict[Role, str]:
    """Names of the variables that an element declares, by role; also added to `names`."""
    by_role: dict[Role, str] = {}
    for role, attribute in _ROLES[element.name]:
        name = element.attributes.get(attribute, "").strip()
        if not name:
            findings.error("PT008", element.at, f"<{element.name}> needs {attribute}")
        elif name in names:
            findings.error("PT003", element.at, f"the variable {name[:40]!r} occurs twice")
        names.add(name)
        by_role[role] = name
    return by_role


@dataclass(slots=True)
class _Sizes:
    """Numbers of variables, states, actions and observations so far."""

    variables: int = 0
    states: int = 1
    actions: int = 1
    observations: int = 1

    def add(self, tag: str, n: int, observed: bool) -> str:
        """Count a variable with n values; returns a message if a size exceeds its limit."""
        self.variables += len(_ROLES[tag])
        if self.variables > MAX_VARIABLES:
            return f"more than {MAX_VARIABLES} variables"
        if tag == "StateVar":
            self.states *= n
        if tag == "ActionVar":
            self.actions *= n
        if tag == "ObsVar" or observed:
            self.observations *= n
        for noun in ("states", "actions", "observations"):
            if (count := getattr(self, noun)) > MAX_NAMES:
                return f"{count} {noun}: the limit is {MAX_NAMES}"
        if self.actions * self.states > MAX_ROWS:
            return f"{self.actions} actions x {self.states} states are more than {MAX_ROWS}"
        return ""


def _flag(element: Element, attribute: str, findings: Findings) -> bool:
    value = element.attributes.get(attribute, "false").strip().lower()
    if value not in ("true", "false"):
        message = f"{attribute} must be `true` or `false`, not {value[:40]!r}"
        findings.error("PT001", element.at, message)
    return value == "true"


def _values(element: Element, findings: Findings) -> Sequence[str]:
    """Names of the values of a variable; empty after an error."""
    if len(element.children) != 1:
        message = f"<{element.name}> must contain one <ValueEnum> or <NumValues>"
        findings.error("PT008", element.at, message)
        return ()
    declared = element.children[0]
    if declared.name == "NumValues":
        return _numbered(declared, _LETTER[element.name], findings)
    words = declared.text.split(maxsplit=MAX_NAMES)
    if not 1 <= len(words) <= MAX_NAMES:
        findings.error("PT006", declared.at, f"expected 1 to {MAX_NAMES} values")
        return ()
    names = {"*", "-"}
    for k, word in enumerate(words):
        if word in names:
            problem = "cannot be the name of a value" if word in ("*", "-") else "occurs twice"
            findings.error("PT003", declared.offset_of(k), f"{word[:40]!r} {problem}")
            return ()
        names.add(word)
    return tuple(words)


def _numbered(element: Element, letter: str, findings: Findings) -> Sequence[str]:
    text = element.text.strip()
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_NAMES:
        message = f"expected a whole number from 1 to {MAX_NAMES}, found {text[:40]!r}"
        findings.error("PT005", element.offset_of(0), message)
        return ()
    return NumberedNames(letter, int(text))


@dataclass(frozen=True, slots=True)
class ProductSpace:
    """All combinations of the values of some variables, the last one fastest."""

    variables: tuple[Variable, ...]

    @property
    def n(self) -> int:
        """Number of combinations."""
        return math.prod(variable.n for variable in self.variables)

    def index(self, digits: Sequence[Digits]) -> IntArray:
        """Flat index of each combination, from the value index of each variable."""
        number = np.zeros(1, dtype=np.int64)
        for variable, digit in zip(self.variables, digits, strict=True):
            number = number * variable.n + digit
        return number

    def digits(self, number: IntArray | Int32Array) -> dict[str, Digits]:
        """Value index of each variable, from the flat index of each combination."""
        rest = number.astype(np.int32)
        digits: dict[str, Digits] = {}
        for variable in reversed(self.variables):
            rest, digits[variable.name] = np.divmod(rest, np.int32(variable.n))
        return digits

    def names(self, letter: str, kept: IntArray | None = None) -> list[str]:
        """Names of all, or of the `kept`, combinations: the values joined by `_`.

        If two names were equal, all names are the letter and the value indices.
        """
        named = (variable.values for variable in self.variables)
        names = _kept(map("_".join, product(*named)), kept)
        if len(set(names)) == len(names):
            return names
        numbered = (map(str, range(variable.n)) for variable in self.variables)
        return [letter + name for name in _kept(map("_".join, product(*numbered)), kept)]


def _kept(names: Iterator[str], kept: IntArray | None) -> list[str]:
    every = list(names)
    return every if kept is None else [every[k] for k in kept.tolist()]
