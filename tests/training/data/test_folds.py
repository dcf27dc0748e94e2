"""Folds lie in the past of one another's validation, behind the gap, and never in the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from training.data.folds import temporal_folds
from training.data.split import TemporalSplit
from training.errors import TrainingError

WEEK = timedelta(days=7)
SPLIT = TemporalSplit.parse("2018-05-08:2018-08-01", "2018-08-08:2018-08-15")
FIRST = datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC)


@pytest.mark.parametrize("history", [True, False])
def test_folds_end_before_the_test_and_keep_the_gap(history: bool) -> None:
    folds = temporal_folds(SPLIT, WEEK, 4, FIRST, history=history)
    assert [f"{fold.test_from:%m-%d}" for fold in folds] == ["07-25", "07-18", "07-11", "07-04"]
    for fold in folds:
        assert fold.gap == WEEK
        assert fold.test_to <= SPLIT.train_to  # labels of its last day are known when the test begins
        assert fold.train_from == (
            SPLIT.train_from if history else max(fold.train_to - timedelta(days=85), FIRST.replace(second=0))
        )


def test_as_many_as_there_are_days_for() -> None:
    short = TemporalSplit.parse("2018-07-01:2018-08-01", "2018-08-08:2018-08-15")
    folds = temporal_folds(short, WEEK, 9, short.train_from, history=True)
    assert [f"{fold.test_from:%m-%d}" for fold in folds] == ["07-25", "07-18", "07-11"]
    assert folds[-1].train_to - folds[-1].train_from == timedelta(days=3)


def test_no_days_for_one_say_what_to_write() -> None:
    short = TemporalSplit.parse("2018-07-25:2018-08-01", "2018-08-08:2018-08-15")
    with pytest.raises(TrainingError, match=r"labels begin 2018-07-25.*longer TRAIN span with HISTORY=1"):
        temporal_folds(short, WEEK, 4, short.train_from)
