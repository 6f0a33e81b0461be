"""Reads the tables of a POMDPX file, `<CondProb>` and `<Func>`, as rules with wildcards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.formats.findings import Findings
from pomdptool.formats.pomdpx.entries import CellBudget, EntryReader, ValueLookup, report_unknown
from pomdptool.formats.pomdpx.syntax import Element
from pomdptool.formats.pomdpx.variables import Role, Variable
from pomdptool.formats.wildcard_rules import RuleGroup, group_rules
from pomdptool.sparse import FloatArray, IntArray

_PARENTS: dict[str, tuple[Role, ...]] = {
    "InitialStateBelief": ("previous",),
    "StateTransitionFunction": ("action", "previous", "current"),
    "ObsFunction": ("action", "current", "observation"),
    "RewardFunction": ("action", "previous", "current", "observation"),
}
"""Roles of the variables that the tables of a section may depend on."""

MAX_TABLES = 1000
"""Maximal number of tables of a section."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a child variable as rules over its axes.

    The axes are the parents and, for probabilities, the child. `refs`, shape (rules, axes), has the
    index of a value, or -1 for all; `values` has shape (rules,).
    """

    child: Variable
    axes: tuple[Variable, ...]
    refs: IntArray
    values: FloatArray
    at: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(variable.n for variable in self.axes)

    def named_axes(self) -> list[Variable]:
        """Variables that some rule fixes."""
        return [axis for k, axis in enumerate(self.axes) if (self.refs[:, k] >= 0).any()]

    def named_values(self, variable: Variable) -> IntArray:
        """Value indices of a variable that some rule fixes, ascending."""
        refs = [self.refs[:, k] for k, axis in enumerate(self.axes) if axis is variable]
        indices: IntArray = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *refs]))
        return indices[indices >= 0]

    def key_for(self, action: dict[str, int]) -> tuple[str, bytes, bytes]:
        """Key that is equal for actions with the same rules."""
        refs, values = self._matching(action)
        return self.child.name, refs.tobytes(), values.tobytes()

    def rules_for(self, action: dict[str, int]) -> list[RuleGroup]:
        """Rules for an action (a value index for each action variable), with action axes open."""
        refs, values = self._matching(action)
        return group_rules(list(refs.T), values, np.arange(len(refs)), self.shape)

    def _matching(self, action: dict[str, int]) -> tuple[IntArray, FloatArray]:
        holds = np.ones(len(self.values), dtype=bool)
        named = [k for k, axis in enumerate(self.axes) if axis.name in action]
        for k in named:
            holds &= (self.refs[:, k] < 0) | (self.refs[:, k] == action[self.axes[k].name])
        refs = self.refs[holds]
        refs[:, named] = -1
        return refs, self.values[holds]


class TableReader:
    """Reads the tables of a file."""

    def __init__(self, named: dict[str, Variable], findings: Findings) -> None:
        self.named = named
        self.findings = findings
        self.values = {name: ValueLookup(variable) for name, variable in named.items()}
        self.budget = CellBudget()

    def tables(self, section: Element, children: Sequence[Variable]) -> list[Table]:
        """Read a section: a probability table for each child, or any number of reward tables."""
        findings = self.findings
        tables: list[Table] = []
        names: set[str] = set()
        for k, element in enumerate(section.children):
            if k == MAX_TABLES:
                message = f"more than {MAX_TABLES} tables in <{section.name}>"
                findings.error("PT010", element.at, message)
            if k == MAX_TABLES or findings.full or self.budget.cells < 0:
                return tables
            table = self._table(section.name, element, children)
            if table is None:
                continue
            tables.append(table)
            if element.name == "CondProb" and table.child.name in names:
                findings.error("PT003", table.at, f"{table.child.name!r} already has a table")
            names.add(table.child.name)
        missing = [child.name for child in children if child.name not in names]
        if missing and section.name != "RewardFunction" and not findings.errors:
            message = f"<{section.name}> has no table for {missing[0]!r}"
            findings.error("PT008", section.at, message)
        return tables

    def _table(self, section: str, element: Element, children: Sequence[Variable]) -> Table | None:
        findings = self.findings
        parts = {}
        for name in ("Var", "Parent", "Parameter"):
            matches = list(element.all(name))
            if len(matches) != 1:
                message = f"<{element.name}> must contain exactly one <{name}>"
                findings.error("PT008", element.at, message)
                return None
            parts[name] = matches[0]
        child = self.named.get(parts["Var"].text.strip())
        if child is None or child not in children:
            names = [variable.name for variable in children]
            report_unknown(parts["Var"], 0, "a variable allowed here", names, findings)
            return None
        parents = self._parents(section, parts["Parent"], child)
        if parents is None:
            return None
        form = parts["Parameter"].attributes.get("type", "TBL").strip()
        if form != "TBL":
            message = f"parameter type {form[:40]!r} is not supported, only TBL"
            findings.error("PT012", parts["Parameter"].at, message)
            return None
        probabilities = element.name == "CondProb"
        axes = (*parents, child) if probabilities else parents
        values_of = [self.values[axis.name] for axis in axes]
        entries = EntryReader(axes, values_of, probabilities, self.budget, findings)
        for entry in parts["Parameter"].children:
            entries.read(entry)
            if findings.full or self.budget.cells < 0:
                return None
        refs, values = entries.finish()
        return Table(child, axes, refs, values, parts["Var"].at)

    def _parents(
        self, section: str, element: Element, child: Variable
    ) -> tuple[Variable, ...] | None:
        words = element.words
        if words in (["null"], []):
            return ()
        allowed = _PARENTS[section]
        names = [variable.name for variable in self.named.values() if variable.role in allowed]
        parents: list[Variable] = []
        for k, word in enumerate(words):
            parent = self.named.get(word)
            if parent is None or parent.role not in allowed or parent is child:
                report_unknown(element, k, "an allowed parent of this table", names, self.findings)
                return None
            if parent in parents:
                message = f"the parent {word[:40]!r} occurs twice"
                self.findings.error("PT003", element.offset_of(k), message)
                return None
            parents.append(parent)
        return tuple(parents)
