"""The variables of a POMDPX file: their names, their values, and the spaces that they span."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pomdptool.formats.findings import Findings
from pomdptool.formats.pomdpx_syntax import Element
from pomdptool.formats.preamble import MAX_NAMES
from pomdptool.sparse import IntArray

Role = Literal["action", "previous", "current", "observation", "reward"]

MAX_VARIABLES = 60
"""Most variables of a file."""

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
    values: tuple[str, ...]
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
    """Read `<Variable>`; None after an error."""
    before = findings.errors
    found: dict[Role, list[Variable]] = {role: [] for roles in _ROLES.values() for role, _ in roles}
    observed = []
    names: set[str] = set()
    for child in element.children:
        values = () if child.name == "RewardVar" else _values(child, findings)
        if _flag(child, "fullyObs", findings):
            observed.append(len(found["current"]))
        for role, attribute in _ROLES[child.name]:
            name = child.attributes.get(attribute, "").strip()
            if not name:
                findings.error("PT008", child.at, f"<{child.name}> needs {attribute}")
            elif name in names:
                findings.error("PT003", child.at, f"the variable {name!r} occurs twice")
            names.add(name)
            found[role].append(Variable(name, role, values, child.at))
    if not found["action"] or not found["current"]:
        tag = "StateVar" if found["action"] else "ActionVar"
        findings.error("PT008", element.at, f"there is no <{tag}>")
    if len(names) > MAX_VARIABLES:
        findings.error("PT010", element.at, f"more than {MAX_VARIABLES} variables")
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


def _flag(element: Element, attribute: str, findings: Findings) -> bool:
    given = element.attributes.get(attribute, "false").strip().lower()
    if given not in ("true", "false"):
        message = f"{attribute} is `true` or `false`, not {given[:40]!r}"
        findings.error("PT001", element.at, message)
    return given == "true"


def _values(element: Element, findings: Findings) -> tuple[str, ...]:
    """Names of the values of a variable; none after an error."""
    if len(element.children) != 1:
        message = f"<{element.name}> holds one <ValueEnum> or <NumValues>"
        findings.error("PT008", element.at, message)
        return ()
    declared = element.children[0]
    if declared.name == "NumValues":
        return _counted(declared, _LETTER[element.name], findings)
    words = declared.words
    if not 1 <= len(words) <= MAX_NAMES:
        findings.error("PT006", declared.at, f"expected 1 to {MAX_NAMES} values")
        return ()
    seen = {"*", "-"}
    for k, word in enumerate(words):
        if word in seen:
            means = "cannot be the name of a value" if word in ("*", "-") else "occurs twice"
            findings.error("PT003", declared.place(k), f"{word[:40]!r} {means}")
            return ()
        seen.add(word)
    return tuple(words)


def _counted(element: Element, letter: str, findings: Findings) -> tuple[str, ...]:
    text = element.text.strip()
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_NAMES:
        message = f"expected a whole number from 1 to {MAX_NAMES}, found {text[:40]!r}"
        findings.error("PT005", element.place(0), message)
        return ()
    return tuple(f"{letter}{k}" for k in range(int(text)))


@dataclass(frozen=True, slots=True)
class Space:
    """Every combination of the values of some variables, the last variable's fastest."""

    variables: tuple[Variable, ...]

    @property
    def n(self) -> int:
        """How many combinations there are."""
        return math.prod(variable.n for variable in self.variables)

    def index(self, digits: Sequence[IntArray]) -> IntArray:
        """Number of each combination, from the index of each variable's value."""
        number = np.zeros(1, dtype=np.int64)
        for variable, digit in zip(self.variables, digits, strict=True):
            number = number * variable.n + digit
        return number

    def digits(self, number: IntArray) -> dict[str, IntArray]:
        """Index of every variable's value in each combination."""
        found: dict[str, IntArray] = {}
        for variable in reversed(self.variables):
            number, found[variable.name] = np.divmod(number, variable.n)
        return found

    def names(self, letter: str, numbers: IntArray) -> list[str]:
        """Values joined by `_`, by number; a letter and indices where two would be the same."""
        digits = self.digits(numbers)
        indices = [digits[variable.name].tolist() for variable in self.variables]
        values = [
            [variable.values[k] for k in index]
            for variable, index in zip(self.variables, indices, strict=True)
        ]
        joined = ["_".join(parts) for parts in zip(*values, strict=True)]
        if len(set(joined)) == len(joined):
            return joined
        return [letter + "_".join(map(str, parts)) for parts in zip(*indices, strict=True)]
