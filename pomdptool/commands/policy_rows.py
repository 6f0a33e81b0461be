"""What a policy is, as rows of a table and for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pomdptool.certificates import certificate, value_name

if TYPE_CHECKING:
    from pomdptool.analysis.ask import PolicyInfo
    from pomdptool.policy import SolvedPolicy


def policy_document(policy: SolvedPolicy, info: PolicyInfo) -> dict[str, Any]:
    """The properties of a policy for JSON, as costs if the model has costs."""
    low, high = sorted((-1.0 if policy.problem.costs else 1.0) * x for x in info.bounds)
    document = asdict(info) | {"bounds": {"lower": low, "upper": high}}
    return document | {"value_function": value_name(policy)}


def policy_rows(policy: SolvedPolicy, info: PolicyInfo) -> list[tuple[str, str]]:
    """The properties of a policy as a table."""
    horizon = "" if info.horizon is None else f", horizon {info.horizon}"
    stopped = info.stop_reason + ("" if info.converged else " (not converged)")
    rows = [
        ("policy", f"for {info.problem or '-'}, by {info.method}{horizon}"),
        ("value function", ", ".join(filter(None, (value_name(policy), certificate(policy))))),
        ("stopped by", stopped),
        ("vectors", str(info.vectors)),
    ]
    if info.nodes is not None:
        rows.append(("graph", f"{info.nodes} nodes" if info.nodes != 1 else "1 node"))
    if info.first_action is not None:
        rows.append(("first action", info.first_action))
    return rows
