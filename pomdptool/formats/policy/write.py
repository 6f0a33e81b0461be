"""Write policies: the JSON format is described here, the others in their modules.

JSON: one object with `format` ("pomdptool/policy"), `version` (1), `problem` (`name`, `digest`,
`states`, `actions`, `observations`, `discount`, `values`, `start`), `method`, `converged`,
`stop_reason`, `bounds` (`lower`, `upper` at the initial belief, both certified), `horizon`,
`graph` (null, or the policy graph: `{"start": node, "nodes": [{"action": index, "next": [node or
null per observation]}], "value": expected return from the initial belief, or null}`; in an MDP
"start" lists one initial node per state: [0, 1, ...]), `stats`, and `vectors`: a list of
`{"action": index, "values": [one per state]}`, with `"states": [indices]` if a vector covers only
a face of the belief simplex; other beliefs then need one step of look-ahead. `trace` lists seconds,
bounds at the initial belief and number of vectors over time.

If the vectors form a controller, each has `"next": [vector or null per observation]`, the first is
the one at the initial belief, `graph` repeats the controller (null before version 0.3),
`graph_value` is its expected return, and `floor` a lower bound on every policy's value in every
state, used for states that a vector does not cover.
With a finite horizon, vectors on faces have one step less to go, so that every belief at the first
step needs one step of look-ahead.

On request, `stages` lists `{"steps": k, "vectors": [...]}` for k = 1, 2, ... steps to go; here
vectors on faces have k steps to go too. Terminal rewards are `terminal_values`: vectors over all
states, whose upper envelope is the value after the last step.

For a cost model all values and bounds are costs, that is, negated.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pomdptool.errors import PolicyError
from pomdptool.formats.json_documents import to_jsonable
from pomdptool.formats.kinds import with_compressed
from pomdptool.formats.policy.alpha import write_alpha
from pomdptool.formats.policy.appl import write_appl
from pomdptool.formats.policy.dot import write_dot
from pomdptool.formats.policy.pg import write_pg
from pomdptool.graph import NOWHERE, PolicyGraph
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
    """Text of a policy; DOT also shows `probabilities`, shape (n, Z), of observations in nodes.

    Raises PolicyError if the format needs a graph or vectors over all states that the policy lacks.
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
            why = "no policy graph was built: it is too large, or the solver stopped early"
        raise PolicyError(f"{why}; write .json, which has the vectors")
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
    if policy.graph is None:
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


def graph_document(graph: PolicyGraph) -> dict[str, Any]:
    """JSON object of a policy graph."""
    return {
        "start": graph.roots.tolist() if graph.n_initial else graph.start,
        "nodes": [
            {"action": action, "next": [None if m == NOWHERE else m for m in row]}
            for action, row in zip(graph.actions.tolist(), graph.next.tolist(), strict=True)
        ],
    }
