"""The time of the served row, of the one offline has, and how far the stream was, tell the cause."""

from __future__ import annotations

import numpy as np
import pytest

from validation.consistency.causes import CAUSES, NONE, ViewRows, cause_of_inputs, causes_of

ASKED = 1000
#        served, offline, complete, reason, cause       (the ttl is 500)
CASES = [
    (900, 950, 940, "", "stream lag"),
    (900, 950, 950, "", "late event"),
    (900, 950, NONE, "", "not refreshed"),  # no stream tells
    (900, 900, 990, "", "value changed"),
    (1001, 900, 990, "", "online ahead"),
    (900, 800, 990, "", "log behind"),
    (900, NONE, 990, "", "log behind"),
    (450, NONE, 990, "", "ttl"),
    (550, 550, 990, "expired", "ttl"),
    (450, 950, 800, "expired", "stream lag"),  # it expired for nothing came
    (NONE, 950, 940, "not_found", "stream lag"),
    (NONE, 950, 960, "not_found", "not online"),
    (NONE, 950, NONE, "not_found", "not online"),
    (NONE, 950, 960, "store_unavailable", "store away"),
]


@pytest.mark.parametrize(("served", "offline", "complete", "reason", "cause"), CASES)
def test_a_cause_follows_from_the_times(served: int, offline: int, complete: int, reason: str, cause: str) -> None:
    times = (np.array([one]) for one in (ASKED, served, offline, complete))
    assert causes_of(ViewRows(*times, np.array([reason], object), 500)).tolist() == [cause]


def test_an_on_demand_value_has_the_cause_of_the_input_that_differs() -> None:
    causes = [np.array(["value changed", "value changed"], object), np.array(["stream lag", "late event"], object)]
    differs = [np.array([True, False]), np.array([True, False])]
    assert cause_of_inputs(2, causes, differs).tolist() == ["stream lag", "function"]
    assert cause_of_inputs(2, [], []).tolist() == ["function", "function"]
    assert {"stream lag", "function", "value changed"} < set(CAUSES)
