"""Bounds a rate, with room for a burst."""

from __future__ import annotations


class TokenBucket:
    """Gives tokens at a rate, and keeps up to so many for later.

    Args:
        per_second: The rate.
        burst: How many it keeps; it begins full.
        now: The time, seconds.

    >>> bucket = TokenBucket(2.0, 1.0, now=0.0)
    >>> bucket.take(0.0), bucket.take(0.1), bucket.take(0.6)
    (0.0, 0.4, 0.0)
    """

    __slots__ = ("_burst", "_per_second", "_since", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._since = now

    def take(self, now: float) -> float:
        """Take a token and return 0; where there is none, return after how many seconds there will be one."""
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._per_second)
        self._since = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._per_second
