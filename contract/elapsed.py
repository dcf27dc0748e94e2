"""What on-demand views make of a time or a decayed sum that the online store holds: the same as of the request."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from contract.arrays import floats, micros
from contract.durations import parse_duration

Floats = npt.NDArray[np.float64]


def seconds_since(last: Any, now: Any) -> Floats:
    """Return the seconds from an event to the request; NaN where there was no event.

    Args:
        last: Microseconds since the epoch, as `last` of a time column gives them; null for none. A pandas or NumPy column.
        now: The requests' times; UTC where they do not say. A pandas or NumPy column.

    >>> seconds_since([60_000_000, None], np.array(["1970-01-01T00:01:30", "1970-01-01T00:01:30"], "datetime64[us]"))
    array([30., nan])
    """
    return (micros(now) - floats(last)) / 1e6


def decayed(value: Any, seconds: Any, half_life: str) -> Floats:
    """Return a `decayed_sum` or `decayed_count` as it is so many seconds after its latest event; 0.0 where there was none.

    >>> decayed([8.0, None], [60.0, np.nan], half_life="30s")
    array([2., 0.])
    """
    given, waited = floats(value), floats(seconds)
    known = ~(np.isnan(given) | np.isnan(waited))
    halves = np.where(known, waited, 0.0) * 1e6 / parse_duration(half_life)
    return np.where(known, given, 0.0) * 2.0**-halves
