"""The window of one feature: which events it holds at a time, and when an event enters and leaves it.

Times are integers of microseconds since the Unix epoch, UTC; every function takes one or a numpy array of them.
Rules are those of docs/semantics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from contract.durations import DAY, HOUR, MINUTE, SECOND, format_duration

Time = TypeVar("Time", int, npt.NDArray[np.int64])

SLIDES = (
    DAY,
    6 * HOUR,
    HOUR,
    30 * MINUTE,
    10 * MINUTE,
    5 * MINUTE,
    MINUTE,
    30 * SECOND,
    10 * SECOND,
    5 * SECOND,
    SECOND,
)


class WindowError(ValueError):
    """A window that cannot keep the contract."""


def default_slide(size: int) -> int:
    """Return the slide of a window whose declaration names none (rule 10).

    Raises:
        WindowError: No slide of the list divides the window.

    >>> format_duration(default_slide(24 * HOUR)), format_duration(default_slide(30 * DAY))
    ('10min', '6h')
    """
    for slide in SLIDES:
        if size % slide == 0 and slide * 60 <= size:
            return slide
    raise WindowError(
        f"a window of {format_duration(size)} has no slide of its own: the finest, 1s, must divide it and be at most a"
        " 60th of it; use a window of whole minutes, or give slide_interval."
    )


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window.

    Attributes:
        size: Length in microseconds, a multiple of `slide`.
        slide: The hop of the tail, in microseconds, aligned to the epoch.
        delay: How long after an event it is first seen, in microseconds.
        aligned: False: the head is now, less the delay (stream views, rule 1). True: the head moves in hops as well
            (batch views, rule 2).
    """

    size: int
    slide: int
    delay: int = 0
    aligned: bool = False

    def __post_init__(self) -> None:
        """Refuse a window that no engine can keep.

        Raises:
            WindowError: Not positive, or the slide does not divide the size.
        """
        if self.size <= 0 or self.slide <= 0 or self.delay < 0:
            raise WindowError(
                "size and slide must be positive and delay not negative; use such as size 1h, slide 1min."
            )
        if self.size % self.slide:
            raise WindowError(
                f"slide {format_duration(self.slide)} does not divide size {format_duration(self.size)}; use a divisor"
                f" such as {format_duration(_nearest_divisor(self.size, self.slide))}."
            )

    def first(self, t: Time) -> Time:
        """Return the start of the window at `t`: the earliest event time that is inside."""
        if self.aligned:
            return self._floor(t) - self.delay - self.size
        return self._floor(t - self.delay - self.size)

    def end(self, t: Time) -> Time:
        """Return the end of the window at `t`: the first event time that is no longer inside. The end is open."""
        return (self._floor(t) if self.aligned else t) - self.delay

    def enters(self, ts: Time) -> Time:
        """Return the first microsecond at which an event of time `ts` is inside."""
        if self.aligned:
            return self._floor(ts + self.delay) + self.slide
        return ts + self.delay + 1

    def leaves(self, ts: Time) -> Time:
        """Return the first microsecond at which an event of time `ts` is no longer inside."""
        if self.aligned:
            return self._floor(ts + self.delay + self.size) + self.slide
        return self._floor(ts) + self.slide + self.delay + self.size

    def _floor(self, t: Time) -> Time:
        return t - t % self.slide


def _nearest_divisor(size: int, slide: int) -> int:
    """Return the divisor of `size`, in whole units people use, that is nearest to `slide`."""
    steps = [n * unit for unit in (SECOND, MINUTE, HOUR, DAY) for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    fit = [step for step in steps if size % step == 0 and step <= size] or [size]
    return min(fit, key=lambda step: abs(step - slide))
