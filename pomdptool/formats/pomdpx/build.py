"""Builds a flat Model from the element tree of a POMDPX file.

A state is a combination of values of the state variables, an action of the action variables, an
observation of the observation variables and the fully observed state variables. If observations
have several variables, only those with positive probability are kept. Several rewards add up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from pomdptool.distributions import Renormalised
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_ENTRIES, MAX_NAMES
from pomdptool.formats.pomdpx.factors import (
    TOO_MANY,
    Factor,
    TooLargeError,
    make_factor,
    topological_order,
)
from pomdptool.formats.pomdpx.product import RowSumError, product_rows
from pomdptool.formats.pomdpx.rewards import ActionClasses, StepSpace, rewards_of
from pomdptool.formats.pomdpx.syntax import Element
from pomdptool.formats.pomdpx.tables import Table, TableReader
from pomdptool.formats.pomdpx.variables import (
    Digits,
    ProductSpace,
    Variable,
    Variables,
    read_variables,
)
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, IntArray, SparseRows, repeated, stacked

X = TypeVar("X")

_NUMBER = re.compile(r"[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?")


def build_pomdpx(root: Element, findings: Findings) -> Model | None:
    """Build the model; None after an error."""
    element = _only(root, "Variable", findings)
    discount = _discount(_only(root, "Discount", findings), findings)
    variables = read_variables(element, findings) if element else None
    if element is None or variables is None or discount is None:
        return None
    tables = _sections(root, variables, findings)
    if findings.errors:
        return None
    return _Builder(variables, tables, findings).build(discount)


def _only(root: Element, name: str, findings: Findings) -> Element | None:
    """The only element with a name; an error if there is none, or more than one."""
    elements = list(root.all(name))
    if not elements:
        findings.error("PT008", root.at, f"<{name}> is missing")
    elif len(elements) > 1:
        findings.error("PT003", elements[1].at, f"<{name}> occurs twice")
    return elements[0] if len(elements) == 1 else None


def _discount(element: Element | None, findings: Findings) -> float | None:
    if element is None:
        return None
    text = element.text.strip()
    if _NUMBER.fullmatch(text) and float(text) <= 1.0:
        return float(text)
    message = f"the discount must lie between 0 and 1, not {text[:40]!r}"
    findings.error("PT005", element.offset_of(0), message)
    return None


def _sections(root: Element, variables: Variables, findings: Findings) -> dict[str, list[Table]]:
    """Tables by section."""
    children: dict[str, tuple[Variable, ...]] = {
        "InitialStateBelief": variables.previous,
        "StateTransitionFunction": variables.current,
        "ObsFunction": variables.observations,
        "RewardFunction": variables.rewards,
    }
    reader = TableReader(variables.named, findings)
    tables: dict[str, list[Table]] = {name: [] for name in children}
    for name, expected in children.items():
        if not expected and not list(root.all(name)):
            continue
        section = _only(root, name, findings)
        if section is not None:
            tables[name] = reader.tables(section, expected)
    return tables


@dataclass(slots=True)
class _Builder:
    variables: Variables
    tables: dict[str, list[Table]]
    findings: Findings
    renormalised: dict[str, Renormalised] = field(default_factory=dict)

    def build(self, discount: float) -> Model | None:
        v = self.variables
        states, actions = ProductSpace(v.current), ProductSpace(v.actions)
        S = states.n
        classes = self._action_classes(actions)
        start = self._start()
        after = states.digits(np.arange(S))
        before = {p.name: after[c.name] for p, c in zip(v.previous, v.current, strict=True)}
        T = self._stack("StateTransitionFunction", classes, before, states)
        if start is None or T is None:
            return None
        observations = ProductSpace((*v.observations, *(v.current[k] for k in v.observed)))
        mdp = not v.observations and len(v.observed) == len(v.current)
        Z = None if mdp else self._stack("ObsFunction", classes, after, observations)
        if not mdp and Z is None:
            return None
        kept = np.arange(observations.n)
        if Z is not None and len(observations.variables) > 1:
            kept, Z = _possible_observations(Z)
        steps = StepSpace(
            classes,
            {"previous": before, "current": after, "observation": observations.digits(kept)},
            (S, S, len(kept)),
        )
        rewards = rewards_of(self.tables["RewardFunction"], steps, T, Z or T)
        if not self.tables["RewardFunction"]:
            self.findings.dialect("PT109", 0, "no rewards: every reward is 0")
        model = make_model(
            T,
            Z,
            rewards,
            discount=discount,
            start=start,
            states=states.names("s"),
            actions=actions.names("a"),
            observations=None if Z is None else observations.names("o", kept),
            name=self.findings.source.stem,
        )
        return replace(model, renormalised=model.renormalised | self.renormalised)

    def _action_classes(self, actions: ProductSpace) -> ActionClasses:
        """Group actions that have the same rules in all tables."""
        tables = [table for tables in self.tables.values() for table in tables]
        key = np.zeros(actions.n, dtype=np.int64)
        digits = actions.digits(np.arange(actions.n))
        for variable in actions.variables:
            named = np.unique(np.concatenate([table.named_values(variable) for table in tables]))
            others = int(len(named) < variable.n)
            rank = np.zeros(variable.n, dtype=np.int64)
            rank[named] = others + np.arange(len(named))
            key = key * (others + len(named)) + rank[digits[variable.name]]
        _, first, of_action = np.unique(key, return_index=True, return_inverse=True)
        classes = [{name: int(digit[k]) for name, digit in digits.items()} for k in first]
        return ActionClasses(classes, of_action)

    def _start(self) -> FloatArray | None:
        section, states = "InitialStateBelief", ProductSpace(self.variables.previous)
        factors = self._factors(section, self._ordered(section), {})
        if factors is None:
            return None
        rows = self._catch(lambda: product_rows(factors, {}, 1, states, MAX_NAMES), {})
        if rows is None:
            return None
        start = np.zeros(states.n)
        start[rows[0].indices] = rows[0].data
        digits = states.digits(rows[0].indices)
        for k in self.variables.observed:
            variable = states.variables[k]
            if len(np.unique(digits[variable.name])) > 1:
                message = f"the initial {variable.name!r} is observed only after the first action"
                self.findings.warning("PT110", variable.at, message)
        return start

    def _ordered(self, section: str) -> list[Table]:
        ordered = topological_order(self.tables[section])
        if isinstance(ordered, list):
            return ordered
        message = f"{ordered.child.name!r} depends on itself, through its parents"
        self.findings.error("PT009", ordered.at, message)
        return []

    def _stack(
        self, section: str, classes: ActionClasses, fixed: dict[str, Digits], columns: ProductSpace
    ) -> SparseRows | None:
        """Rows over `columns` for all actions: the product of a section's tables.

        `fixed` has the values of the variables that the rows fix. Rows are built once for all
        actions with the same rules.
        """
        tables = self._ordered(section)
        cache: dict[tuple[object, ...], list[SparseRows]] = {}
        of_class = []
        entries, actions = 0, np.bincount(classes.of_action).tolist()
        for k, action in enumerate(classes.representatives):
            key = tuple(table.key_for(action) for table in tables)
            if key not in cache:
                max_entries = (MAX_ENTRIES - entries) // actions[k]
                rows = self._rows(section, tables, action, fixed, columns, max_entries)
                if rows is None:
                    return None
                cache[key] = rows
            of_class.append(cache[key])
            entries += actions[k] * sum(block.nonzeros for block in cache[key])
            if entries > MAX_ENTRIES:
                self.findings.error("PT010", tables[0].at, TOO_MANY)
                return None
        parts: list[SparseRows] = []
        for k, first, last in classes.runs():
            blocks = of_class[k]
            parts += blocks if last == first + 1 else [repeated(stacked(blocks), last - first)]
        return stacked(parts)

    def _rows(
        self,
        section: str,
        tables: Sequence[Table],
        action: dict[str, int],
        fixed: dict[str, Digits],
        columns: ProductSpace,
        max_entries: int,
    ) -> list[SparseRows] | None:
        """Rows of one action, in blocks; None after an error."""
        factors = self._factors(section, tables, action)
        if factors is None:
            return None
        n = ProductSpace(self.variables.current).n
        return self._catch(lambda: product_rows(factors, fixed, n, columns, max_entries), action)

    def _factors(
        self, section: str, tables: Sequence[Table], action: dict[str, int]
    ) -> list[Factor] | None:
        """Factors of an action; None after an error."""
        factors = self._catch(lambda: [make_factor(table, action) for table in tables], action)
        for factor in factors or ():
            self._note(section, factor.renormalised)
        return None if self.findings.errors else factors

    def _catch(self, make: Callable[[], X], action: dict[str, int]) -> X | None:
        """Result of `make`; None after an error, which is reported."""
        try:
            return make()
        except RowSumError as error:
            self.findings.error("PT007", error.at, f"{error}{_in_action(action, self.variables)}")
        except TooLargeError as error:
            self.findings.error("PT010", error.at, str(error))
        return None

    def _note(self, section: str, off: Renormalised) -> None:
        name = {"InitialStateBelief": "start", "StateTransitionFunction": "T"}.get(section, "O")
        total = self.renormalised.get(name, Renormalised())
        self.renormalised[name] = Renormalised(total.rows + off.rows, max(total.worst, off.worst))


def _possible_observations(Z: SparseRows) -> tuple[IntArray, SparseRows]:
    """Observations with positive probability, and the table with only these columns."""
    possible = np.zeros(Z.n_columns, dtype=bool)
    possible[Z.indices] = True
    kept, column = np.flatnonzero(possible), (np.cumsum(possible) - 1).astype(np.int32)
    indices = column[Z.indices]
    indices.setflags(write=False)
    return kept, SparseRows(len(kept), Z.indptr, indices, Z.data)


def _in_action(action: dict[str, int], variables: Variables) -> str:
    values = [variable.values[action[variable.name]] for variable in variables.actions if action]
    return f" (action {' '.join(values)!r})" if values else ""
