"""The .policy format of APPL (SARSOP): alpha vectors over all states, in XML.

    <Policy version="0.1" type="value" model="tiger.pomdp">
    <AlphaVector vectorLength="2" numObsValue="1" numVectors="1">
    <Vector action="0" obsValue="0">19.3 19.3 </Vector>
    </AlphaVector> </Policy>

Values are rewards; costs are negated.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import numpy as np

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.findings import SourceText
from pomdptool.policy import AlphaVectors, Problem
from pomdptool.printable import printable


def write_appl(vectors: AlphaVectors, problem: Problem) -> str:
    """Write the .policy format."""
    rows = [
        f'<Vector action="{action}" obsValue="0">{" ".join(map(repr, values.tolist()))} </Vector>'
        for action, values in zip(vectors.actions.tolist(), vectors.values, strict=True)
    ]
    counts = f'vectorLength="{len(problem.states)}" numObsValue="1" numVectors="{len(rows)}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Policy version="0.1" type="value" model={quoteattr(printable(problem.name))}>',
        f"<AlphaVector {counts}>",
        *rows,
        "</AlphaVector> </Policy>",
    ]
    return "\n".join(lines) + "\n"


def read_appl(text: str, file: str, n_states: int, n_actions: int) -> AlphaVectors:
    """Read the .policy format; policies with observed variables are rejected.

    Raises FormatError if the text is not a policy for this number of states and actions.
    """
    reader = _Reader(text, file)
    actions, rows = [], []
    for k, vector in enumerate(reader.root().iter("Vector")):
        action, values = reader.vector(k, vector, n_states, n_actions)
        actions.append(action)
        rows.append(values)
    if not rows:
        raise reader.error("the policy has no vectors")
    reader.check_counts(vectorLength=n_states, numVectors=len(rows))
    return AlphaVectors(np.array(actions), np.array(rows))


class _Reader:
    """Reads the elements of a policy."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file

    def error(self, message: str, line: int = 1, column: int = 1) -> FormatError:
        return FormatError((Finding(self.file, line, column, "error", "PT001", message),))

    def root(self) -> ET.Element:
        if "<!DOCTYPE" in self.text or "<!ENTITY" in self.text:
            raise self.error("document type declarations are not allowed")
        try:
            # The declared encoding is ignored: the text is decoded already.
            data = self.text.encode(errors="surrogatepass")
            return ET.fromstring(data, ET.XMLParser(encoding="utf-8"))
        except ET.ParseError as error:
            line, column = error.position
            raise self.error(f"not XML: {error}", line, column + 1) from None

    def vector(
        self, k: int, vector: ET.Element, n_states: int, n_actions: int
    ) -> tuple[int, list[float]]:
        """Action and values of the k-th vector."""
        action, words = vector.get("action", ""), (vector.text or "").split()
        if vector.get("obsValue", "0") != "0":
            message = f"vector {k} has an observed variable; only flat policies are supported"
            raise self.error(message)
        if not re.fullmatch("[0-9]{1,9}", action) or int(action) >= n_actions:
            raise self.error(
                f"vector {k}: action {action[:40]!r} is not a number below {n_actions}"
            )
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise self.error(f"vector {k}: {error}") from None
        if len(values) != n_states or not np.isfinite(values).all():
            raise self.error(f"vector {k}: expected {n_states} finite numbers, not {len(values)}")
        return int(action), values

    def check_counts(self, **counts: int) -> None:
        """Check the counts declared in the head, if any."""
        for name, n in counts.items():
            head = re.search(rf"<AlphaVector\s[^>]*?\b({name}\s*=\s*[\"']([^\"']*))", self.text)
            if head and head[2].strip() != str(n):
                line, column = SourceText(self.file, self.text).position(head.start(1))
                message = f"expected {name} {n}, not {head[2].strip()[:40]!r}"
                raise self.error(message, line, column)
