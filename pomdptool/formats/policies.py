"""Policies to text: JSON, the .alpha and .pg forms of the reference solver, and DOT.

JSON: one object with `format` ("pomdptool/policy"), `version` (1), `problem` (`name`, `digest`,
`states`, `actions`, `observations`, `discount`, `values`, `start`), `method`, `converged`,
`stop_reason`, `bounds` (`lower`, `upper` at the start belief, both certified), `horizon`,
`graph` (null, or the controller from the start: `{"start": 0, "nodes": [{"action": index, "next":
[node or null, one an observation]}]}`), `stats`, and `vectors`: a list of `{"action": index,
"values": [one a state]}`, with `"states": [indices]` where a vector covers only those (a face of
the belief simplex: the value of a belief over other states is a step of look-ahead away). What
solves a cost model is written in costs: there the vectors and bounds are negated, and the best is
the least.

.alpha: for each vector a line with the action's index, a line with the values, a blank line. It
follows the reference and holds rewards, negated costs, in any case.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pomdptool.errors import PolicyError
from pomdptool.formats.graphs import graph_document, write_dot, write_pg
from pomdptool.policy import Row, SolvedPolicy

PolicyKind = Literal["json", "alpha", "pg", "dot"]

POLICY_KINDS: dict[str, PolicyKind] = {
    ".json": "json",
    ".alpha": "alpha",
    ".pg": "pg",
    ".dot": "dot",
}

FORMAT = "pomdptool/policy"


def policy_kind_of_path(path: str) -> PolicyKind | None:
    """Format that a file name asks for (None: none that is known); `.gz` is looked through."""
    return POLICY_KINDS.get(Path(path.lower().removesuffix(".gz")).suffix)


def encode_policy(policy: SolvedPolicy, kind: PolicyKind) -> str:
    """Text of a policy."""
    if kind == "json":
        return _json(policy)
    if kind == "alpha":
        return _alpha(policy)
    if policy.graph is None:
        raise PolicyError(f"method {policy.method!r} gives no policy graph to write")
    if kind == "pg":
        return write_pg(policy.graph)
    return write_dot(policy.graph, policy.problem)


def _alpha(policy: SolvedPolicy) -> str:
    rows = list(policy.values.rows())
    if any(row.states is not None for row in rows):
        raise PolicyError("the .alpha form needs vectors over all states: solve for the full set")
    return "".join(f"{row.action}\n{' '.join(map(repr, row.values.tolist()))}\n\n" for row in rows)


def _json(policy: SolvedPolicy) -> str:
    problem = policy.problem
    sign = -1.0 if problem.costs else 1.0
    low, high = sorted((sign * policy.bounds.lower, sign * policy.bounds.upper))
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "problem": {
            "name": problem.name,
            "digest": problem.digest,
            "states": problem.states,
            "actions": problem.actions,
            "observations": problem.observations,
            "discount": problem.discount,
            "values": "cost" if problem.costs else "reward",
            "start": problem.start.tolist(),
        },
        "method": policy.method,
        "converged": policy.converged,
        "stop_reason": policy.stop_reason,
        "bounds": {"lower": number(low), "upper": number(high)},
        "horizon": policy.horizon,
        "graph": policy.graph and graph_document(policy.graph),
        "stats": policy.stats,
    }
    rows = ",\n  ".join(json.dumps(_vector(row, sign)) for row in policy.values.rows())
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    lines.append(f'"vectors": [\n  {rows}\n ]')
    return "{" + ",\n ".join(lines) + "}\n"


def _vector(row: Row, sign: float) -> dict[str, Any]:
    vector: dict[str, Any] = {"action": row.action, "values": (sign * row.values + 0.0).tolist()}
    if row.states is not None:
        vector["states"] = row.states
    return vector


def number(x: float) -> float | str:
    """Return a float as JSON takes it: infinities as text."""
    return x if math.isfinite(x) else repr(x)
