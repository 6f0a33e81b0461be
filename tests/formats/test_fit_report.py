"""Fit reports read back equal after writing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pomdptool.errors import FormatError
from pomdptool.formats.fit_report import is_fit_report, read_fit_report, write_fit_report
from pomdptool.trace import FitReport, Restart

REPORT = FitReport(
    states=2,
    steps=100,
    history=(-70.5, -69.25, -0.1 - 0.2),
    restarts=(Restart(7, -69.0, 3, True), Restart(None, -1e300, 0, False)),
    details={"loglik": -60.0, "warnings": ["odd"], "settings": {"tol": 1e-6}, "rewards": None},
)


def test_report_reads_back_equal() -> None:
    document = json.loads(write_fit_report(REPORT))
    assert is_fit_report(document)
    assert read_fit_report(document, "fit.json") == REPORT


def test_arrays_and_infinities_are_written_as_plain_json() -> None:
    details = {"loglik": np.nan, "visits": np.array([[1.0, np.inf]])}
    report = FitReport(2, 100, (-1.0,), (), details)
    document = json.loads(write_fit_report(report))
    assert (document["loglik"], document["visits"]) == (None, [[1.0, "inf"]])


def test_restarts_of_older_reports_lack_seeds() -> None:
    document = json.loads(write_fit_report(REPORT))
    document["restarts"] = [{"iterations": 3, "loglik": -69.0}]
    assert read_fit_report(document, "fit.json").restarts == (Restart(None, -69.0, 3, False),)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("states", 0, '"states" must be a whole number of at least 1'),
        ("history", [], '"history" is empty'),
        ("restarts", [{"iterations": 1}], '"restarts"[0] must have "loglik"'),
        ("restarts", [{"iterations": 1, "loglik": 1, "seed": "x"}], '"restarts"[0]."seed" must be'),
    ],
)
def test_wrong_key_is_named(key: str, value: object, message: str) -> None:
    document = {**json.loads(write_fit_report(REPORT)), key: value}
    with pytest.raises(FormatError) as caught:
        read_fit_report(document, "fit.json")
    assert message in str(caught.value)
