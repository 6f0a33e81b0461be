"""Files that can be plotted."""

from __future__ import annotations

import json

from pomdptool.formats.plottable import read_plottable
from pomdptool.policy import SolvedPolicy


def test_policy_is_detected_under_any_file_name() -> None:
    problem = {
        "name": "t",
        "digest": "",
        "states": ["a"],
        "actions": ["x"],
        "observations": ["o"],
        "discount": 0.5,
        "values": "reward",
        "start": [1],
    }
    document = {
        "format": "pomdptool/policy", "version": 1, "problem": problem, "method": "exact",
        "converged": True, "stop_reason": "precision", "bounds": {"lower": 1, "upper": 1},
        "horizon": None, "graph": None, "stats": {}, "vectors": [{"action": 0, "values": [1]}],
    }  # fmt: skip
    assert isinstance(read_plottable(json.dumps(document), "p.pomdp"), SolvedPolicy)
