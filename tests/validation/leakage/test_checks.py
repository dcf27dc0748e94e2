"""Leaks planted into a training set are found, by name; a set without any is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contract.durations import DAY
from validation.gates.report import Finding
from validation.leakage.checks import Labelled, LeakBounds, find_label_conflicts, find_leaks, find_repeats

ROWS = 2000
FEATURES = ("load__orders", "load__last_at", "load__mean")
GIVEN = Labelled("returned", "binary", FEATURES, ("shop",), "order_id", "placed_at", "told_at", 3 * DAY)


@pytest.fixture
def orders() -> pd.DataFrame:
    """Two thousand orders, a tenth of them returned; one feature knows a little, and one is null for a third."""
    random = np.random.default_rng(5)
    at = pd.date_range("2026-01-01", periods=ROWS, freq="min", tz="UTC", unit="us")
    returned = (random.random(ROWS) < 0.1).astype("int64")
    return pd.DataFrame(
        {
            "order_id": np.arange(ROWS),
            "placed_at": at,
            "told_at": at + pd.Timedelta("2d"),
            "shop": random.integers(0, 20, ROWS),
            "returned": returned,
            "load__orders": random.normal(returned, 1.0),
            "load__last_at": at.astype("int64") - random.integers(1, 10**9, ROWS).astype(float),
            "load__mean": np.where(random.random(ROWS) < 0.3, np.nan, random.random(ROWS)),
        }
    )


def failed(found: list[Finding]) -> dict[str, Finding]:
    return {one.expectation: one for one in found if not one.success}


def test_an_honest_training_set_is_left_alone(orders: pd.DataFrame) -> None:
    found = find_leaks(orders, GIVEN, LeakBounds())
    assert [one.describe() for one in found if not one.success] == []
    assert len(found) == 4
    train, test = orders[:1000], orders[1000:]
    assert failed(find_repeats(train, test, GIVEN, LeakBounds())) == {}


def test_a_feature_that_knows_the_label_is_named_with_what_it_reaches(orders: pd.DataFrame) -> None:
    orders["load__orders"] = orders["returned"] * 10 + orders["load__orders"]
    (bad,) = failed(find_leaks(orders, GIVEN, LeakBounds())).values()
    assert bad.severity == "critical"
    assert bad.describe().startswith(
        "expect_no_feature_to_know_the_label(returned) [AUROC of one feature at most 0.97]: 1 of 3 features, first:"
        " feature=load__orders, AUROC="
    )


def test_a_feature_that_is_there_only_for_positives_is_found(orders: pd.DataFrame) -> None:
    orders["load__mean"] = np.where(orders["returned"] == 1, orders["load__orders"], np.nan)
    (bad,) = failed(find_leaks(orders, GIVEN, LeakBounds())).values()
    assert bad.rows == ({"feature": "load__mean", "AUROC of having a value": 1.0},)


@pytest.mark.parametrize(("predicts", "what"), [("ranking", "AUROC"), ("regression", "correlation")])
def test_each_kind_has_its_measure(orders: pd.DataFrame, predicts: str, what: str) -> None:
    orders["returned"] = np.random.default_rng(1).integers(0, 3, ROWS)
    assert failed(find_leaks(orders, replace(GIVEN, predicts=predicts), LeakBounds())) == {}
    orders["load__mean"] = orders["returned"] * 2.0
    (bad,) = failed(find_leaks(orders, replace(GIVEN, predicts=predicts), LeakBounds())).values()
    assert bad.rows[0]["feature"] == "load__mean"
    assert what in bad.rows[0]


def test_bounds_and_severity_are_settings(orders: pd.DataFrame) -> None:
    (bad,) = failed(find_leaks(orders, GIVEN, LeakBounds(auroc=0.6, severity="warning"))).values()
    assert (bad.severity, bad.unexpected) == ("warning", 1)


def test_few_rows_of_a_class_say_nothing(orders: pd.DataFrame) -> None:
    few = orders[:30].assign(load__orders=orders["returned"][:30] * 10.0)
    assert failed(find_leaks(few, GIVEN, LeakBounds())) == {}


def test_a_time_after_the_event_is_of_the_future(orders: pd.DataFrame) -> None:
    orders.loc[7, "load__last_at"] = float(orders.loc[7, "placed_at"].value // 1000 + 1_000_000)
    (bad,) = failed(find_leaks(orders, GIVEN, LeakBounds())).values()
    assert bad.expectation == "expect_no_feature_to_be_later_than_its_event"
    assert bad.rows[0]["feature"] == "load__last_at"
    assert bad.rows[0]["first"] == "2026-01-01T00:07:01.000000"


def test_labels_known_before_the_event_or_later_than_declared_are_counted(orders: pd.DataFrame) -> None:
    orders.loc[3, "told_at"] = orders.loc[3, "placed_at"] - pd.Timedelta("1s")
    orders.loc[[4, 5], "told_at"] = orders.loc[[4, 5], "placed_at"] + pd.Timedelta("3d1us")
    found = failed(find_leaks(orders, GIVEN, LeakBounds()))
    assert {name: (one.unexpected, one.severity) for name, one in found.items()} == {
        "expect_label_not_to_be_known_before_its_event": (1, "critical"),
        "expect_label_to_be_known_as_declared": (2, "warning"),
    }
    assert found["expect_label_not_to_be_known_before_its_event"].rows[0]["order_id"] == 3


def test_an_event_on_both_sides_of_the_split_is_found(orders: pd.DataFrame) -> None:
    train, test = orders[:1000], pd.concat([orders[1000:], orders[5:7]])
    (bad,) = failed(find_repeats(train, test, GIVEN, LeakBounds())).values()
    assert (bad.expectation, bad.unexpected, bad.severity) == ("expect_test_events_not_to_be_trained_on", 2, "critical")
    assert [row["order_id"] for row in bad.rows] == [5, 6]


def test_rows_repeated_under_new_ids_are_found_where_they_are_many(orders: pd.DataFrame) -> None:
    train, again = orders[:1000], orders[:30].assign(order_id=np.arange(5000, 5030))
    (bad,) = failed(find_repeats(train, pd.concat([orders[1000:], again]), GIVEN, LeakBounds())).values()
    assert (bad.expectation, bad.unexpected, bad.severity) == (
        "expect_test_rows_to_differ_from_training",
        30,
        "warning",
    )
    assert failed(find_repeats(train, pd.concat([orders[1000:], again[:5]]), GIVEN, LeakBounds())) == {}


def test_an_event_with_two_labels_is_found_and_one_that_is_still_unknown_is_not() -> None:
    told = pa.table({"id": [1, 1, 2, 2, 3, 3, None, None], "label": [0, 1, 1, 1, None, 1, 0, 1]})
    bad = find_label_conflicts(told, "id", "label")
    assert not bad.success
    assert bad.describe() == "expect_event_to_have_one_label(id, label): 1 of 8 rows, first: id=1, labels=[0, 1]"
    assert find_label_conflicts(told.slice(2), "id", "label").success
