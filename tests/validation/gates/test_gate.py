"""What a gate lets pass, what it stops, and what it says then."""
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import pickle
import re
import socket
from itertools import pairwise
from pathlib import Path

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity
from hypothesis import given, settings
from hypothesis import strategies as st

from validation.gates.gate import check
from validation.gates.report import ValidationFailed
from validation.gates.rows import Source
from validation.gates.suites import EventSpec, suite_for_events

SMALL = 30  # rows in a batch: the hundred readings need four


def as_files(frame: pd.DataFrame, folder: Path, files: int = 4) -> Path:
    """Writes a frame as one Parquet file per "day" below a folder."""
    bounds = np.linspace(0, len(frame), files + 1).astype(int)
    for day, (first, last) in enumerate(pairwise(bounds)):
        path = folder / f"date=2025-05-{day + 1:02}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        table = pa.Table.from_pandas(frame.iloc[first:last], preserve_index=False)
        pq.write_table(table, path)
    return folder


def message(source: Source, suite: ExpectationSuite, batch: int = SMALL) -> str:
    """What the gate says of data it stops."""
    with pytest.raises(ValidationFailed) as stopped:
        check(source, suite, batch=batch).require_success()
    return str(stopped.value)


@pytest.fixture
def suite(spec: EventSpec) -> ExpectationSuite:
    """The derived suite and one expectation a team wrote."""
    return suite_for_events(spec, [gxe.ExpectColumnValuesToBeBetween(column="value", min_value=0, max_value=50)])


@pytest.mark.parametrize("batch", [SMALL, 100, 500_000])
@pytest.mark.parametrize("kind", ["frame", "table", "folder", "files"])
def test_good_rows_pass_from_any_source_in_any_batches(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path, kind: str, batch: int
) -> None:
    folder = as_files(readings, tmp_path)
    table = pa.Table.from_pandas(readings, preserve_index=False)
    source = {"frame": readings, "table": table, "folder": folder, "files": sorted(folder.rglob("*.parquet"))}[kind]
    report = check(source, suite, batch=batch).require_success()
    assert report.rows == 100
    assert report.success
    assert len(report.findings) == len(suite.expectations)


@pytest.mark.parametrize("batch", [SMALL, 500_000])
def test_null_key_is_named_with_its_row(readings: pd.DataFrame, suite: ExpectationSuite, batch: int) -> None:
    readings.loc[42, "sensor"] = None
    said = message(readings, suite, batch)
    assert said.startswith("readings: 1 of 16 expectations failed on 100 rows. Correct these rows where they come from")
    assert (
        "expect_column_values_to_not_be_null(sensor): 1 of 100 rows, first: "
        "reading_id=42, sensor=None, site=0, taken_at=2025-05-01 00:00:42+00:00"
    ) in said


def test_null_in_an_integer_key_is_a_null_and_not_a_wrong_type(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path
) -> None:
    readings["site"] = readings["site"].astype("Int64")
    readings.loc[7, "site"] = pd.NA
    failures = check(as_files(readings, tmp_path), suite).failures
    assert [(one.expectation, one.columns) for one in failures] == [("expect_column_values_to_not_be_null", ("site",))]


@pytest.mark.parametrize("batch", [SMALL, 500_000])
@pytest.mark.parametrize("kind", ["frame", "table", "folder"])
def test_duplicate_is_found_across_batches_and_files(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path, kind: str, batch: int
) -> None:
    readings.loc[90, "reading_id"] = 5
    table = pa.Table.from_pandas(readings, preserve_index=False)
    source = {"frame": readings, "table": table, "folder": as_files(readings, tmp_path)}[kind]
    (finding,) = check(source, suite, batch=batch).failures
    assert finding.expectation == "expect_column_values_to_be_unique"
    assert finding.unexpected == 2
    assert [row["taken_at"] for row in finding.rows] == ["2025-05-01 00:00:05+00:00", "2025-05-01 00:01:30+00:00"]


def test_wrong_type_in_one_file_of_many_is_found(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path
) -> None:
    folder = as_files(readings, tmp_path)
    day = folder / "date=2025-05-03" / "part-0.parquet"
    table = pq.ParquetFile(day).read()
    pq.write_table(table.set_column(4, "value", table["value"].cast(pa.string())), day)
    said = message(folder, suite, 500_000)
    assert re.search(
        r"expect_column_values_to_be_of_type\(value\) \[type_=float64\]: 25 of 100 rows, first: reading_id=50", said
    )


