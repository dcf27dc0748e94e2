"""Removes from each test day the keys whose positive label is already known that day.

A key that is known to be positive is dealt with (an account is blocked, say), so finding it again proves nothing. The rule
is the Fraud Detection Handbook's (chapter 3): on a test day, leave out the keys with a positive event since the start
of training whose label was known before that day began, `event + known_after < midnight of the day`. With a delay of
7 days these are the positives up to 8 days before the day.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd


def without_known_positives(
    test: pd.DataFrame,
    events: pd.DataFrame,
    *,
    key: str,
    timestamp: str,
    label: str,
    train_from: datetime,
    known_after: timedelta,
) -> pd.Series[bool]:
    """Say for each test row whether it stays; aligned to `test`'s index.

    Args:
        test: Rows with `key` and `timestamp` (aware).
        events: Label events from `train_from` on, up to at least the last test day less `known_after`, with `key`,
            `timestamp` and `label` (positive: 1). Later ones do no harm.
        key: The column whose values are removed.
        timestamp: The column with the event's time.
        label: The column that is 1 for a positive.
        train_from: Positives before it do not count (inclusive).
        known_after: How long after its event a label is known.

    >>> at = pd.to_datetime(["2024-01-01 09:00", "2024-01-08 09:00", "2024-01-09 09:00"], utc=True)
    >>> rows = pd.DataFrame({"account": [1, 1, 1], "at": at, "stolen": [1, 0, 0]})
    >>> without_known_positives(rows[1:], rows, key="account", timestamp="at", label="stolen",
    ...     train_from=at[0].normalize(), known_after=timedelta(days=7)).tolist()
    [True, False]
    """
    positive = events[(events[label] == 1) & (events[timestamp] >= train_from)]
    first = positive.groupby(key)[timestamp].min()
    known_at = test[key].map(first) + known_after
    # A key without a positive maps to NaT, and NaT < day is False.
    return ~(known_at < test[timestamp].dt.floor("D"))
