"""Warm starts from earlier results."""

from __future__ import annotations

from pathlib import Path

import pytest

import pomdptool
from models import ROOT, tiger

CASES = ROOT / "tests" / "cases"


def test_the_default_method_resumes_its_own_result(tmp_path: Path) -> None:
    for name in ("resume-observed", "ejs6-0.99999"):
        model = pomdptool.load(CASES / f"{name}.pomdp")
        first = pomdptool.solve(model)
        pomdptool.dump(first.policy, tmp_path / "p.json")
        again = pomdptool.solve(model, resume=pomdptool.load_policy(tmp_path / "p.json", model))
        assert again.converged
        assert again.bounds.lower == pytest.approx(first.bounds.lower, abs=1e-6)


def test_results_of_other_methods_or_models_are_rejected() -> None:
    with pytest.raises(pomdptool.PomdpError, match="'qmdp' cannot be resumed"):
        pomdptool.solve(tiger(), resume=pomdptool.solve(tiger(), "qmdp").policy)
    observed = pomdptool.load(CASES / "resume-observed.pomdp")
    with pytest.raises(pomdptool.PomdpError):
        pomdptool.solve(observed, resume=pomdptool.solve(tiger()).policy)
