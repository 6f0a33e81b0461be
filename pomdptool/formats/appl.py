"""The .policy form of APPL (SARSOP): vectors over all states, in XML.

    <Policy version="0.1" type="value" model="tiger.pomdp">
    <AlphaVector vectorLength="2" numObsValue="1" numVectors="1">
    <Vector action="0" obsValue="0">19.3 19.3 </Vector>
    </AlphaVector> </Policy>

It holds rewards, negated costs, in any case.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from pomdptool.policy import AlphaVectors, Problem


def write_appl(vectors: AlphaVectors, problem: Problem) -> str:
    """Text in .policy form."""
    rows = [
        f'<Vector action="{action}" obsValue="0">{" ".join(map(repr, values.tolist()))} </Vector>'
        for action, values in zip(vectors.actions.tolist(), vectors.values, strict=True)
    ]
    counts = f'vectorLength="{len(problem.states)}" numObsValue="1" numVectors="{len(rows)}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Policy version="0.1" type="value" model={quoteattr(problem.name)}>',
        f"<AlphaVector {counts}>",
        *rows,
        "</AlphaVector> </Policy>",
    ]
    return "\n".join(lines) + "\n"
