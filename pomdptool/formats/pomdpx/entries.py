"""Reads the entries of a POMDPX table.

An entry has a value, `*` (all) or `-` for every variable. The numbers of the entry run over the
values of the variables marked `-`, the last one fastest. Later entries win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pomdptool.errors import nearest
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_HINTS
from pomdptool.formats.numbered_names import NumberedNames
from pomdptool.formats.pomdpx.syntax import Element
from pomdptool.formats.pomdpx.variables import Variable
from pomdptool.sparse import FloatArray, IntArray

MAX_CELLS = 1 << 26
"""Maximal number of indices and values in the entries of a file, after expanding `identity`."""

_NUMBER_CHARACTERS = frozenset("0123456789+-.eE \t\n")


def report_unknown(
    element: Element, k: int, noun: str, names: Sequence[str], findings: Findings
) -> None:
    """Report that the k-th word of an element is not one of these names."""
    words = element.words
    word = words[k] if words else ""
    hint = nearest(word, names) if findings.errors < MAX_HINTS else ""
    message = f"{word[:40]!r} is not the name of {noun}{hint}"
    findings.error("PT002", element.offset_of(k), message)


class ValueLookup(dict[str, int]):
    """Index of each value of a variable by name; `*` is -1, `-` is -2.

    Names of numbered values are added on first use.
    """

    def __init__(self, variable: Variable) -> None:
        values = variable.values
        self.numbered = values if isinstance(values, NumberedNames) else None
        super().__init__({} if self.numbered else {value: k for k, value in enumerate(values)})
        self |= {"*": -1, "-": -2}

    def __missing__(self, word: str) -> int:
        """Accept the name of a numbered value."""
        k = self.numbered.find(word) if self.numbered else None
        if k is None:
            raise KeyError(word)
        self[word] = k
        return k


@dataclass(slots=True)
class CellBudget:
    """Number of indices and values that further entries of a file may take."""

    cells: int = field(default_factory=lambda: MAX_CELLS)


class EntryReader:
    """Reads the entries of one table."""

    def __init__(
        self,
        axes: tuple[Variable, ...],
        index: Sequence[ValueLookup],
        probabilities: bool,
        budget: CellBudget,
        findings: Findings,
    ) -> None:
        self.axes = axes
        self.index = index
        self.probabilities = probabilities
        self.budget = budget
        self.findings = findings
        self.refs: list[IntArray] = []
        self.values: list[FloatArray] = []

    def finish(self) -> tuple[IntArray, FloatArray]:
        """All rules, in the order of the file."""
        none = np.zeros((0, len(self.axes)), dtype=np.int64)
        return np.concatenate([none, *self.refs]), np.concatenate([np.zeros(0), *self.values])

    def read(self, entry: Element) -> None:
        """Read an entry."""
        tag = "ProbTable" if self.probabilities else "ValueTable"
        if [child.name for child in entry.children] != ["Instance", tag]:
            message = f"<Entry> must contain an <Instance> and then a <{tag}>"
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
            self.findings.error("PT006", element.offset_of(len(self.axes)), message)
            return None
        refs = []
        for axis, index, word in zip(self.axes, self.index, words, strict=True):
            try:
                refs.append(index[word])
            except KeyError:
                noun = f"a value of {axis.name!r}"
                report_unknown(element, len(refs), noun, axis.values, self.findings)
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
                self.findings.error("PT006", element.offset_of(n), message)
                return
            if not self._fits(n, element):
                return
            rules = np.tile(np.array(refs, dtype=np.int64), (n, 1))
            if running:
                rules[:, running] = np.array(np.unravel_index(np.arange(n), dims)).T
            self._add(rules, values)

    def _uniform(self, refs: list[int], element: Element) -> None:
        if not self.probabilities or refs[-1] >= 0:
            message = "`uniform` is for probabilities, with `-` or `*` for the last variable"
            self.findings.error("PT012", element.offset_of(0), message)
            return
        every = [max(ref, -1) for ref in refs]
        if self._fits(1, element):
            self._add(np.array([every]), np.array([1.0 / self.axes[-1].n]))

    def _identity(self, refs: list[int], running: list[int], element: Element) -> None:
        sizes = {self.axes[k].n for k in running}
        if not self.probabilities or len(running) != 2 or len(sizes) != 1:
            message = "`identity` is for probabilities, with `-` for two variables of equal size"
            self.findings.error("PT012", element.offset_of(0), message)
            return
        (n,) = sizes
        if not self._fits(n + 1, element):
            return
        rules = np.tile(np.array(refs, dtype=np.int64), (n + 1, 1))
        rules[0, running] = -1
        rules[1:, running] = np.arange(n)[:, np.newaxis]
        self._add(rules, np.append(0.0, np.ones(n)))

    def _fits(self, rules: int, element: Element) -> bool:
        """Whether the limit allows more rules; if not, this is reported."""
        self.budget.cells -= rules * (len(self.axes) + 1)
        if self.budget.cells < 0:
            message = f"the entries have more than {MAX_CELLS} indices and values"
            self.findings.error("PT010", element.at, message)
        return self.budget.cells >= 0

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
            self.findings.error("PT001", element.offset_of(k), message)
            return None
        wrong = ~np.isfinite(values) if not self.probabilities else ~((values >= 0) & (values <= 2))
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            noun = "a probability" if self.probabilities else "a finite number"
            self.findings.error("PT005", element.offset_of(k), f"{words[k][:40]} is not {noun}")
            return None
        return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return _NUMBER_CHARACTERS.issuperset(word)
