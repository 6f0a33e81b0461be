"""The tree of a POMDPX file to a Model: one state space, one set of actions, one of observations.

A state is a combination of the values of the state variables, an action one of the action
variables, an observation one of the observation variables and of the state variables that are
fully observed, so that what an agent sees is the same. Of observations of several variables only
those that can be made are kept. Several rewards add up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pomdptool.formats.build import MAX_ROWS
from pomdptool.formats.findings import Findings
from pomdptool.formats.pomdpx_factors import (
    Relation,
    RowSumError,
    TooLargeError,
    factor_of,
    in_order,
    join,
    start_relation,
)
from pomdptool.formats.pomdpx_rewards import Steps, rewards_of
from pomdptool.formats.pomdpx_syntax import Element
from pomdptool.formats.pomdpx_tables import Table, read_tables
from pomdptool.formats.pomdpx_variables import Space, Variable, Variables, read_variables
from pomdptool.formats.preamble import MAX_NAMES
from pomdptool.formats.rows import MAX_ENTRIES
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, IntArray, Renormalised, SparseRows, from_entries

_NUMBER = re.compile(r"[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?")


def build_pomdpx(root: Element, findings: Findings) -> Model | None:
    """Build the model; None where the findings hold an error."""
    element = _only(root, "Variable", findings)
    discount = _discount(_only(root, "Discount", findings), findings)
    variables = read_variables(element, findings) if element else None
    if element is None or variables is None or discount is None:
        return None
    states, actions = Space(variables.current), Space(variables.actions)
    if max(states.n, actions.n) > MAX_NAMES or states.n * actions.n > MAX_ROWS:
        message = f"{actions.n} actions x {states.n} states are more than {MAX_ROWS}"
        findings.error("PT010", element.at, message)
        return None
    tables = _sections(root, variables, findings)
    if findings.errors:
        return None
    return _Builder(variables, tables, findings).build(discount)


def _only(root: Element, name: str, findings: Findings) -> Element | None:
    """The one element of a name; an error where there is none or there are several."""
    found = list(root.all(name))
    if not found:
        findings.error("PT008", root.at, f"<{name}> is missing")
    elif len(found) > 1:
        findings.error("PT003", found[1].at, f"<{name}> occurs twice")
    return found[0] if len(found) == 1 else None


def _discount(element: Element | None, findings: Findings) -> float | None:
    if element is None:
        return None
    text = element.text.strip()
    if _NUMBER.fullmatch(text) and float(text) <= 1.0:
        return float(text)
    message = f"the discount must lie between 0 and 1, not {text[:40]!r}"
    findings.error("PT005", element.place(0), message)
    return None


def _sections(root: Element, variables: Variables, findings: Findings) -> dict[str, list[Table]]:
    """The tables of each section."""
    children: dict[str, tuple[Variable, ...]] = {
        "InitialStateBelief": variables.previous,
        "StateTransitionFunction": variables.current,
        "ObsFunction": variables.observations,
        "RewardFunction": variables.rewards,
    }
    named = variables.named
    found: dict[str, list[Table]] = {}
    for name, expected in children.items():
        found[name] = []
        if not expected and not list(root.all(name)):
            continue
        section = _only(root, name, findings)
        if section is not None:
            found[name] = read_tables(section, expected, named, findings)
    return found


@dataclass(slots=True)
class _Builder:
    variables: Variables
    tables: dict[str, list[Table]]
    findings: Findings
    renormalised: dict[str, Renormalised] = field(default_factory=dict)

    def build(self, discount: float) -> Model | None:
        v = self.variables
        states, actions = Space(v.current), Space(v.actions)
        S = states.n
        choices = self._choices(actions)
        start = self._start()
        before, after = Space(v.previous).digits(np.arange(S)), states.digits(np.arange(S))
        T = self._stack("StateTransitionFunction", choices, before, v.current, S)
        if start is None or T is None:
            return None
        seen = Space((*v.observations, *(v.current[k] for k in v.observed)))
        mdp = not v.observations and len(v.observed) == len(v.current)
        kept = np.arange(seen.n)
        Z = None if mdp else self._observations(choices, after, seen)
        if not mdp and Z is None:
            return None
        if Z is not None and len(seen.variables) > 1:
            kept, Z = _made(Z)
        steps = Steps(
            choices,
            {"previous": before, "current": after, "observation": seen.digits(kept)},
            (S, S, len(kept)),
        )
        rewards = rewards_of(self.tables["RewardFunction"], steps, T, Z or T)
        if not self.tables["RewardFunction"]:
            self.findings.dialect("PT109", 0, "no reward: every one is 0")
        model = make_model(
            T,
            Z,
            rewards,
            discount=discount,
            start=start,
            states=states.names("s", np.arange(S)),
            actions=actions.names("a", np.arange(actions.n)),
            observations=None if Z is None else seen.names("o", kept),
            name=self.findings.source.stem,
        )
        return replace(model, renormalised=model.renormalised | self.renormalised)

    def _choices(self, actions: Space) -> list[dict[str, int]]:
        """For each action, the index of each action variable's value."""
        digits = actions.digits(np.arange(actions.n))
        return [{name: int(digit[k]) for name, digit in digits.items()} for k in range(actions.n)]

    def _start(self) -> FloatArray | None:
        section, states = "InitialStateBelief", Space(self.variables.previous)
        relation = self._join(section, self._ordered(section), {}, start_relation({}, 1))
        if relation is None:
            return None
        for k in self.variables.observed:
            variable = states.variables[k]
            if len(np.unique(relation.digit(variable))) > 1:
                message = (
                    f"which {variable.name!r} the start is in is seen after the first action only"
                )
                self.findings.warning("PT110", variable.at, message)
        start = np.zeros(states.n)
        index = states.index([relation.digit(variable) for variable in states.variables])
        start[index] = relation.probability
        return start

    def _observations(
        self, choices: list[dict[str, int]], after: dict[str, IntArray], seen: Space
    ) -> SparseRows | None:
        if not seen.variables or seen.n > MAX_NAMES:
            message = "nothing is observed" if not seen.variables else f"{seen.n} observations"
            code = "PT010" if seen.variables else "PT008"
            self.findings.error(code, 0, f"{message}: 1 to {MAX_NAMES} are read")
            return None
        S = Space(self.variables.current).n
        return self._stack("ObsFunction", choices, after, seen.variables, S)

    def _ordered(self, section: str) -> list[Table]:
        ordered = in_order(self.tables[section])
        if isinstance(ordered, list):
            return ordered
        message = f"{ordered.child.name!r} depends on itself, through its parents"
        self.findings.error("PT009", ordered.at, message)
        return []

    def _stack(
        self,
        section: str,
        choices: list[dict[str, int]],
        given: dict[str, IntArray],
        columns: tuple[Variable, ...],
        n: int,
    ) -> SparseRows | None:
        """Rows of n for each action, from the product of a section's tables.

        Actions for which the tables say the same share the work.
        """
        tables, space = self._ordered(section), Space(columns)
        done: dict[tuple[object, ...], tuple[IntArray, IntArray, FloatArray]] = {}
        parts = []
        for k, action in enumerate(choices):
            key = tuple(table.key_for(action) for table in tables)
            if key not in done:
                relation = self._join(section, tables, action, start_relation(given, n))
                if relation is None:
                    return None
                column = space.index([relation.digit(variable) for variable in columns])
                done[key] = relation.row, column, relation.probability
            row, column, probability = done[key]
            parts.append((row + k * n, column, probability))
        if sum(len(row) for row, _, _ in parts) > MAX_ENTRIES:
            self.findings.error("PT010", tables[0].at, f"more than {MAX_ENTRIES} entries")
            return None
        rows, cols, values = (np.concatenate(x) for x in zip(*parts, strict=True))
        return from_entries(len(choices) * n, space.n, rows, cols, values)

    def _join(
        self, section: str, tables: Sequence[Table], action: dict[str, int], relation: Relation
    ) -> Relation | None:
        """Join the tables for an action to a relation; None after an error."""
        for table in tables:
            try:
                factor = factor_of(table, action)
                relation = join(relation, factor)
            except RowSumError as error:
                self.findings.error("PT007", table.at, f"{error}{_doing(action, self.variables)}")
                return None
            except TooLargeError as error:
                self.findings.error("PT010", table.at, str(error))
                return None
            self._note(section, factor.renormalised)
        return None if self.findings.errors else relation

    def _note(self, section: str, off: Renormalised) -> None:
        name = {"InitialStateBelief": "start", "StateTransitionFunction": "T"}.get(section, "O")
        sofar = self.renormalised.get(name, Renormalised())
        self.renormalised[name] = Renormalised(sofar.rows + off.rows, max(sofar.worst, off.worst))


def _made(Z: SparseRows) -> tuple[IntArray, SparseRows]:
    """The observations that can be made, and the table with only these as columns."""
    seen = np.bincount(Z.indices, minlength=Z.n_columns) > 0
    kept = np.flatnonzero(seen)
    columns = (np.cumsum(seen) - 1)[Z.indices]
    return kept, from_entries(Z.n_rows, len(kept), Z.row_of_entry(), columns, Z.data)


def _doing(action: dict[str, int], variables: Variables) -> str:
    values = [variable.values[action[variable.name]] for variable in variables.actions if action]
    return f" (action {' '.join(values)!r})" if values else ""
