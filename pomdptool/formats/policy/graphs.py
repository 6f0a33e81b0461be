"""Policy graphs to text: .pg of the reference solver, DOT, a JSON form, and a tree for terminals.

.pg: a line for each node, `node action next_for_o0 next_for_o1 ...`, all of them numbers from 0;
`-` (read also: `X`) where the observation is impossible or the horizon is over. What is written
here begins in node 0; other programs leave the start to the belief. In an MDP, whose state is
observed before the first action, it begins in node s if the state is number s.

DOT: the language of Graphviz. Nodes are labelled with their actions, edges with the observations
that lead along them.

JSON: `{"start": 0, "nodes": [{"action": 1, "next": [0, null]}]}`, null in place of `-`. In an MDP
"start" lists the nodes to begin in, one for each state: [0, 1, ...].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.text_input import read_source
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.policy import Problem
from pomdptool.printable import printable
from pomdptool.sparse import FloatArray

# ---------------------------------------------------------------- .pg


def write_pg(graph: PolicyGraph) -> str:
    """Text in .pg form; the start is numbered 0, the others keep their order."""
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
    """Read the .pg form; nodes may come in any order, and node 0 is the start.

    Raises
    ------
    FormatError
        With every line that is wrong: what is no number, a node that occurs twice or does not
        exist, lines of different lengths.
    """
    reader = _PgReader(file)
    for k, line in enumerate(re.split(r"\r\n|\r|\n", text)):
        reader.read(k + 1, [(m.group(), m.start() + 1) for m in re.finditer(r"\S+", line)])
    return reader.graph()


class _PgReader:
    """Collects the nodes, and what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.rows: dict[int, list[int]] = {}
        self.links: list[tuple[int, int, int]] = []
        self.ids: list[tuple[int, int]] = []
        self.width = 0

    def wrong(self, line: int, column: int, code: str, message: str) -> None:
        self.findings.append(Finding(self.file, line, column, "error", code, message))

    def read(self, line: int, tokens: list[tuple[str, int]]) -> None:
        """Read one line."""
        if not tokens:
            return
        if len(tokens) < 3:
            expected = "expected a node, its action and a successor for each observation"
            self.wrong(line, tokens[-1][1], "PT006", expected)
            return
        numbers = [self.number(line, *t, link=k > 1) for k, t in enumerate(tokens)]
        node = numbers[0]
        if node != NOWHERE and node in self.rows:
            self.wrong(line, tokens[0][1], "PT003", f"node {node} occurs twice")
        self.width = self.width or len(tokens)
        if len(tokens) != self.width:
            message = f"{len(tokens) - 2} successors, but {self.width - 2} in the lines before"
            self.wrong(line, tokens[-1][1], "PT006", message)
        self.rows[node] = numbers[1:]
        self.ids.append((line, tokens[0][1]))
        columns = [column for _, column in tokens[2:]]
        self.links += [(m, line, c) for m, c in zip(numbers[2:], columns, strict=True)]

    def number(self, line: int, token: str, column: int, *, link: bool) -> int:
        """A number from 0, or where a link is meant none."""
        if re.fullmatch("[0-9]{1,9}", token):
            return int(token)
        if not (link and token in ("-", "X")):
            expected = "a node's number, `-` or `X`" if link else "a number"
            self.wrong(line, column, "PT001", f"expected {expected}, not {token[:40]!r}")
        return NOWHERE

    def graph(self) -> PolicyGraph:
        """Build the graph, once its lines are read."""
        n = len(self.rows)
        if not self.findings:
            if not n:
                self.wrong(1, 1, "PT011", "a policy graph has at least one line")
            for node, (line, column) in zip(self.rows, self.ids, strict=True):
                if node >= n:
                    message = f"node {node}, but the {n} nodes must be numbered from 0"
                    self.wrong(line, column, "PT002", message)
            for m, line, column in self.links:
                if m != NOWHERE and m not in self.rows:
                    self.wrong(line, column, "PT002", f"there is no node {m}")
        if self.findings:
            raise FormatError(self.findings)
        table = np.array([self.rows[node] for node in range(n)], dtype=np.int64)
        return PolicyGraph(table[:, 0].copy(), table[:, 1:].copy())


# ---------------------------------------------------------------- DOT and JSON


