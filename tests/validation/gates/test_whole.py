"""A suite in SQL finds what the same suite finds in frames: on rows drawn at random, and at the bounds."""
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pytest
from great_expectations import ExpectationSuite
from hypothesis import given, settings
from hypothesis import strategies as st

from validation.gates.engine import open_duckdb
from validation.gates.gate import check
from validation.gates.report import Report
from validation.gates.rows import Source
from validation.gates.suites import EventSpec, suite_for_events
from validation.gates.whole import check_here, check_whole

EXPECTED = [
    gxe.ExpectColumnValuesToBeUnique(column="id"),
    gxe.ExpectColumnValuesToNotBeNull(column="id", severity="warning"),
    gxe.ExpectCompoundColumnsToBeUnique(column_list=["id", "kind"]),
    gxe.ExpectColumnValuesToBeBetween(column="value", min_value=-1, max_value=1, strict_max=True, mostly=0.8),
    gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=["a", "it's", "\\"]),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A="value", column_B="other", or_equal=True, ignore_row_if="either_value_is_missing"
    ),
    gxe.ExpectColumnMinToBeBetween(column="value", min_value=-1.5),
    gxe.ExpectColumnMeanToBeBetween(column="value", min_value=-0.5, max_value=0.5),
    gxe.ExpectColumnMedianToBeBetween(column="value", max_value=0.5),
    gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column="other", min_value=0.2),
    gxe.ExpectTableRowCountToBeBetween(min_value=3),
    gxe.ExpectColumnToExist(column="gone"),
    gxe.ExpectColumnValuesToNotBeNull(column="gone"),
    gxe.ExpectColumnValuesToBeOfType(column="value", type_="float64"),
    gxe.ExpectColumnValuesToBeOfType(column="other", type_="int64"),
]


def suite() -> ExpectationSuite:
    return ExpectationSuite("law", meta={"identify": ["id"]}, expectations=[one.copy() for one in EXPECTED])


def in_sql(source: Source, expected: ExpectationSuite) -> Report:
    with open_duckdb(source) as engine:
        return check_whole(engine, expected)


def told(report: Report) -> list[tuple[object, ...]]:
    return [(one.expectation, one.columns, one.severity, one.success, one.unexpected) for one in report.findings]


reals = st.one_of(st.none(), st.floats(-2, 2), st.just(float("nan")))


@settings(max_examples=settings.default.max_examples // 4)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.sampled_from(["a", "it's", "b", None]), reals, reals),
        min_size=1,
        max_size=20,
    )
)
def test_sql_finds_what_frames_show(rows: list[tuple[object, ...]]) -> None:
    columns = dict(zip(("id", "kind", "value", "other"), zip(*rows, strict=True), strict=True))
    kinds = {"id": pa.int64(), "kind": pa.string(), "value": pa.float64(), "other": pa.float64()}
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in kinds.items()})
    measured = {
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_min_to_be_between",
    }
    empty = all(one is None or one != one for one in columns["value"])
    in_frames, whole = told(check(table, suite())), told(in_sql(table, suite()))
    for one, other in zip(in_frames, whole, strict=True):
        if one[0] == "expect_column_values_to_be_of_type" or (empty and one[0] in measured):
            assert one[:3] == other[:3]
            assert one[3] == other[3] or empty
        else:
            assert one == other


def test_rows_that_break_it_are_shown_by_what_identifies_them(readings: pd.DataFrame, spec: EventSpec) -> None:
    readings.loc[[60, 42], "sensor"] = None
    readings.loc[90, "reading_id"] = 5
    found = {one.expectation: one for one in in_sql(readings, suite_for_events(spec)).failures}
    assert set(found) == {"expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"}
    assert [row["reading_id"] for row in found["expect_column_values_to_not_be_null"].rows] == [42, 60]
    assert [row["taken_at"] for row in found["expect_column_values_to_be_unique"].rows] == [
        "2025-05-01 00:00:05+00:00",
        "2025-05-01 00:01:30+00:00",
    ]


def test_what_has_no_form_in_sql_fails_on_an_engine_and_is_seen_in_frames_here(readings: pd.DataFrame) -> None:
    regex = gxe.ExpectColumnValuesToMatchRegex(column="sensor", regex="s[0-5]")
    own = ExpectationSuite("own", expectations=[regex, gxe.ExpectColumnValuesToNotBeNull(column="sensor")])
    (bad,) = in_sql(readings, own).failures
    assert bad.problem is not None
    assert bad.problem.startswith("not evaluated, for it has no form in SQL; check the rows here")
    seen, other = check_here(readings, own).findings
    assert (seen.expectation, seen.unexpected, other.success) == ("expect_column_values_to_match_regex", 14, True)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_are_counted(readings: pd.DataFrame, spec: EventSpec, rows: int) -> None:
    report = in_sql(pa.Table.from_pandas(readings, preserve_index=False).slice(0, rows), suite_for_events(spec))
    assert (report.rows, report.success) == (rows, True)
