"""What a suite expects, given a declaration."""
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

from dataclasses import replace

import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
import pytest

from validation.gates.gate import check
from validation.gates.suites import (
    EventSpec,
    FeatureSpec,
    TrainingSpec,
    suite_for_events,
    suite_for_features,
    suite_for_training,
)

NOON = pd.Timestamp("2025-05-01 12:00", tz="UTC")
LOAD = FeatureSpec(
    view="sensor_load",
    keys=("sensor",),
    features={
        "n": "count",
        "kinds": "count_distinct",
        "total": "sum",
        "average": "mean",
        "spread": "std",
        "low": "min",
        "high": "max",
        "recent": "last_n(3)",
        "visits": "session_count(30min)",
        "visit_time": "session_duration(30min)",
        "odd": "a_function_of_their_own",
    },
    ordered=(("low", "high"), ("kinds", "n")),
)


def rows(**changes: object) -> pd.DataFrame:
    """Two rows of the view, the second of an empty window, with changes to the first."""
    full = {
        "sensor": "s1",
        "event_timestamp": NOON,
        "n": 2,
        "kinds": 1,
        "total": 3.0,
        "average": 1.5,
        "spread": 0.5,
        "low": 1.0,
        "high": 2.0,
        "recent": [1.0, 2.0],
        "visits": 1,
        "visit_time": 60.0,
        "odd": None,
    }
    empty = dict.fromkeys(full) | {"n": 0, "kinds": 0, "total": 0.0, "recent": [], "visits": 0}
    empty |= {"sensor": "s2", "event_timestamp": NOON}
    return pa.Table.from_pylist([full | changes, empty]).to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype()}.get, ignore_metadata=True
    )


def failed(
    frame: pd.DataFrame, spec: FeatureSpec | TrainingSpec | EventSpec = LOAD
) -> list[tuple[str, tuple[str, ...]]]:
    """What fails, as pairs of expectation and columns."""
    if isinstance(spec, FeatureSpec):
        suite = suite_for_features(spec)
    elif isinstance(spec, TrainingSpec):
        suite = suite_for_training(spec)
    else:
        suite = suite_for_events(spec)
    return [(finding.expectation, finding.columns) for finding in check(frame, suite).failures]


def test_full_and_empty_windows_pass() -> None:
    assert failed(rows()) == []


@pytest.mark.parametrize(
    ("column", "value", "expectation"),
    [
        ("sensor", None, "expect_column_values_to_not_be_null"),
        ("event_timestamp", None, "expect_column_values_to_not_be_null"),
        ("n", None, "expect_column_values_to_not_be_null"),
        ("n", -1, "expect_column_values_to_be_between"),
        ("kinds", -1, "expect_column_values_to_be_between"),
        ("total", None, "expect_column_values_to_not_be_null"),
        ("total", float("inf"), "expect_column_values_to_be_between"),
        ("average", float("-inf"), "expect_column_values_to_be_between"),
        ("spread", -0.1, "expect_column_values_to_be_between"),
        ("recent", None, "expect_column_values_to_not_be_null"),
        ("visits", -1, "expect_column_values_to_be_between"),
        ("visits", None, "expect_column_values_to_not_be_null"),
        ("visit_time", -1.0, "expect_column_values_to_be_between"),
    ],
)
def test_value_that_a_function_cannot_have_fails(column: str, value: object, expectation: str) -> None:
    assert (expectation, (column,)) in failed(rows(**{column: value}))


def test_minimum_over_the_maximum_fails() -> None:
    assert failed(rows(low=3.0)) == [("expect_column_pair_values_a_to_be_greater_than_b", ("high", "low"))]


def test_two_rows_of_an_entity_at_one_instant_fail() -> None:
    assert failed(rows(sensor="s2")) == [("expect_compound_columns_to_be_unique", ("sensor", "event_timestamp"))]


def test_feature_that_is_not_there_fails_by_name() -> None:
    assert ("expect_column_to_exist", ("spread",)) in failed(rows().drop(columns="spread"))


