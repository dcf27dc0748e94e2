"""What the pages show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from validation.gates.docs import write_docs, write_index
from validation.gates.gate import check
from validation.gates.report import Finding, Report
from validation.gates.runs import KEPT, note_run, read_runs
from validation.gates.suites import EventSpec, suite_for_events

AT = datetime(2025, 5, 2, 9, 30, tzinfo=UTC)


def test_page_names_what_failed_and_where(readings: pd.DataFrame, spec: EventSpec, tmp_path: Path) -> None:
    readings.loc[42, "sensor"] = None
    report = check(readings, suite_for_events(spec))
    (page,) = write_docs([report], tmp_path, AT)
    assert page == tmp_path / "reports" / "validation" / "readings.html"
    text = page.read_text("utf-8")
    assert "14 of 15 expectations met" in " ".join(text.split())
    assert "<code>2025-05-01 00:00:42+00:00</code>" in text
    assert text.index("expect_column_values_to_not_be_null") < text.index("expect_column_to_exist")
    assert "http" not in text
    assert "<td" in text
    assert "failed" in (tmp_path / "reports/validation/index.html").read_text("utf-8")


def test_json_holds_the_whole_report(readings: pd.DataFrame, spec: EventSpec, tmp_path: Path) -> None:
    report = check(readings, suite_for_events(spec))
    (page,) = write_docs([report], tmp_path, AT)
    content = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert content["checked_at"] == "2025-05-02T09:30:00+00:00"
    assert content["success"] is True
    assert (content["suite"], content["rows"], len(content["findings"])) == ("readings", 100, 15)


def test_page_is_replaced_by_the_next_and_the_index_keeps_other_suites(tmp_path: Path) -> None:
    good, bad = Report("a", 1, ()), Report("b", 2, (Finding("expect_x", ("c",), "", False, "critical", 2),))
    write_docs([good, bad], tmp_path, AT)
    write_docs([Report("b", 3, ())], tmp_path, AT)
    folder = tmp_path / "reports/validation"
    assert "Passed" in (folder / "b.html").read_text("utf-8")
    index = (folder / "index.html").read_text("utf-8")
    assert "a.html" in index
    assert "b.html" in index
    assert sorted(path.name for path in folder.iterdir()) == [
        *("a.html", "a.json", "a.runs.jsonl", "b.html", "b.json", "b.runs.jsonl"),
        "index.html",
    ]


def test_the_trend_tells_each_run_and_forgets_the_oldest(tmp_path: Path) -> None:
    bad = Finding("expect_x", ("c",), "", False, "critical", 2, unexpected=1)
    reports = [Report("b", 2, (bad,)), Report("b", 4, (replace(bad, severity="warning"),)), Report("b", 3, ())]
    for number, report in enumerate(reports):
        write_docs([report], tmp_path, AT + timedelta(hours=number))
    page = (tmp_path / "reports/validation/b.html").read_text("utf-8")
    assert re.findall(r'<i class="(\w+)" style="height: (\d+)%"', page) == [
        ("failed", "50"),
        ("warned", "100"),
        ("passed", "75"),
    ]
    assert 'title="2025-05-02 09:30:00+00:00: failed, 2 rows, expect_x(c)"' in page
    index = (tmp_path / "reports/validation/index.html").read_text("utf-8")
    assert "failed, warned, passed" in index
    runs = tmp_path / "reports/validation/b.runs.jsonl"
    for hour in range(KEPT):
        kept = note_run(runs, reports[2], AT + timedelta(days=1, hours=hour))
    assert len(kept) == KEPT
    assert {run.outcome for run in kept} == {"passed"}
    assert read_runs(runs) == kept


def test_the_index_opens_with_what_failed_and_shows_it(tmp_path: Path) -> None:
    bad = Finding("expect_x", ("c",), "at most 3", False, "critical", 20, unexpected=1_234, of="days")
    write_docs([Report("a", 1, ()), Report("b", 2, (bad,))], tmp_path, AT)
    index = " ".join((tmp_path / "reports/validation/index.html").read_text("utf-8").split())
    assert index.index("b.html") < index.index("a.html")
    assert "<code>expect_x(c)</code> at most 3 : 1,234 of 20 days" in index
    assert write_index(tmp_path / "nowhere") is None


def test_a_report_of_another_version_is_left_out_until_it_is_checked_again(tmp_path: Path) -> None:
    (page,) = write_docs([Report("a", 1, ())], tmp_path, AT)
    page.with_name("before.json").write_text('{"suite": "before", "success": true, "findings": [{"blocking": true}]}')
    index = write_index(tmp_path)
    assert index is not None
    assert "before" not in index.read_text("utf-8")


def test_values_are_shown_as_text_and_never_as_markup(tmp_path: Path) -> None:
    row = {"sensor": "<script>alert(1)</script>"}
    finding = Finding("expect_x", ("sensor",), "", False, "critical", 1, unexpected=1, rows=(row,))
    (page,) = write_docs([Report("s", 1, (finding,))], tmp_path, AT)
    assert "<script>" not in page.read_text("utf-8")
