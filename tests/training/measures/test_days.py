"""Each day by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.measures.days import Day, by_day
from training.reports.wide_plots import draw_days, draw_time_line


def test_days_are_counted_in_time_order() -> None:
    days = pd.Series(pd.to_datetime(["2026-03-02", "2026-03-01", "2026-03-02"], utc=True))
    labels, scores = np.array([1, 0, 0]), np.array([0.9, 0.5, 0.1])
    assert by_day(days, labels, scores, 0.5) == (
        Day("2026-03-01", 1, 0.0, 0.5, 1.0),
        Day("2026-03-02", 2, 0.5, 0.5, 0.5),
    )
    assert by_day(days, labels, scores)[1] == Day("2026-03-02", 2, 0.5, 0.5, None)
    assert by_day(days, labels)[1] == Day("2026-03-02", 2, 0.5)
    assert by_day(days[:0], labels[:0], scores[:0], 0.5) == ()


def test_no_days_and_many_are_drawn() -> None:
    many = [Day(f"2026-03-{day:02}", 10, -0.5, 0.5, None) for day in range(1, 25)]
    for days in ([], many):
        assert draw_days(days).axes
        assert draw_time_line(days, days[:3], "mean label").axes
