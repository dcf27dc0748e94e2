"""The temporal split: whole days, a gap as long as a label takes to be known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from training.data.split import TemporalSplit, default_split
from training.errors import TrainingError

WEEK = timedelta(days=7)
HANDBOOK = TemporalSplit.parse("2018-07-25:2018-08-01", "2018-08-08:2018-08-15")


def test_last_labels_of_the_handbook_sample_give_the_handbook_split() -> None:
    assert default_split(datetime(2018, 8, 14, 23, 59, 57, tzinfo=UTC), WEEK) == HANDBOOK


def test_gap_as_long_as_the_label_delay_is_enough() -> None:
    HANDBOOK.require_gap(WEEK)


def test_gap_shorter_than_the_label_delay_names_a_training_span_that_fits() -> None:
    short = TemporalSplit.parse("2018-07-25:2018-08-02", "2018-08-08:2018-08-15")
    with pytest.raises(TrainingError, match=r"6 d between .* known 7 d after .* write --train 2018-07-25:2018-08-01"):
        short.require_gap(WEEK)
    TemporalSplit.parse("2018-07-25:2018-08-01", "2018-08-08:2018-08-15").require_gap(WEEK)


def test_part_of_a_day_of_delay_needs_a_whole_day_of_gap() -> None:
    split = default_split(datetime(2024, 3, 10, 12, tzinfo=UTC), timedelta(hours=25), train_days=2, test_days=1)
    assert split.gap == timedelta(days=2)


def test_labels_known_at_once_need_no_gap() -> None:
    split = default_split(datetime(2024, 3, 10, 12, tzinfo=UTC), timedelta(0))
    assert split.train_to == split.test_from


def test_training_starts_no_earlier_than_the_first_label() -> None:
    first = datetime(2018, 7, 30, 9, tzinfo=UTC)
    split = default_split(datetime(2018, 8, 14, 12, tzinfo=UTC), WEEK, first_event=first)
    assert (split.train_from, split.train_to) == (datetime(2018, 7, 30, tzinfo=UTC), datetime(2018, 8, 1, tzinfo=UTC))


def test_too_few_days_of_labels_are_refused_with_their_dates() -> None:
    first = datetime(2018, 8, 1, tzinfo=UTC)
    with pytest.raises(TrainingError, match=r"2018-08-01 to 2018-08-14.*write a smaller --test-days"):
        default_split(datetime(2018, 8, 14, 12, tzinfo=UTC), WEEK, first_event=first)


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        pytest.param("2018-07-25", "2018-08-08:2018-08-15", r"write --train 2018-07-25:2018-08-01", id="one date"),
        pytest.param("25.7.:1.8.", "2018-08-08:2018-08-15", r"is not a span of days", id="other format"),
        pytest.param("2018-07-25:2018-07-25", "2018-08-08:2018-08-15", r"write at least .*:2018-07-26", id="empty"),
        pytest.param("2018-07-25:2018-08-01", "2018-08-15:2018-08-08", r"test 2018-08-15:2018-08-08", id="backwards"),
        pytest.param("2018-07-25:2018-08-10", "2018-08-08:2018-08-15", r"inside train", id="overlap"),
    ],
)
def test_span_that_cannot_be_meant_is_refused(train: str, test: str, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        TemporalSplit.parse(train, test)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(datetime(2018, 7, 25), id="naive"),
        pytest.param(datetime(2018, 7, 25, 6, tzinfo=UTC), id="not midnight"),
    ],
)
def test_instant_that_is_no_utc_midnight_is_refused(at: datetime) -> None:
    with pytest.raises(TrainingError, match="midnight in UTC"):
        TemporalSplit(at, HANDBOOK.train_to, HANDBOOK.test_from, HANDBOOK.test_to)


def test_no_days_to_test_on_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least 1 of each"):
        default_split(datetime(2018, 8, 14, tzinfo=UTC), WEEK, test_days=0)
