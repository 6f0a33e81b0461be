"""The tables of a POMDPX file: `<CondProb>` and `<Func>`, their entries as rules.

An entry names a value, `*` (all) or `-` for every variable; `-` runs through the values as the
numbers of the table do, the last one fastest. Later entries win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.errors import nearest
from pomdptool.formats.counted import Counted
from pomdptool.formats.findings import MAX_HINTS, Findings
from pomdptool.formats.pomdpx_syntax import Element
from pomdptool.formats.pomdpx_variables import Role, Variable
from pomdptool.formats.rules import Kind, kinds_of
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

MAX_CELLS = 1 << 26
"""Most indices and values that the entries of a file set, those that `identity` means included."""

_NUMBER_CHARACTERS = frozenset("0123456789+-.eE \t\n")


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
        """Values of a variable that some rule names, ascending."""
        refs = [self.refs[:, k] for k, axis in enumerate(self.axes) if axis is variable]
        found: IntArray = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *refs]))
        return found[found >= 0]

    def key_for(self, action: dict[str, int]) -> tuple[str, bytes, bytes]:
        """What tells tables apart, given an action; see `given`."""
        refs, values = self._that_hold(action)
        return self.child.name, refs.tobytes(), values.tobytes()

    def given(self, action: dict[str, int]) -> list[Kind]:
        """The rules that hold for an action (an index for each action variable), by kind.

        The axes of actions are left open in them: no kind names one.
        """
        refs, values = self._that_hold(action)
        return kinds_of(list(refs.T), values, np.arange(len(refs)), self.shape)

    def _that_hold(self, action: dict[str, int]) -> tuple[IntArray, FloatArray]:
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
        self.values = {name: _Values(variable) for name, variable in named.items()}
        self.room = MAX_CELLS

    def tables(self, section: Element, children: Sequence[Variable]) -> list[Table]:
        """Read a section's tables: of probabilities one for each child, of rewards any number."""
        findings = self.findings
        found: list[Table] = []
        seen: set[str] = set()
        for k, element in enumerate(section.children):
            if k == MAX_TABLES:
                message = f"more than {MAX_TABLES} tables in <{section.name}>"
                findings.error("PT010", element.at, message)
            if k == MAX_TABLES or findings.full or self.room < 0:
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
            _unknown(parts["Var"], 0, "a variable that may stand here", names, findings)
            return None
        parents = self._parents(section, parts["Parent"], child)
        if parents is None:
            return None
        kind = parts["Parameter"].attributes.get("type", "TBL").strip()
        if kind != "TBL":
            message = f"parameters of type {kind[:40]!r} are not read, only TBL"
            findings.error("PT012", parts["Parameter"].at, message)
            return None
        probabilities = element.name == "CondProb"
        axes = (*parents, child) if probabilities else parents
        entries = _Entries(axes, probabilities, self)
        for entry in parts["Parameter"].children:
            entries.read(entry)
            if findings.full or self.room < 0:
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
                _unknown(element, k, what, names, self.findings)
                return None
            if parent in parents:
                message = f"the parent {word[:40]!r} occurs twice"
                self.findings.error("PT003", element.place(k), message)
                return None
            parents.append(parent)
        return tuple(parents)

    def take(self, rules: int, axes: int, at: int) -> bool:
        """Whether there is room for more rules over some axes; if not, an error is added."""
        self.room -= rules * (axes + 1)
        if self.room < 0:
            message = f"the entries set more than {MAX_CELLS} indices and values"
            self.findings.error("PT010", at, message)
        return self.room >= 0


def _unknown(element: Element, k: int, what: str, names: Sequence[str], findings: Findings) -> None:
    words = element.words
    word = words[k] if words else ""
    hint = nearest(word, names) if findings.errors < MAX_HINTS else ""
    message = f"{word[:40]!r} is not the name of {what}{hint}"
    findings.error("PT002", element.place(k), message)


class _Values(dict[str, int]):
    """Index of each value of a variable by its name, `*` (-1) and `-` (-2).

    Names are added as they are met.
    """

    def __init__(self, variable: Variable) -> None:
        values = variable.values
        self.counted = values if isinstance(values, Counted) else None
        super().__init__({} if self.counted else {value: k for k, value in enumerate(values)})
        self |= {"*": -1, "-": -2}

    def __missing__(self, word: str) -> int:
        """Take the name of a counted value."""
        k = self.counted.find(word) if self.counted else None
        if k is None:
            raise KeyError(word)
        self[word] = k
        return k


