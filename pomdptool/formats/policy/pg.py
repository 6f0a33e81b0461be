"""Policy graphs in the .pg format of pomdp-solve.

A line for each node, `node action next_for_o0 next_for_o1 ...`, all numbered from 0; `-` (read
also: `X`) if the observation is impossible or the horizon ends. Graphs written here begin in node
0; other programs choose the initial node by the belief. In an MDP, whose state is observed before
the first action, the initial node is that of the state's number.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

import numpy as np

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.text_input import read_source
from pomdptool.graph import NOWHERE, PolicyGraph


def write_pg(graph: PolicyGraph) -> str:
    """Write the .pg format; the initial node is numbered 0, the others keep their order."""
    graph = graph if graph.n_initial else graph.start_first()
    return "".join(
        f"{n} {action}  {' '.join('-' if m == NOWHERE else str(m) for m in row)}\n"
        for n, (action, row) in enumerate(
            zip(graph.actions.tolist(), graph.next.tolist(), strict=True)
        )
    )


def load_graph(source: str | Path | IO[str] | IO[bytes]) -> PolicyGraph:
    """Read a policy graph from a path (`.pg`, also `.gz`) or an open file.

    Actions and observations are numbers; `carried` makes the graph a policy of a model.

    Raises
    ------
    FormatError
        If the file is not a policy graph.
    OSError
        If it cannot be read.
    """
    return read_pg(*read_source(source))


def read_pg(text: str, file: str) -> PolicyGraph:
    """Read the .pg format; nodes may come in any order, and node 0 is the initial node.

    Raises FormatError with every invalid line: a token that is not a number, a duplicate or unknown
    node, a wrong number of successors.
    """
    reader = _PgReader(file)
    for k, line in enumerate(re.split(r"\r\n|\r|\n", text)):
        reader.read(k + 1, [(m.group(), m.start() + 1) for m in re.finditer(r"\S+", line)])
    return reader.graph()


class _PgReader:
    """Collects nodes and errors."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.rows: dict[int, list[int]] = {}
        self.links: list[tuple[int, int, int]] = []
        self.ids: list[tuple[int, int]] = []
        self.width = 0

    def error(self, line: int, column: int, code: str, message: str) -> None:
        self.findings.append(Finding(self.file, line, column, "error", code, message))

    def read(self, line: int, tokens: list[tuple[str, int]]) -> None:
        """Read one line."""
        if not tokens:
            return
        if len(tokens) < 3:
            expected = "expected a node, its action and a successor for each observation"
            self.error(line, tokens[-1][1], "PT006", expected)
            return
        numbers = [self.number(line, *t, link=k > 1) for k, t in enumerate(tokens)]
        node = numbers[0]
        if node != NOWHERE and node in self.rows:
            self.error(line, tokens[0][1], "PT003", f"node {node} occurs twice")
        self.width = self.width or len(tokens)
        if len(tokens) != self.width:
            message = f"{len(tokens) - 2} successors, but {self.width - 2} in the lines before"
            self.error(line, tokens[-1][1], "PT006", message)
        self.rows[node] = numbers[1:]
        self.ids.append((line, tokens[0][1]))
        columns = [column for _, column in tokens[2:]]
        self.links += [(m, line, c) for m, c in zip(numbers[2:], columns, strict=True)]

    def number(self, line: int, token: str, column: int, *, link: bool) -> int:
        """A number from 0, or NOWHERE for a missing successor."""
        if re.fullmatch("[0-9]{1,9}", token):
            return int(token)
        if not (link and token in ("-", "X")):
            expected = "a node's number, `-` or `X`" if link else "a number"
            self.error(line, column, "PT001", f"expected {expected}, not {token[:40]!r}")
        return NOWHERE

    def graph(self) -> PolicyGraph:
        """Build the graph after the last line."""
        n = len(self.rows)
        if not self.findings:
            if not n:
                self.error(1, 1, "PT011", "a policy graph has at least one line")
            for node, (line, column) in zip(self.rows, self.ids, strict=True):
                if node >= n:
                    message = f"node {node}, but the {n} nodes must be numbered from 0"
                    self.error(line, column, "PT002", message)
            for m, line, column in self.links:
                if m != NOWHERE and m not in self.rows:
                    self.error(line, column, "PT002", f"there is no node {m}")
        if self.findings:
            raise FormatError(self.findings)
        table = np.array([self.rows[node] for node in range(n)], dtype=np.int64)
        return PolicyGraph(table[:, 0].copy(), table[:, 1:].copy())
