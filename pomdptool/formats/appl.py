"""The .policy form of APPL (SARSOP): vectors over all states, in XML.

    <Policy version="0.1" type="value" model="tiger.pomdp">
    <AlphaVector vectorLength="2" numObsValue="1" numVectors="1">
    <Vector action="0" obsValue="0">19.3 19.3 </Vector>
    </AlphaVector> </Policy>

Values are rewards, negated costs, in any case. States that a vector does not cover get what any
policy earns from any state, so that the largest vector at a belief bounds its value from below.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from pomdptool.sparse import FloatArray


def write_appl(vectors: Iterable[tuple[int, FloatArray]], n_states: int, name: str) -> str:
    """Text of vectors over all states, each with its action."""
    rows = [
        f'<Vector action="{action}" obsValue="0">{" ".join(map(repr, values.tolist()))} </Vector>'
        for action, values in vectors
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<Policy version="0.1" type="value" model={quoteattr(name)}>',
            f'<AlphaVector vectorLength="{n_states}" numObsValue="1" numVectors="{len(rows)}">',
            *rows,
            "</AlphaVector> </Policy>\n",
        ]
    )