@pytest.mark.parametrize(
    ("type_", "column"),
    [
        ("int64", pa.array([1, 2])),
        ("bigint", pa.array([1, None])),
        ("int", pa.array([1, 2], pa.int32())),
        ("smallint", pa.array([1, None], pa.int16())),
        ("double", pa.array([1.0, None])),
        ("float", pa.array([1.0, None], pa.float32())),
        ("bool", pa.array([True, None])),
        ("boolean", pa.array([True, False])),
        ("string", pa.array(["a", None])),
        ("large_string", pa.array(["a", "b"], pa.large_string())),
        ("timestamp[us, tz=UTC]", pa.array([NOON, None], pa.timestamp("us", "UTC"))),
        ("timestamp", pa.array([NOON, None], pa.timestamp("ns", "UTC"))),
        ("timestamp[us]", pa.array([NOON.tz_localize(None), None], pa.timestamp("us"))),
        ("list<item: double>", pa.array([[1.0], None])),
    ],
)
def test_column_of_each_type_is_known_and_no_other_passes_for_it(
    spec: EventSpec, readings: pd.DataFrame, type_: str, column: pa.Array
) -> None:
    declared = replace(spec, columns={**spec.columns, "more": type_})
    table = pa.Table.from_pandas(readings.head(2), preserve_index=False)
    assert check(table.append_column("more", column), suite_for_events(declared)).success
    other = pa.array([b"x", b"y"]) if type_ != "string" else pa.array([1, 2])
    if not type_.startswith("list"):
        report = check(table.append_column("more", other), suite_for_events(declared))
        assert [finding.columns for finding in report.failures] == [("more",)]


def test_unknown_type_is_refused_with_the_known_ones(spec: EventSpec) -> None:
    with pytest.raises(ValueError, match=r"readings\.value: type 'money' is unknown; use one of int64, .* or list<"):
        suite_for_events(replace(spec, columns={**spec.columns, "value": "money"}))


def test_key_that_is_no_column_is_refused(spec: EventSpec) -> None:
    with pytest.raises(ValueError, match=r"readings: plant is not among the columns; add 'plant' and its type"):
        suite_for_events(replace(spec, keys=("plant",)))


def test_expectation_written_twice_counts_once_and_stays_the_teams(spec: EventSpec) -> None:
    own = gxe.ExpectColumnValuesToBeUnique(column="reading_id")
    again = suite_for_events(spec, [own, own])
    assert len(again.expectations) == len(suite_for_events(spec).expectations)
    assert all(one is not own for one in again.expectations)


TRAINING = TrainingSpec(name="failures", keys=("sensor",), label="broke", features={"n": "count", "age": ""})


def labelled(**columns: list[object]) -> pd.DataFrame:
    """Three labelled rows; the first sensor was never seen, so its features are null."""
    given = {
        "sensor": ["s1", "s2", "s3"],
        "event_timestamp": [NOON] * 3,
        "broke": [0, 1, 0],
        "n": [None, 2, 3],
        "age": [None, 0.5, -3.0],
    }
    return pd.DataFrame({**given, **columns})


def test_training_set_of_both_classes_passes_though_an_entity_was_never_seen() -> None:
    assert failed(labelled(), TRAINING) == []


@pytest.mark.parametrize(
    ("columns", "failure"),
    [
        ({"broke": [0, 1, None]}, ("expect_column_values_to_not_be_null", ("broke",))),
        ({"broke": [0, 0, 0]}, ("expect_column_distinct_values_to_equal_set", ("broke",))),
        ({"broke": [0, 1, 2]}, ("expect_column_distinct_values_to_equal_set", ("broke",))),
        ({"n": [-1, 2, 3]}, ("expect_column_values_to_be_between", ("n",))),
        ({"age": [None] * 3}, ("expect_column_proportion_of_non_null_values_to_be_between", ("age",))),
        ({"sensor": ["s1", None, "s3"]}, ("expect_column_values_to_not_be_null", ("sensor",))),
    ],
    ids=["label-null", "one-class", "third-class", "out-of-range", "feature-all-null", "key-null"],
)
def test_training_set_that_cannot_be_learned_from_fails(
    columns: dict[str, list[object]], failure: tuple[str, tuple[str, ...]]
) -> None:
    assert failed(labelled(**columns), TRAINING) == [failure]


def test_label_that_is_a_quantity_needs_no_classes() -> None:
    assert failed(labelled(broke=[0.5, 0.7, 0.1]), replace(TRAINING, classes=())) == []
