"""Keys known to be positive leave the test days that begin after they became known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.data.known_keys import without_known_positives

DATA = Path(__file__).parents[3].parent / "shared" / "data"
HANDBOOK = DATA / "transactions-handbook.parquet"


def drop(test: pd.DataFrame, events: pd.DataFrame, known_after: timedelta) -> pd.DataFrame:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    stay = without_known_positives(
        test, events, key="visitor", timestamp="at", label="bot", train_from=start, known_after=known_after
    )
    return test[stay]


def rows(*events: tuple[str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(events, columns=["at", "visitor", "bot"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True, format="ISO8601"))


@pytest.mark.parametrize(
    ("positive_at", "known_after", "stays"),
    [
        #  positive                 known         midnight of the test day 2024-03-10
        pytest.param("2024-03-02 23:59:59", "7d", False, id="known the day before"),
        pytest.param("2024-03-03 00:00:00", "7d", True, id="known at the midnight itself"),
        pytest.param("2024-03-03 08:00:00", "7d", True, id="known during the day"),
        pytest.param("2024-02-29 23:59:59", "7d", True, id="positive before training began"),
        pytest.param("2024-03-09 11:59:59", "12h", False, id="a delay of hours"),
        pytest.param("2024-03-09 12:00:00", "12h", True, id="a delay of hours, at midnight"),
    ],
)
def test_key_leaves_the_days_that_begin_after_its_label_was_known(
    positive_at: str, known_after: str, stays: bool
) -> None:
    test = rows(("2024-03-10 09:00", 1, 0), ("2024-03-10 10:00", 2, 0))
    kept = drop(test, pd.concat([rows((positive_at, 1, 1), ("2024-03-01", 2, 0)), test]), pd.Timedelta(known_after))
    assert kept["visitor"].tolist() == ([1, 2] if stays else [2])


def test_first_of_several_positives_decides() -> None:
    test = rows(("2024-03-10 09:00", 1, 0))
    assert drop(test, rows(("2024-03-09", 1, 1), ("2024-03-01", 1, 1)), timedelta(days=7)).empty


def test_no_positive_removes_nothing() -> None:
    test = rows(("2024-03-10 09:00", 1, 0))
    assert len(drop(test, rows(("2024-03-01", 1, 0)), timedelta(days=7))) == 1


@pytest.mark.skipif(not HANDBOOK.is_file(), reason=f"the handbook's transactions are not at {HANDBOOK}")
def test_handbook_test_week_keeps_58264_rows_and_385_positives() -> None:
    day = "event_timestamp"
    columns: list[Any] = [day, "customer_id", "is_fraud"]
    start, end = pd.Timestamp("2018-07-25", tz="UTC"), pd.Timestamp("2018-08-15", tz="UTC")
    events = pd.read_parquet(HANDBOOK, columns=columns, filters=[(day, ">=", start), (day, "<", end)])
    test = events[events[day] >= pd.Timestamp("2018-08-08", tz="UTC")]
    stay = without_known_positives(
        test,
        events,
        key="customer_id",
        timestamp=day,
        label="is_fraud",
        train_from=start.to_pydatetime(),
        known_after=timedelta(days=7),
    )
    kept = test[stay]
    assert (len(test), int(test["is_fraud"].sum())) == (67_080, 568)
    assert (len(kept), int(kept["is_fraud"].sum())) == (58_264, 385)