def write_dot(graph: PolicyGraph, problem: Problem, probabilities: FloatArray | None = None) -> str:
    """Text in DOT.

    Parameters
    ----------
    problem
        For the names of actions and observations.
    probabilities
        Shape (n, Z): of each observation in each node, shown with the edges; not with those of
        nodes where all are 0.
    """
    lines = [
        f"digraph {_quoted(printable(problem.name) or 'policy')} {{",
        "  node [shape=box, style=rounded];",
        '  start [shape=point, label=""];',
        *_start_edges(graph, problem),
    ]
    for n, action in enumerate(graph.actions.tolist()):
        lines.append(f"  n{n} [label={_label(f'{n}: {printable(problem.actions[action])}')}];")
    for n in range(graph.n_nodes):
        for m, seen in graph.edges(n).items():
            label = " | ".join(printable(problem.observations[o]) for o in seen)
            if probabilities is not None and probabilities[n].any():
                label += f"\n{probabilities[n, seen].sum():.3g}"
            lines.append(f"  n{n} -> n{m} [label={_label(label)}];")
    return "\n".join(lines) + "\n}\n"


def _start_edges(graph: PolicyGraph, problem: Problem) -> list[str]:
    """Edges to the nodes to begin in, with the states observed where there are several."""
    if not graph.n_initial:
        return [f"  start -> n{graph.start};"]
    possible = np.flatnonzero(problem.start).tolist()
    return [f"  start -> n{s} [label={_label(problem.states[s])}];" for s in possible]


def _quoted(text: str) -> str:
    """A DOT string: backslashes doubled, so that none stands before a quotation mark."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _label(text: str) -> str:
    """A DOT string to be shown as it is: what Graphviz takes for HTML entities is escaped too."""
    return _quoted(text.replace("&", "&amp;"))


def graph_document(graph: PolicyGraph) -> dict[str, Any]:
    """Dict of the graph for JSON, its nodes numbered as they are."""
    return {
        "start": graph.roots.tolist() if graph.n_initial else graph.start,
        "nodes": [
            {"action": action, "next": [None if m == NOWHERE else m for m in row]}
            for action, row in zip(graph.actions.tolist(), graph.next.tolist(), strict=True)
        ],
    }


# ---------------------------------------------------------------- tree


def tree_lines(graph: PolicyGraph, problem: Problem, max_nodes: int = 40) -> list[str]:
    """Lines of the graph as a tree for a terminal.

    A node's line stands where the start reaches it in the fewest steps; elsewhere it is
    `-> node 3`. `*` is every observation that is possible. Of a larger graph the first
    `max_nodes` nodes are shown. Names are not escaped.
    """
    reached = graph.breadth_first().tolist()
    shown = set(reached[:max_nodes])
    opened = _opened(graph, reached[:max_nodes])
    lines: list[str] = []
    for root in [n for n in graph.roots.tolist() if n in shown]:
        state = f"{problem.states[root]}: " if graph.n_initial else ""
        lines.append(f"{state}node {root}: {problem.actions[graph.actions[root]]}")
        lines += _below(graph, problem, root, opened, shown)
    if len(reached) > max_nodes:
        lines.append(f"... {len(reached) - max_nodes} of {len(reached)} nodes are not shown")
    return lines


def _below(
    graph: PolicyGraph, problem: Problem, root: int, opened: dict[int, int], shown: set[int]
) -> list[str]:
    """Lines of the tree below a node to begin in."""
    lines: list[str] = []
    stack = [_branches(graph, problem, root, "")]
    while stack:
        branch = next(stack[-1], None)
        if branch is None:
            stack.pop()
            continue
        n, m, text, indent = branch
        if opened.get(m) == n:
            lines.append(f"{text}  node {m}: {problem.actions[graph.actions[m]]}")
            stack.append(_branches(graph, problem, m, indent))
        else:
            lines.append(f"{text}  -> node {m}" + ("" if m in shown else " (not shown)"))
    return lines


def _opened(graph: PolicyGraph, nodes: list[int]) -> dict[int, int]:
    """For each node but those to begin in, the first in breadth-first order that leads to it."""
    opened: dict[int, int] = {}
    kept = set(nodes) - set(graph.roots.tolist())
    for n in nodes:
        for m in graph.edges(n):
            if m in kept:
                opened.setdefault(m, n)
    return opened


def _branches(
    graph: PolicyGraph, problem: Problem, n: int, indent: str
) -> Iterator[tuple[int, int, str, str]]:
    """Edges of a node: its ends, the text up to the successor, and the successor's indent."""
    edges = graph.edges(n)
    for k, (m, seen) in enumerate(edges.items()):
        last = k + 1 == len(edges)
        every = last and k == 0 and len(seen) > 1
        name = "*" if every else " | ".join(problem.observations[o] for o in seen)
        text = f"{indent}{'└─' if last else '├─'} {name}"
        yield n, m, text, indent + ("   " if last else "│  ")
