"""Which bounds of a cache are refused, with what to write instead."""

from __future__ import annotations

import re

import pytest

from contract.tags import TagError, read_cache

MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("tags", "ttl_us", "expected"),
    [
        ({}, MINUTE, (0, 0)),
        ({"cache": "60s"}, MINUTE, (MINUTE, 0)),
        ({"cache": "7d"}, 0, (7 * 1440 * MINUTE, 0)),
        ({"cache": "1s", "cache_stale": "1s"}, MINUTE, (1_000_000, 1_000_000)),
    ],
    ids=["not cached", "as long as the ttl", "no ttl", "no staler than else"],
)
def test_bounds_are_read(tags: dict[str, str], ttl_us: int, expected: tuple[int, int]) -> None:
    assert read_cache("v", tags, ttl_us) == expected


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"cache": "fast"}, "v: tag millrace.cache: 'fast' is not a duration; write"),
        ({"cache": "61s"}, "v: tag millrace.cache is 61s, longer than the view's ttl, 1min;"),
        ({"cache": "1s", "cache_stale": "1h"}, "v: tag millrace.cache_stale is 1h, longer than the view's ttl, 1min;"),
        (
            {"cache_stale": "9s"},
            "v: tag millrace.cache_stale is 9s, and millrace.cache is not set; write a millrace.cache",
        ),
        ({"cache": "5s", "cache_stale": "1s"}, "v: tag millrace.cache_stale is 1s, and millrace.cache is 5s; write"),
    ],
)
def test_bounds_that_cannot_be_kept_are_refused(tags: dict[str, str], message: str) -> None:
    with pytest.raises(TagError, match=re.escape(message)):
        read_cache("v", tags, MINUTE)
