"""Policies to text: JSON, the .alpha and .pg forms of the reference solver, APPL's, and DOT.

JSON: one object with `format` ("pomdptool/policy"), `version` (1), `problem` (`name`, `digest`,
`states`, `actions`, `observations`, `discount`, `values`, `start`), `method`, `converged`,
`stop_reason`, `bounds` (`lower`, `upper` at the start belief, both certified), `horizon`,
`graph` (null, or the controller from the start: `{"start": 0, "nodes": [{"action": index, "next":
[node or null, one an observation]}], "value": what it earns from the start belief, or null}`),
`stats`, and `vectors`: a list of `{"action": index, "values": [one a state]}`, with `"states":
[indices]` where a vector covers only those (a face of the belief simplex: the value of a belief
over other states is a step of look-ahead away). `trace` lists seconds, bounds at the start belief
and vectors over time.

Where the vectors form a controller, each has `"next": [vector or null, one an observation]`, the
first is that of the start belief, `graph` is null, its value `graph_value`, and `floor` is what any
policy earns from any state: it stands for states that a vector does not cover. With a horizon,
vectors on faces are those with one step less to go: every belief at the first step is a step of
look-ahead away.

Where they were asked for, `stages` lists `{"steps": k, "vectors": [...]}` for k = 1, 2, ... steps
to go; here vectors on faces have k steps to go as well. Where beliefs after the last step are worth
something, `terminal_values` lists vectors over all states, the largest of which that is.

What solves a cost model is written in costs: there all values and bounds are negated, and the best
is the least.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pomdptool.errors import PolicyError
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.kinds import with_compressed
from pomdptool.formats.policy.alpha import write_alpha
from pomdptool.formats.policy.appl import write_appl
from pomdptool.formats.policy.graphs import graph_document, write_dot, write_pg
from pomdptool.graph import NOWHERE
from pomdptool.linked import LinkedVectors, over_all_states
from pomdptool.policy import Row, SolvedPolicy, ValueFunction
from pomdptool.sparse import FloatArray

PolicyKind = Literal["json", "alpha", "appl", "pg", "dot"]

POLICY_KINDS: dict[str, PolicyKind] = with_compressed(
    {".json": "json", ".alpha": "alpha", ".policy": "appl", ".pg": "pg", ".dot": "dot"}
)

FORMAT = "pomdptool/policy"


def encode_policy(
    policy: SolvedPolicy, kind: PolicyKind, probabilities: FloatArray | None = None
) -> str:
    """Text of a policy.

    Parameters
    ----------
    probabilities
        Shape (n, Z): of each observation in each node of the graph, shown in DOT.

    Raises
    ------
    PolicyError
        Where the policy has no graph, or .alpha is asked for and vectors cover only some states.
    """
    if kind == "json":
        return _json(policy)
    if kind == "alpha":
        return write_alpha(over_all_states(policy))
    if kind == "appl":
        return write_appl(over_all_states(policy), policy.problem)
    if policy.graph is None:
        why = f"method {policy.method!r} gives no policy graph"
        if policy.method in ("exact", "sarsop"):
            why = "there is no policy graph: it is too large, or the solver stopped before"
        raise PolicyError(f"{why}; write .json, which holds the vectors")
    if kind == "pg":
        return write_pg(policy.graph)
    return write_dot(policy.graph, policy.problem, probabilities)


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
            **({"mdp": True} if problem.mdp else {}),
        },
        "method": policy.method,
        "converged": policy.converged,
        "stop_reason": policy.stop_reason,
        "bounds": {"lower": to_jsonable(low), "upper": to_jsonable(high)},
        "horizon": policy.horizon,
        "graph": _graph(policy, sign),
        "stats": policy.stats,
        "trace": [
            [seconds, *map(to_jsonable, sorted((sign * lower, sign * upper))), vectors]
            for seconds, lower, upper, vectors in policy.trace
        ],
    }
    if isinstance(policy.values, LinkedVectors):
        document["floor"] = sign * policy.values.floor
        if policy.graph_value is not None:
            document["graph_value"] = sign * policy.graph_value
    if policy.terminal is not None:
        document["terminal_values"] = (sign * policy.terminal + 0.0).tolist()
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    lines.append(_vectors(policy.values, sign))
    if policy.stages:
        stages = (
            f'{{"steps": {k}, {_vectors(values, sign)}}}'
            for k, values in enumerate(policy.stages, start=1)
        )
        lines.append('"stages": [\n ' + ",\n ".join(stages) + "]")
    return "{" + ",\n ".join(lines) + "}\n"


def _graph(policy: SolvedPolicy, sign: float) -> dict[str, Any] | None:
    if policy.graph is None or isinstance(policy.values, LinkedVectors):
        return None
    value = policy.graph_value
    return {**graph_document(policy.graph), "value": None if value is None else sign * value}


def _vectors(values: ValueFunction, sign: float) -> str:
    rows = ",\n  ".join(json.dumps(_vector(row, sign)) for row in values.rows())
    return f'"vectors": [\n  {rows}\n ]'


def _vector(row: Row, sign: float) -> dict[str, Any]:
    vector: dict[str, Any] = {"action": row.action, "values": (sign * row.values + 0.0).tolist()}
    if row.states is not None:
        vector["states"] = row.states
    if row.next is not None:
        vector["next"] = [None if m == NOWHERE else m for m in row.next]
    return vector
