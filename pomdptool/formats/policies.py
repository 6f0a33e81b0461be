"""Policies to text: JSON, and the .alpha form of the reference solver.

JSON: one object with `format` ("pomdptool/policy"), `version` (1), `problem` (`name`, `digest`,
`states`, `actions`, `observations`, `discount`, `values`, `start`), `method`, `converged`,
`stop_reason`, `bounds` (`lower`, `upper` at the start belief, both certified), `horizon`,
`vectors` (a list of `{"action": index, "values": [one a state]}`) and `stats`. What solves a cost
model is written in costs: there the vectors and bounds are negated, and the best is the least.

.alpha: for each vector a line with the action's index, a line with the values, a blank line. It
follows the reference and holds rewards, negated costs, in any case.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

from pomdptool.policy import SolvedPolicy

PolicyKind = Literal["json", "alpha"]

POLICY_KINDS: dict[str, PolicyKind] = {".json": "json", ".alpha": "alpha"}

FORMAT = "pomdptool/policy"


def policy_kind_of_path(path: str) -> PolicyKind | None:
    """Format that a file name asks for (None: none that is known); `.gz` is looked through."""
    return POLICY_KINDS.get(Path(path.lower().removesuffix(".gz")).suffix)


def encode_policy(policy: SolvedPolicy, kind: PolicyKind) -> str:
    """Text of a policy."""
    return _alpha(policy) if kind == "alpha" else _json(policy)


def _alpha(policy: SolvedPolicy) -> str:
    vectors = policy.vectors
    return "".join(
        f"{action}\n{' '.join(map(repr, values))}\n\n"
        for action, values in zip(vectors.actions.tolist(), vectors.values.tolist(), strict=True)
    )


def _json(policy: SolvedPolicy) -> str:
    problem, vectors = policy.problem, policy.vectors
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
        "stats": policy.stats,
    }
    values = sign * vectors.values + 0.0
    rows = ",\n  ".join(
        json.dumps({"action": action, "values": row})
        for action, row in zip(vectors.actions.tolist(), values.tolist(), strict=True)
    )
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    lines.append(f'"vectors": [\n  {rows}\n ]')
    return "{" + ",\n ".join(lines) + "}\n"


def number(x: float) -> float | str:
    """Return a float as JSON takes it: infinities as text."""
    return x if math.isfinite(x) else repr(x)
