"""The tables of a POMDPX file: `<CondProb>` and `<Func>`, their entries as rules."""

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
"""What the tables of a section may depend on."""

MAX_TABLES = 1000
"""Most tables of a section."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, as rules over its axes.

    Attributes
    ----------
    child
        What it gives the probabilities, or the reward, of.
    axes
        The variables it depends on and, of probabilities, last its child.
    refs
        Shape (number of rules, number of axes): index of a value, -1 for all.
    values
        Shape (number of rules,).
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
        """The variables that some rule names a value of."""
        return [axis for k, axis in enumerate(self.axes) if (self.refs[:, k] >= 0).any()]

    def named_values(self, variable: Variable) -> IntArray:
        """ValueLookup of a variable that some rule names, ascending."""
        refs = [self.refs[:, k] for k, axis in enumerate(self.axes) if axis is variable]
        found: IntArray = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *refs]))
        return found[found >= 0]

    def key_for(self, action: dict[str, int]) -> tuple[str, bytes, bytes]:
        """What tells tables apart, given an action; see `given`."""
        refs, values = self._matching(action)
        return self.child.name, refs.tobytes(), values.tobytes()

    def rules_for(self, action: dict[str, int]) -> list[RuleGroup]:
        """The rules that hold for an action (an index for each action variable), by group.

        The axes of actions are left open in them: no group names one.
        """
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
    """Reads the tables of a file, by its variables' names."""

    def __init__(self, named: dict[str, Variable], findings: Findings) -> None:
        self.named = named
        self.findings = findings
        self.values = {name: ValueLookup(variable) for name, variable in named.items()}
        self.budget = CellBudget()

    def tables(self, section: Element, children: Sequence[Variable]) -> list[Table]:
        """Read a section's tables: of probabilities one for each child, of rewards any number."""
        findings = self.findings
        found: list[Table] = []
        seen: set[str] = set()
        for k, element in enumerate(section.children):
            if k == MAX_TABLES:
                message = f"more than {MAX_TABLES} tables in <{section.name}>"
                findings.error("PT010", element.at, message)
            if k == MAX_TABLES or findings.full or self.budget.cells < 0:
                return found
            table = self._table(section.name, element, children)
            if table is None:
                continue
            found.append(table)
            if element.name == "CondProb" and table.child.name in seen:
                message = f"{table.child.name!r} has a table already"
                findings.error("PT003", table.at, message)
            seen.add(table.child.name)
        missing = [child.name for child in children if child.name not in seen]
        if missing and section.name != "RewardFunction" and not findings.errors:
            message = f"<{section.name}> has no table of {missing[0]!r}"
            findings.error("PT008", section.at, message)
        return found

    def _table(self, section: str, element: Element, children: Sequence[Variable]) -> Table | None:
        findings = self.findings
        parts = {}
        for name in ("Var", "Parent", "Parameter"):
            of_name = list(element.all(name))
            if len(of_name) != 1:
                findings.error("PT008", element.at, f"<{element.name}> holds one <{name}>")
                return None
            parts[name] = of_name[0]
        child = self.named.get(parts["Var"].text.strip())
        if child is None or child not in children:
            names = [variable.name for variable in children]
            report_unknown(parts["Var"], 0, "a variable that may stand here", names, findings)
            return None
        parents = self._parents(section, parts["Parent"], child)
        if parents is None:
            return None
        group = parts["Parameter"].attributes.get("type", "TBL").strip()
        if group != "TBL":
            message = f"parameters of type {group[:40]!r} are not read, only TBL"
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
                what = "a variable that this table may depend on"
                report_unknown(element, k, what, names, self.findings)
                return None
            if parent in parents:
                message = f"the parent {word[:40]!r} occurs twice"
                self.findings.error("PT003", element.offset_of(k), message)
                return None
            parents.append(parent)
        return tuple(parents)
