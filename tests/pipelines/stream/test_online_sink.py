"""Rows on their way to the online store: what cannot be written is told once, where the stream can see it."""

from __future__ import annotations

import pytest

from pipelines.stream.online_sink import OnlinePartition, ShardRows


class Refusing:
    """A store that takes no row, and never will."""

    def write(self, results: list[ShardRows]) -> None:
        raise ValueError("no such column")


def test_a_write_that_can_never_work_is_raised_once_and_closing_says_no_more() -> None:
    partition = OnlinePartition(Refusing())
    partition.write_batch([ShardRows("clicks", 0, 0, 0, None, 1)])
    with pytest.raises(ValueError, match="no such column"):
        partition.snapshot()
    partition.close()  # Bytewax does that while it ends for the error, and would abort


def test_closing_raises_what_nobody_has_heard_of() -> None:
    partition = OnlinePartition(Refusing())
    partition.write_batch([ShardRows("clicks", 0, 0, 0, None, 1)])
    with pytest.raises(ValueError, match="no such column"):
        partition.close()
