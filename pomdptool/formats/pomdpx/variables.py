"""The variables of a POMDPX file: their names, their values, and the spaces that they span."""

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
"""Index of a variable's value, for every combination or assignment."""

Role = Literal["action", "previous", "current", "observation", "reward"]

MAX_VARIABLES = 60
"""Most names of variables of a file; a state variable has two."""

_ROLES: dict[str, tuple[tuple[Role, str], ...]] = {
    "StateVar": (("previous", "vnamePrev"), ("current", "vnameCurr")),
    "ObsVar": (("observation", "vname"),),
    "ActionVar": (("action", "vname"),),
    "RewardVar": (("reward", "vname"),),
}
"""The roles of what an element declares, and the attributes that name them."""

_LETTER = {"StateVar": "s", "ObsVar": "o", "ActionVar": "a"}
"""What the names of counted values begin with."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that tables speak of; a state variable has two, before a step and after it."""

    name: str
    role: Role
    values: Sequence[str]
    at: int

    @property
    def n(self) -> int:
        """How many values it has."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Variables:
    """Every variable of a file.

    Attributes
    ----------
    previous, current
        The state variables, in one order.
    observed
        Which of them are seen after a step.
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
    """Read `<Variable>`; None after an error.

    The sizes of the model are checked as variables are added, before any table is read.
    """
    before = findings.errors
    found: dict[Role, list[Variable]] = {role: [] for roles in _ROLES.values() for role, _ in roles}
    observed: list[int] = []
    names: set[str] = set()
    sizes = _Sizes()
    for child in element.children:
        values = () if child.name == "RewardVar" else _values(child, findings)
        seen = _flag(child, "fullyObs", findings)
        excess = sizes.add(child.name, len(values), seen)
        if excess:
            findings.error("PT010", child.at, excess)
            return None
        if seen:
            observed.append(len(found["current"]))
        for role, name in _names(child, names, findings).items():
            found[role].append(Variable(name, role, values, child.at))
    if not found["action"] or not found["current"]:
        tag = "StateVar" if found["action"] else "ActionVar"
        findings.error("PT008", element.at, f"there is no <{tag}>")
    elif not found["observation"] and not observed:
        message = "nothing is observed: there is no <ObsVar>, and no <StateVar> is fully observed"
        findings.error("PT008", element.at, message)
    if findings.errors > before:
        return None
    return Variables(
        tuple(found["action"]),
        tuple(found["previous"]),
        tuple(found["current"]),
        tuple(found["observation"]),
        tuple(found["reward"]),
        tuple(observed),
    )


def _names(element: Element, names: set[str], findings: Findings) -> dict[Role, str]:
    """Names of what an element declares, by role; they are added to the names so far."""
    found: dict[Role, str] = {}
    for role, attribute in _ROLES[element.name]:
        name = element.attributes.get(attribute, "").strip()
        if not name:
            findings.error("PT008", element.at, f"<{element.name}> needs {attribute}")
        elif name in names:
            findings.error("PT003", element.at, f"the variable {name[:40]!r} occurs twice")
        names.add(name)
        found[role] = name
    return found


@dataclass(slots=True)
class _Sizes:
    """How many variables there are so far; how many states, actions and observations they span."""

    variables: int = 0
    states: int = 1
    actions: int = 1
    observations: int = 1

    def add(self, tag: str, n: int, observed: bool) -> str:
        """Count a variable with n values; what is too large then, or nothing."""
        self.variables += len(_ROLES[tag])
        if self.variables > MAX_VARIABLES:
            return f"more than {MAX_VARIABLES} variables"
        if tag == "StateVar":
            self.states *= n
        if tag == "ActionVar":
            self.actions *= n
        if tag == "ObsVar" or observed:
            self.observations *= n
        for count, what in (
            (self.states, "states"),
            (self.actions, "actions"),
            (self.observations, "observations"),
        ):
            if count > MAX_NAMES:
                return f"{count} {what}: at most {MAX_NAMES} are read"
        if self.actions * self.states > MAX_ROWS:
            return f"{self.actions} actions x {self.states} states are more than {MAX_ROWS}"
        return ""


def _flag(element: Element, attribute: str, findings: Findings) -> bool:
    given = element.attributes.get(attribute, "false").strip().lower()
    if given not in ("true", "false"):
        message = f"{attribute} is `true` or `false`, not {given[:40]!r}"
        findings.error("PT001", element.at, message)
    return given == "true"


def _values(element: Element, findings: Findings) -> Sequence[str]:
    """Names of the values of a variable; none after an error."""
    if len(element.children) != 1:
        message = f"<{element.name}> holds one <ValueEnum> or <NumValues>"
        findings.error("PT008", element.at, message)
        return ()
    declared = element.children[0]
    if declared.name == "NumValues":
        return _counted(declared, _LETTER[element.name], findings)
    words = declared.text.split(maxsplit=MAX_NAMES)
    if not 1 <= len(words) <= MAX_NAMES:
        findings.error("PT006", declared.at, f"expected 1 to {MAX_NAMES} values")
        return ()
    seen = {"*", "-"}
    for k, word in enumerate(words):
        if word in seen:
            means = "cannot be the name of a value" if word in ("*", "-") else "occurs twice"
            findings.error("PT003", declared.offset_of(k), f"{word[:40]!r} {means}")
            return ()
        seen.add(word)
    return tuple(words)


def _counted(element: Element, letter: str, findings: Findings) -> Sequence[str]:
    text = element.text.strip()
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_NAMES:
        message = f"expected a whole number from 1 to {MAX_NAMES}, found {text[:40]!r}"
        findings.error("PT005", element.offset_of(0), message)
        return ()
    return NumberedNames(letter, int(text))


@dataclass(frozen=True, slots=True)
class ProductSpace:
    """Every combination of the values of some variables, the last variable's fastest."""

    variables: tuple[Variable, ...]

    @property
    def n(self) -> int:
        """How many combinations there are."""
        return math.prod(variable.n for variable in self.variables)

    def index(self, digits: Sequence[Digits]) -> IntArray:
        """Number of each combination, from the index of each variable's value."""
        number = np.zeros(1, dtype=np.int64)
        for variable, digit in zip(self.variables, digits, strict=True):
            number = number * variable.n + digit
        return number

    def digits(self, number: IntArray | Int32Array) -> dict[str, Digits]:
        """Index of every variable's value in each combination."""
        rest = number.astype(np.int32)
        found: dict[str, Digits] = {}
        for variable in reversed(self.variables):
            rest, found[variable.name] = np.divmod(rest, np.int32(variable.n))
        return found

    def names(self, letter: str, kept: IntArray | None = None) -> list[str]:
        """Names of all combinations, or of those kept: the values joined by `_`.

        Where two would be the same, all are a letter and indices.
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