def test_naive_timestamp_is_a_wrong_type(readings: pd.DataFrame, suite: ExpectationSuite) -> None:
    readings["taken_at"] = readings["taken_at"].dt.tz_localize(None)
    assert "expect_column_values_to_be_of_type(taken_at) [type_=Timestamp]: observed datetime64" in message(
        readings, suite
    )


def test_handwritten_expectation_stops_like_a_derived_one(readings: pd.DataFrame, suite: ExpectationSuite) -> None:
    readings.loc[[3, 60, 61], "value"] = [-1.0, 51.0, 99.5]
    said = message(readings, suite)
    assert "expect_column_values_to_be_between(value) [min_value=0.0, max_value=50.0]: 3 of 100 rows, first: " in said
    assert "reading_id=60, sensor=s4, site=0, taken_at=2025-05-01 00:01:00+00:00, value=51.0" in said


def test_only_the_first_rows_of_many_are_shown(readings: pd.DataFrame, suite: ExpectationSuite) -> None:
    (finding,) = check(readings.assign(value=-1.0), suite, batch=SMALL).failures
    assert finding.unexpected == 100
    assert [row["reading_id"] for row in finding.rows] == [0, 1, 2, 3, 4]


def test_missing_column_is_named_and_what_needs_it_is_not_evaluated(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path
) -> None:
    folder = as_files(readings, tmp_path)
    day = folder / "date=2025-05-02" / "part-0.parquet"
    pq.write_table(pq.ParquetFile(day).read().drop_columns(["reading_id"]), day)
    said = message(folder, suite, 500_000)
    assert "expect_column_to_exist(reading_id): not met" in said
    assert "expect_column_values_to_be_unique(reading_id): not evaluated, for reading_id is missing" in said
    assert "sensor" not in said


def test_warning_is_reported_but_stops_nobody(readings: pd.DataFrame, spec: EventSpec) -> None:
    mild = gxe.ExpectColumnValuesToBeBetween(column="value", max_value=5, severity=FailureSeverity.WARNING)
    report = check(readings, suite_for_events(spec, [mild])).require_success()
    assert report.success
    assert [finding.unexpected for finding in report.failures] == [49]


def test_mostly_counts_over_all_batches_together(readings: pd.DataFrame) -> None:
    readings.loc[:9, "value"] = -1.0  # a third of the first batch, a tenth of all
    nearly = gxe.ExpectColumnValuesToBeBetween(column="value", min_value=0, mostly=0.9)
    strict = gxe.ExpectColumnValuesToBeBetween(column="value", min_value=0, mostly=0.91)
    assert check(readings, ExpectationSuite("s", expectations=[nearly]), batch=SMALL).success
    assert not check(readings, ExpectationSuite("s", expectations=[strict]), batch=SMALL).success


@pytest.mark.parametrize("batch", [SMALL, 500_000])
@pytest.mark.parametrize(
    ("expectation", "success"),
    [
        (gxe.ExpectTableRowCountToEqual(value=100), True),
        (gxe.ExpectTableRowCountToEqual(value=30), False),
        (gxe.ExpectColumnMaxToBeBetween(column="value", min_value=9, max_value=10), True),
        (gxe.ExpectColumnMeanToBeBetween(column="value", min_value=4.9, max_value=5), True),
        (gxe.ExpectColumnMeanToBeBetween(column="value", min_value=1, max_value=2), False),
        (gxe.ExpectColumnValuesToBeIncreasing(column="reading_id"), True),
        (gxe.ExpectColumnDistinctValuesToEqualSet(column="site", value_set=[0, 1, 2]), True),
        (gxe.ExpectTableColumnCountToEqual(value=5), True),
        (gxe.ExpectTableColumnCountToEqual(value=1), False),
        (gxe.ExpectColumnValuesToBeUnique(column="sensor", mostly=0.5), False),
        (gxe.ExpectCompoundColumnsToBeUnique(column_list=["sensor", "site"]), False),
        (gxe.ExpectCompoundColumnsToBeUnique(column_list=["sensor", "taken_at"]), True),
    ],
    ids=lambda given: given.configuration.type if hasattr(given, "configuration") else str(given),
)
def test_statement_about_the_whole_is_judged_on_the_whole(
    readings: pd.DataFrame, tmp_path: Path, expectation: Expectation, success: bool, batch: int
) -> None:
    one = ExpectationSuite("whole", expectations=[expectation.copy()])
    assert check(readings, one, batch=batch).success is success
    assert check(as_files(readings, tmp_path), one, batch=batch).success is success


