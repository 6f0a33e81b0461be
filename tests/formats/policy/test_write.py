"""Policy graphs in JSON."""

from __future__ import annotations

import json

from policy_graphs import graph_of
from pomdptool.formats.policy.write import graph_document


def test_document_is_json() -> None:
    document = graph_document(graph_of([2, 1], [[0, -1], [1, 0]], start=1))
    nodes = [{"action": 2, "next": [0, None]}, {"action": 1, "next": [1, 0]}]
    assert json.loads(json.dumps(document)) == {"start": 1, "nodes": nodes}