class _Entries:
    """Reads the entries of one table."""

    def __init__(
        self, axes: tuple[Variable, ...], probabilities: bool, reader: TableReader
    ) -> None:
        self.axes = axes
        self.probabilities = probabilities
        self.reader = reader
        self.findings = reader.findings
        self.index = [reader.values[axis.name] for axis in axes]
        self.refs: list[IntArray] = []
        self.values: list[FloatArray] = []

    def finish(self) -> tuple[IntArray, FloatArray]:
        """Every rule, in the order of the file."""
        none = np.zeros((0, len(self.axes)), dtype=np.int64)
        return np.concatenate([none, *self.refs]), np.concatenate([np.zeros(0), *self.values])

    def read(self, entry: Element) -> None:
        """Read an entry."""
        tag = "ProbTable" if self.probabilities else "ValueTable"
        if [child.name for child in entry.children] != ["Instance", tag]:
            message = f"<Entry> holds an <Instance> and then a <{tag}>"
            self.findings.error("PT008", entry.at, message)
            return
        refs = self._instance(entry.children[0])
        if refs is not None:
            self._table(refs, entry.children[1])

    def _instance(self, element: Element) -> list[int] | None:
        words = element.words
        if len(words) != len(self.axes):
            names = " ".join(axis.name for axis in self.axes) or "nothing"
            message = f"expected {len(self.axes)} values ({names[:200]}), found {len(words)}"
            self.findings.error("PT006", element.place(len(self.axes)), message)
            return None
        refs = []
        for axis, index, word in zip(self.axes, self.index, words, strict=True):
            try:
                refs.append(index[word])
            except KeyError:
                what = f"a value of {axis.name!r}"
                _unknown(element, len(refs), what, axis.values, self.findings)
                return None
        return refs

    def _table(self, refs: list[int], element: Element) -> None:
        text = element.text.strip()
        running = [k for k, ref in enumerate(refs) if ref == -2]
        if text == "uniform":
            self._uniform(refs, element)
        elif text == "identity":
            self._identity(refs, running, element)
        else:
            values = self._numbers(element)
            if values is None:
                return
            dims = [self.axes[k].n for k in running]
            n = int(np.prod(dims, dtype=object))
            if len(values) != n:
                message = f"expected {n} number{'s' * (n != 1)}, found {len(values)}"
                self.findings.error("PT006", element.place(n), message)
                return
            if not self.reader.take(n, len(refs), element.at):
                return
            rules = np.tile(np.array(refs, dtype=np.int64), (n, 1))
            if running:
                rules[:, running] = np.array(np.unravel_index(np.arange(n), dims)).T
            self._add(rules, values)

    def _uniform(self, refs: list[int], element: Element) -> None:
        if not self.probabilities or refs[-1] >= 0:
            message = "`uniform` is of probabilities, with `-` or `*` for the last variable"
            self.findings.error("PT012", element.place(0), message)
            return
        every = [max(ref, -1) for ref in refs]
        if self.reader.take(1, len(refs), element.at):
            self._add(np.array([every]), np.array([1.0 / self.axes[-1].n]))

    def _identity(self, refs: list[int], running: list[int], element: Element) -> None:
        sizes = {self.axes[k].n for k in running}
        if not self.probabilities or len(running) != 2 or len(sizes) != 1:
            message = "`identity` is of probabilities, with `-` for two variables of as many values"
            self.findings.error("PT012", element.place(0), message)
            return
        (n,) = sizes
        if not self.reader.take(n + 1, len(refs), element.at):
            return
        rules = np.tile(np.array(refs, dtype=np.int64), (n + 1, 1))
        rules[0, running] = -1
        rules[1:, running] = np.arange(n)[:, np.newaxis]
        self._add(rules, np.append(0.0, np.ones(n)))

    def _add(self, rules: IntArray, values: FloatArray) -> None:
        self.refs.append(rules)
        self.values.append(values)

    def _numbers(self, element: Element) -> FloatArray | None:
        words = element.words
        try:
            values = np.array([float(word) for word in words])
            known = _NUMBER_CHARACTERS.issuperset(element.text)
        except ValueError:
            known = False
        if not known:
            k = next((k for k, word in enumerate(words) if not _is_number(word)), 0)
            word = words[k] if words else ""
            message = f"expected numbers, `uniform` or `identity`, found {word[:40]!r}"
            self.findings.error("PT001", element.place(k), message)
            return None
        wrong = ~np.isfinite(values) if not self.probabilities else ~((values >= 0) & (values <= 2))
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            what = "a probability" if self.probabilities else "a finite number"
            self.findings.error("PT005", element.place(k), f"{words[k][:40]} is not {what}")
            return None
        return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return _NUMBER_CHARACTERS.issuperset(word)