def test_expectation_that_cannot_be_evaluated_fails_with_the_reason(readings: pd.DataFrame) -> None:
    absurd = ExpectationSuite("s", expectations=[gxe.ExpectColumnMeanToBeBetween(column="sensor", min_value=0)])
    (finding,) = check(readings, absurd).failures
    assert finding.problem is not None
    assert finding.problem.startswith("could not be evaluated: ")


@settings(max_examples=settings.default.max_examples * 3 // 10)
@given(
    ids=st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=1, max_size=25),
    values=st.lists(st.one_of(st.none(), st.floats(-2, 2)), min_size=25, max_size=25),
    batch=st.integers(5, 30),
)
def test_batches_give_what_one_frame_gives(ids: list[int | None], values: list[float | None], batch: int) -> None:
    table = pa.table({"id": pa.array(ids, pa.int64()), "value": pa.array(values[: len(ids)], pa.float64())})
    suite = ExpectationSuite(
        "law",
        meta={"identify": ["id"]},
        expectations=[
            gxe.ExpectColumnValuesToBeUnique(column="id"),
            gxe.ExpectColumnValuesToNotBeNull(column="id"),
            gxe.ExpectColumnValuesToBeBetween(column="value", min_value=-1, max_value=1, mostly=0.8),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["id", "value"]),
        ],
    )
    whole, parts = check(table, suite), check(table, suite, batch=batch)
    assert whole.rows == parts.rows == len(ids)
    assert [(one.success, one.unexpected) for one in whole.findings] == [
        (one.success, one.unexpected) for one in parts.findings
    ]


def test_no_rows_keep_their_columns_checked(readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(readings.head(0).drop(columns="site")), tmp_path / "empty.parquet")
    report = check(tmp_path, suite)
    assert report.rows == 0
    assert ("expect_column_to_exist", ("site",)) in [(one.expectation, one.columns) for one in report.failures]


def test_folder_without_data_is_refused(suite: ExpectationSuite, tmp_path: Path) -> None:
    (tmp_path / ".part-0.parquet").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="no Parquet file there; write the data first, or correct the path"):
        check(tmp_path, suite)


def test_nothing_is_written_after_a_failure_and_the_data_stay_as_they_were(
    readings: pd.DataFrame, suite: ExpectationSuite, tmp_path: Path
) -> None:
    readings.loc[99, "site"] = None
    folder = as_files(readings, tmp_path / "new")
    store = tmp_path / "store.parquet"
    store.write_bytes(b"what was there before")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def materialize() -> None:
        check(folder, suite).require_success()
        store.write_bytes(b"bad data")

    with pytest.raises(ValidationFailed):
        materialize()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_frame_is_not_changed(readings: pd.DataFrame, suite: ExpectationSuite) -> None:
    odd = readings.set_index(readings["reading_id"] * 2 + 1, drop=False).rename_axis("odd")
    before = odd.copy()
    check(odd, suite)
    pd.testing.assert_frame_equal(odd, before)


def test_failure_survives_the_way_to_another_process(readings: pd.DataFrame, suite: ExpectationSuite) -> None:
    with pytest.raises(ValidationFailed) as stopped:
        check(readings.assign(value=-1.0), suite).require_success()
    again = pickle.loads(pickle.dumps(stopped.value))
    assert str(again) == str(stopped.value)
    assert again.report == stopped.value.report


def test_no_network_is_used(readings: pd.DataFrame, suite: ExpectationSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a validation must not open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert check(readings, suite).success


def test_four_hundred_thousand_rows_in_many_files_are_all_checked(suite: ExpectationSuite, tmp_path: Path) -> None:
    rows = 400_000
    frame = pd.DataFrame(
        {
            "reading_id": np.arange(rows),
            "taken_at": pd.date_range("2025-05-01", periods=rows, freq="s", tz="UTC", unit="us"),
            "sensor": np.char.add("s", (np.arange(rows) % 999).astype(str)),
            "site": np.arange(rows) % 3,
            "value": np.arange(rows) % 50 / 1.0,
        }
    )
    frame.loc[rows - 1, "value"] = 50.5
    frame.loc[rows - 2, "reading_id"] = 0
    report = check(as_files(frame, tmp_path, files=20), suite, batch=150_000)
    assert report.rows == rows
    assert [(one.expectation, one.unexpected) for one in report.failures] == [
        ("expect_column_values_to_be_unique", 2),
        ("expect_column_values_to_be_between", 1),
    ]
