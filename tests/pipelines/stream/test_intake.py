"""What one partition makes of its entries: late or in time, and what time it is (rule 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipelines.plan import EventTable
from pipelines.stream.intake import EventBatch, Intake
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATENESS, KNOWN = 100, 1_000


def intake(known_after: int = 0) -> Intake:
    columns = (("id", "bigint"), ("at", "timestamp"), ("user", "string"))
    table = EventTable("events", "/nowhere", "at", "id", "events", "user", columns, LATENESS, known_after)
    return Intake(table, 0, ("at", "id", "user"))


def take(partition: Intake, *times: int, tick: int | None = None, clock: int | None = None) -> EventBatch:
    rows = [{"id": number, "at": EPOCH + timedelta(microseconds=t), "user": "a"} for number, t in enumerate(times)]
    payloads = encode_events(pa.Table.from_pylist(rows, schema=partition.table.schema()))
    return partition.take(Entries(payloads, tick, "1", len(payloads)), clock)


def at(table: pa.Table) -> list[int]:
    return table["at"].cast(pa.int64()).to_pylist()


#  lateness 100, one batch:
#
#      arrives   1000   950   900   899   1001   900
#      newest    1000  1000  1000  1000   1001  1001
#      behind       0    50   100   101      0   101
#                                  late         late
#
def test_an_event_is_late_against_the_newest_before_it_in_its_partition() -> None:
    batch = take(intake(), 1000, 950, 900, 899, 1001, 900)
    assert at(batch.events) == [1000, 950, 900, 1001]
    assert [told.reason for told in batch.rejected] == ["late: more than 100us behind its partition"] * 2


def test_late_events_still_land_in_the_lake() -> None:
    assert at(take(intake(), 1000, 1).landed) == [1000, 1]


def test_lateness_is_measured_across_batches() -> None:
    partition = intake()
    take(partition, 1000)
    assert at(take(partition, 899, 900).events) == [900]


def test_the_first_event_is_never_late() -> None:
    assert at(take(intake(), 5).events) == [5]


@pytest.mark.parametrize(
    ("given", "now"),
    [
        pytest.param({"times": ()}, None, id="nothing is known yet"),
        pytest.param({"times": (500, 400)}, 501, id="an event is inside one microsecond after it"),
        pytest.param({"times": (500,), "tick": 800}, 800, id="a tick"),
        pytest.param({"times": (500,), "tick": 100}, 501, id="a tick that is behind"),
        pytest.param({"times": (), "clock": 900}, 900, id="the clock, for an idle partition"),
    ],
)
def test_time_is_the_latest_that_is_known(given: dict[str, Any], now: int | None) -> None:
    assert take(intake(), *given.pop("times"), **given).now == now


def test_an_event_that_is_known_later_moves_time_further() -> None:
    assert take(intake(KNOWN), 500).now == 500 + KNOWN + 1


def test_time_never_goes_back() -> None:
    partition = intake()
    take(partition, 500, tick=800)
    assert take(partition, 600).now == 800


def test_rejected_events_do_not_move_time() -> None:
    partition = intake()
    batch = partition.take(Entries([b'{"id": 1, "at": "2999-01-01T00:00:00Z"}'], None, "1", 1))
    assert (batch.now, [told.reason for told in batch.rejected]) == (None, ["user is missing"])
