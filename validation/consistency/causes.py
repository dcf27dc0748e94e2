"""Names why a served value is not what offline gives: told by the time of the row that was served, and of the one offline has.

All that counts is what could be known when it was served. A row that is newer offline had either not been written online yet,
though its time had come (the stream lagged), or it is of an event that came only after the stream had passed its time (late).
How far the stream was is recorded with each decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]

NONE: Final = -1
"""The time of a row that is not there."""

AWAY, AHEAD, LATE, LAG, NOT_REFRESHED, ABSENT, EXPIRED, LOG_BEHIND, CHANGED, FUNCTION = (
    "store away",
    "online ahead",
    "late event",
    "stream lag",
    "not refreshed",
    "not online",
    "ttl",
    "log behind",
    "value changed",
    "function",
)
CAUSES: Final = {
    AWAY: "The online store, or the tier that holds the view, did not answer.",
    AHEAD: "Online had a row of after the request's own time: the request came late, or tells an old time.",
    LATE: "An event of before the request became known only after it was served.",
    LAG: "Offline has a row whose time had come, and the stream had not brought the view so far.",
    NOT_REFRESHED: "Offline has a newer row of a view that no stream fills: the batch job had not brought it online.",
    ABSENT: "Online knew nothing of the entity, though the stream had passed: evicted, never materialized, or its first event came late.",
    EXPIRED: "The row was within the ttl on one side only: the view's ttl was another one.",
    LOG_BEHIND: "Online had a row that offline lacks: the log was not filled, or filled from other events.",
    CHANGED: "Both have a row of this time, with other values: the stored value was changed, or the history computed anew.",
    FUNCTION: "The on-demand function gives another value now, from rows of equal times.",
}
"""What each cause means, the first that fits first."""


@dataclass(frozen=True, slots=True)
class ViewRows:
    """What is known of one view's row behind some decisions; times in UTC microseconds, `NONE` where there is none.

    Attributes:
        asked_at: The requests' event timestamps.
        served_at: The time of the row that was served, or was found expired.
        offline_at: The time of the row that offline has at that instant, within the ttl.
        complete_at: Up to when the stream had brought the view, as the decision says.
        reason: Why there was no value, as the decision says; empty where there was one.
        ttl_us: The view's; 0 for ever.
    """

    asked_at: Times
    served_at: Times
    offline_at: Times
    complete_at: Times
    reason: npt.NDArray[np.object_]
    ttl_us: int

    @property
    def is_older(self) -> npt.NDArray[np.bool_]:
        """Say where the served row is older than the one offline has, or there was none."""
        return self.offline_at > self.served_at


def causes_of(rows: ViewRows) -> npt.NDArray[np.object_]:
    """Return a cause for each decision, should its values differ.

    >>> one = lambda *numbers: np.array(numbers)
    >>> rows = ViewRows(one(90, 90, 90), one(50, 50, 50), one(70, 70, 50), one(80, 60, 80), one("", "", ""), 0)
    >>> causes_of(rows).tolist()
    ['late event', 'stream lag', 'value changed']
    """
    served, offline, complete = rows.served_at, rows.offline_at, rows.complete_at
    is_there, older = served != NONE, rows.is_older
    passed = (complete != NONE) & (offline <= complete)
    expired = (rows.reason == "expired") | ((rows.ttl_us > 0) & is_there & (rows.asked_at - served > rows.ttl_us))
    tests = [
        (AWAY, rows.reason == "store_unavailable"),
        (AHEAD, served > rows.asked_at),
        (LATE, older & is_there & passed),
        (LAG, older & (complete != NONE) & ~passed),
        (NOT_REFRESHED, older & is_there),
        (ABSENT, older),
        (EXPIRED, expired),
        (LOG_BEHIND, served > offline),
    ]
    return np.select([where for _, where in tests], [np.full(len(served), name, object) for name, _ in tests], CHANGED)


def cause_of_inputs(
    size: int, causes: Sequence[npt.NDArray[np.object_]], differs: Sequence[npt.NDArray[np.bool_]]
) -> npt.NDArray[np.object_]:
    """Return the cause of an on-demand view's values: of the inputs that differ, the first in the order of `CAUSES`.

    Args:
        size: How many decisions.
        causes: Of each input view.
        differs: Where the input's row is another, or a value of it that was served is.

    >>> cause_of_inputs(2, [np.array(["ttl", "ttl"])], [np.array([True, False])]).tolist()
    ['ttl', 'function']
    """
    order = list(CAUSES)
    first = np.full(size, order.index(FUNCTION))
    for one, where in zip(causes, differs, strict=True):
        first = np.minimum(first, np.where(where, [order.index(cause) for cause in one], first))
    return np.array(order, object)[first]
