"""Policy graphs as text: a tree for terminals."""

from __future__ import annotations

from collections.abc import Iterator

from pomdptool.graph import PolicyGraph
from pomdptool.policy import Problem


def tree_lines(graph: PolicyGraph, problem: Problem, max_nodes: int = 40) -> list[str]:
    """Lines of the graph as a tree.

    A node is expanded where it is reached in the fewest steps; elsewhere it is `-> node 3`. `*` is
    every possible observation. Only the first `max_nodes` nodes in breadth-first order are shown.
    Names are not escaped.
    """
    reachable = graph.breadth_first().tolist()
    shown = set(reachable[:max_nodes])
    parents = _parents(graph, reachable[:max_nodes])
    lines: list[str] = []
    for root in [n for n in graph.roots.tolist() if n in shown]:
        state = f"{problem.states[root]}: " if graph.n_initial else ""
        lines.append(f"{state}node {root}: {problem.actions[graph.actions[root]]}")
        lines += _subtree(graph, problem, root, parents, shown)
    if len(reachable) > max_nodes:
        lines.append(f"... {len(reachable) - max_nodes} of {len(reachable)} nodes are not shown")
    return lines


def _subtree(
    graph: PolicyGraph, problem: Problem, root: int, parents: dict[int, int], shown: set[int]
) -> list[str]:
    """Lines below an initial node."""
    lines: list[str] = []
    stack = [_branches(graph, problem, root, "")]
    while stack:
        branch = next(stack[-1], None)
        if branch is None:
            stack.pop()
            continue
        n, m, text, indent = branch
        if parents.get(m) == n:
            lines.append(f"{text}  node {m}: {problem.actions[graph.actions[m]]}")
            stack.append(_branches(graph, problem, m, indent))
        else:
            lines.append(f"{text}  -> node {m}" + ("" if m in shown else " (not shown)"))
    return lines


def _parents(graph: PolicyGraph, nodes: list[int]) -> dict[int, int]:
    """First predecessor, in breadth-first order, of each node except the initial ones."""
    parents: dict[int, int] = {}
    inner = set(nodes) - set(graph.roots.tolist())
    for n in nodes:
        for m in graph.edges(n):
            if m in inner:
                parents.setdefault(m, n)
    return parents


def _branches(
    graph: PolicyGraph, problem: Problem, n: int, indent: str
) -> Iterator[tuple[int, int, str, str]]:
    """Edges of a node: both nodes, the text up to the successor, and the successor's indent."""
    edges = graph.edges(n)
    for k, (m, observations) in enumerate(edges.items()):
        last = k + 1 == len(edges)
        every = last and k == 0 and len(observations) > 1
        name = "*" if every else " | ".join(problem.observations[o] for o in observations)
        text = f"{indent}{'└─' if last else '├─'} {name}"
        yield n, m, text, indent + ("   " if last else "│  ")
