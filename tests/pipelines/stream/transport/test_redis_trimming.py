"""What a topic in Redis drops, and what its reader says when something is gone that it has not read."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from pipelines.plan import EventTable
from pipelines.semantics.reference import Event
from pipelines.stream.transport import redis_streams
from pipelines.stream.transport.base import LostEventsError, TransportUnavailable
from pipelines.stream.transport.redis_streams import RedisStreams
from workspace.redis_server import start_redis

BLANK = {"money": 1.5, "whole": None, "word": None, "flag": None}
STREAM = "events:events:0"
KEEP = 1_000


@pytest.fixture
def client(url: str) -> Any:
    made = redis.Redis.from_url(url)
    made.flushall()
    return made


@pytest.fixture
def broker(url: str, client: Any) -> RedisStreams:
    return RedisStreams(url, wanted=1, keep=KEEP)


def publish(lab: Any, broker: RedisStreams, table: EventTable, count: int) -> None:
    broker.publish(table, lab.table([("a", Event(n, n, BLANK)) for n in range(count)]))


def test_what_the_reader_has_not_read_is_not_dropped_however_much_it_is(
    lab: Any, client: Any, broker: RedisStreams, table: EventTable
) -> None:
    broker.read("events", 0, "0", 10)
    for _ in range(4):
        publish(lab, broker, table, KEEP)
    assert client.xlen(STREAM) == 4 * KEEP
    assert broker.measure("events")[0].unread == 4 * KEEP


def test_what_a_restart_may_still_read_is_not_dropped(
    lab: Any, client: Any, broker: RedisStreams, table: EventTable
) -> None:
    broker.read("events", 0, "0", 10)
    publish(lab, broker, table, 3 * KEEP)
    half = broker.read("events", 0, "0", 1_500).offset
    all_read = broker.read("events", 0, half, 10_000).offset
    broker.read("events", 0, all_read, 1)
    broker.retain("events", 0, half)
    publish(lab, broker, table, 200)
    assert broker.read("events", 0, half, 10_000).count == 1_700
    assert client.xlen(STREAM) < 1_700 + 200, "what is before is dropped, but for a few"


def test_of_what_is_not_needed_a_topic_keeps_about_so_many(
    lab: Any, client: Any, broker: RedisStreams, table: EventTable
) -> None:
    offset = "0"
    for _ in range(8):
        publish(lab, broker, table, 500)
        offset = broker.read("events", 0, offset, 10_000).offset
        broker.retain("events", 0, offset)
    assert KEEP <= client.xlen(STREAM) <= KEEP + 500 + 200
    assert broker.measure("events")[0].lost == ""


def test_what_is_dropped_before_any_stream_read_it_is_told(
    lab: Any, client: Any, broker: RedisStreams, table: EventTable
) -> None:
    for _ in range(4):
        publish(lab, broker, table, KEEP)
    assert client.xlen(STREAM) <= KEEP + 300
    state = broker.measure("events")[0]
    assert state.lost.endswith("UTC were dropped before any stream read them")
    assert (state.behind, state.unread) == (None, None)


def test_a_full_server_is_named_with_what_to_do(lab: Any, table: EventTable) -> None:
    with start_redis(options=("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")) as server:
        broker = RedisStreams(server.url, wanted=1)
        first = broker.read("events", 0, "0", 10)
        with pytest.raises(TransportUnavailable, match=r"is full .*; start the stream that reads it, or give it more"):
            publish(lab, broker, table, 40 * KEEP)
        read = broker.read("events", 0, first.offset, 10)
        assert read.count == 10, "reading goes on, though no notes are taken"
        broker.retain("events", 0, read.offset)


#  trimmed from outside while the reader is at entry 4:
#
#      entries   1 2 3 [4] 5 6 7 8 9
#      left            [4] 5 ...       all that it needs is there
#      left                    7 8 9   5 and 6 are lost
#
@pytest.fixture
def at_four(client: Any, broker: RedisStreams) -> str:
    """The offset of a reader that has read four of nine entries."""
    for number in range(9):
        client.xadd(STREAM, {"event": b"x"}, id=f"{1_772_366_400_000 + number}-0")
    offset = broker.read("events", 0, "0", 4).offset
    broker.read("events", 0, offset, 1)
    return offset


def test_a_trim_up_to_what_was_read_loses_nothing(client: Any, broker: RedisStreams, at_four: str) -> None:
    client.xtrim(STREAM, minid=at_four, approximate=False)
    assert broker.read("events", 0, at_four, 100).count == 5


def test_a_trim_past_the_reader_names_what_was_lost_and_how_to_mend_it(
    client: Any, broker: RedisStreams, at_four: str
) -> None:
    client.xtrim(STREAM, maxlen=3, approximate=False)
    with pytest.raises(LostEventsError) as raised:
        broker.read("events", 0, at_four, 100)
    told = str(raised.value)
    assert "topic events, partition 0 at redis://" in told
    assert "entries after 1772366400003-0 (2026-03-01 12:00:00 UTC) up to 177236640000" in told
    assert "then run `make backfill`, and start the stream with FRESH=1." in told


@pytest.mark.parametrize("command", ["flushall", "delete"])
def test_a_server_that_restarted_empty_is_named(client: Any, broker: RedisStreams, at_four: str, command: str) -> None:
    client.flushall() if command == "flushall" else client.delete(STREAM)
    with pytest.raises(LostEventsError, match=r"it is empty now: restarted without its data, or deleted"):
        broker.read("events", 0, at_four, 100)
    client.xadd(STREAM, {"event": b"x"})
    with pytest.raises(LostEventsError, match=r"topic events, partition 0 at .* the first that is left is"):
        broker.read("events", 0, at_four, 100)


@pytest.mark.parametrize("restarted", [False, True], ids=["the stream goes on", "the stream was restarted as well"])
def test_an_older_copy_is_named(client: Any, broker: RedisStreams, at_four: str, restarted: bool) -> None:
    client.flushall()
    if restarted:
        redis_streams._NOTED.clear()
    client.xadd(STREAM, {"event": b"x"}, id="1772366400000-0")
    with pytest.raises(LostEventsError, match="it ends before: restarted without its data, or from an older copy"):
        broker.read("events", 0, at_four, 100)


def test_a_replica_that_lacks_what_was_read_from_its_master_is_read_on_from_its_end(
    client: Any, broker: RedisStreams, at_four: str
) -> None:
    entries = client.xrange(STREAM, count=2)
    client.delete(STREAM)
    for entry, fields in entries:
        client.xadd(STREAM, fields, id=entry)
    after = broker.read("events", 0, at_four, 100)
    assert (after.count, after.offset) == (0, "1772366400001-0")
    client.xadd(STREAM, {"event": b"new"}, id="1772366400002-5")
    assert broker.read("events", 0, after.offset, 100).payloads == [b"new"]


def test_an_entry_that_was_deleted_by_hand_loses_nothing(client: Any, broker: RedisStreams, at_four: str) -> None:
    client.xdel(STREAM, at_four)
    assert broker.read("events", 0, at_four, 100).count == 5
