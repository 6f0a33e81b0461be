"""Policy graphs in DOT, the language of Graphviz.

Nodes are labelled with actions, edges with observations.
"""

from __future__ import annotations

import numpy as np

from pomdptool.graph import PolicyGraph
from pomdptool.policy import Problem
from pomdptool.printable import printable
from pomdptool.sparse import FloatArray


def write_dot(graph: PolicyGraph, problem: Problem, probabilities: FloatArray | None = None) -> str:
    """Write DOT.

    `probabilities`, shape (n, Z), of observations are shown with the edges, except in nodes whose
    probabilities are all 0.
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
        for m, observations in graph.edges(n).items():
            label = " | ".join(printable(problem.observations[o]) for o in observations)
            if probabilities is not None and probabilities[n].any():
                label += f"\n{probabilities[n, observations].sum():.3g}"
            lines.append(f"  n{n} -> n{m} [label={_label(label)}];")
    return "\n".join(lines) + "\n}\n"


def _start_edges(graph: PolicyGraph, problem: Problem) -> list[str]:
    """Edges to the initial nodes; in an MDP labelled with their states."""
    if not graph.n_initial:
        return [f"  start -> n{graph.start};"]
    possible = np.flatnonzero(problem.start).tolist()
    return [f"  start -> n{s} [label={_label(problem.states[s])}];" for s in possible]


def _quoted(text: str) -> str:
    """A DOT string; backslashes are doubled so that none escapes a quotation mark."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _label(text: str) -> str:
    """A DOT string shown literally: `&` is escaped, since Graphviz expands HTML entities."""
    return _quoted(text.replace("&", "&amp;"))
