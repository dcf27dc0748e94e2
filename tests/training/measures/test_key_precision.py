"""Key precision: each day's highest keys, without those found before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.measures.key_precision import daily_key_precision

#       day  key  label  score
ROWS = [
    (1, "a", 0, 0.2),
    (1, "a", 1, 0.9),
    (1, "b", 0, 0.8),
    (1, "c", 1, 0.1),
    (2, "a", 1, 0.9),
    (2, "b", 1, 0.3),
    (2, "c", 0, 0.2),
]


def daily(rows: list[tuple[int, str, int, float]], k: int, remove_found: bool = True) -> list[float]:
    day, key, label, score = zip(*rows, strict=True)
    days = pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.array(day), unit="D"))
    return daily_key_precision(
        days, pd.Series(key), np.array(label), np.array(score), k, remove_found=remove_found
    ).tolist()


def test_key_counts_once_a_day_with_its_highest_score_and_any_positive() -> None:
    assert daily(ROWS[:4], k=2) == [1 / 2]


def test_key_that_was_found_leaves_the_later_days() -> None:
    assert daily(ROWS, k=1) == [1.0, 1.0]
    assert daily([row for row in ROWS if row[1] != "b" or row[0] == 1], k=1) == [1.0, 0.0]


def test_key_that_was_found_stays_when_asked_to() -> None:
    assert daily([row for row in ROWS if row[1] != "b" or row[0] == 1], k=1, remove_found=False) == [1.0, 1.0]


def test_divisor_is_k_on_a_day_with_fewer_keys() -> None:
    assert daily(ROWS[:4], k=10) == [2 / 10]


def test_order_of_rows_does_not_matter_when_scores_tie() -> None:
    tied = [(1, "a", 1, 0.5), (1, "b", 0, 0.5), (1, "c", 0, 0.5)]
    assert daily(tied, k=1) == daily(tied[::-1], k=1) == [1.0]
