"""The newest report of drift is shown as metrics, whole, and no older one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contract.drift_report import drift_folder
from serving.metrics.counts import Counts
from serving.metrics.families import DRIFT, DRIFT_ALERT
from serving.metrics.sources import drift_source


def report(data: Path, day: str, columns: dict[str, Any]) -> None:
    path = drift_folder(data, "ads") / f"{day}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"columns": columns}))


def test_the_newest_report_is_shown_and_columns_that_are_gone_are_not(tmp_path: Path) -> None:
    counts, set_numbers = Counts(), drift_source("ads", tmp_path)
    counts.numbers(DRIFT)["other", "x", "psi"] = 1.0
    set_numbers(counts)
    assert list(counts.numbers(DRIFT)) == [("other", "x", "psi")]
    report(
        tmp_path,
        "2026-03-02",
        {"a": {"measures": {"psi": 0.5}, "alerts": ["psi"]}, "b": {"measures": {}, "alerts": []}},
    )
    report(tmp_path, "2026-03-01", {"old": {"measures": {"psi": 9.0}, "alerts": ["psi"]}})
    set_numbers(counts)
    assert counts.numbers(DRIFT) == {("other", "x", "psi"): 1.0, ("ads", "a", "psi"): 0.5}
    assert counts.numbers(DRIFT_ALERT) == {("ads", "a"): 1.0, ("ads", "b"): 0.0}
    report(tmp_path, "2026-03-03", {"b": {"measures": {"psi": 0.1}, "alerts": []}})
    set_numbers(counts)
    assert counts.numbers(DRIFT) == {("other", "x", "psi"): 1.0, ("ads", "b", "psi"): 0.1}
    assert counts.numbers(DRIFT_ALERT) == {("ads", "b"): 0.0}
