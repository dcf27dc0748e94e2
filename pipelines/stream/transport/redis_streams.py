"""Redis Streams as a transport: one stream a partition of a topic.

The number of a topic's partitions is kept in Redis, set when the topic is first used, so that whoever reads or publishes
knows the same one. An entry has one field, `event` or `tick`. Beside the streams of a topic lie hashes by partition: `taken`
(what its reader has read), `retained` (from where it may read again), `dropped` (what was trimmed before anybody read it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.base import (
    DEFAULT_PARTITIONS,
    Entries,
    PartitionState,
    TransportError,
)
from pipelines.stream.transport.decoding import encode_for
from pipelines.stream.transport.redis_bell import bell_of
from pipelines.stream.transport.redis_client import answering, shown
from pipelines.stream.transport.redis_position import Place, entry_of, resume
from pipelines.stream.transport.rejected import Rejected

_AT_ONCE: Final = 10_000  # entries a round trip
_OUR_TIME: Final = 1_000_000_000_000  # ids are milliseconds since 1970; smaller ones were made up by a producer
_DIGITS: Final = 13  # of a time of ours, until the year 2286

Entry = tuple[bytes, Sequence[bytes]]
"""An id, and fields and values in turn."""

# Drops the oldest entries beyond `keep`, but none that the known reader may still read. Without one, says what it dropped.
_TRIM: Final = """
local excess = redis.call('XLEN', KEYS[1]) - tonumber(ARGV[2])
if excess < 100 then return 0 end
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(excess, 10000))
local cut = oldest[#oldest][1]
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-?(%d*)$')
  return tonumber(ms), tonumber(n) or 0
end
local kept = redis.call('HGET', KEYS[2], ARGV[1])
if kept then
  local cut_ms, cut_n = parts(cut)
  local ms, n = parts(kept)
  if ms < cut_ms or (ms == cut_ms and n < cut_n) then cut = kept end
end
local dropped = redis.call('XTRIM', KEYS[1], 'MINID', '~', cut)
if not kept and dropped > 0 then redis.call('HSET', KEYS[3], ARGV[1], cut) end
return dropped
"""


@dataclass(frozen=True)
class RedisStreams:
    """Redis Streams.

    Attributes:
        url: `redis://host:port/db`.
        wanted: Partitions that a topic must have; None takes those it has, and `DEFAULT_PARTITIONS` for a new one.
        keep: About how many entries a partition keeps. Older ones are dropped once its reader needs them no more; what it has
            not read stays, so a stream that stands still makes the topic grow.
    """

    url: str
    wanted: int | None = None
    keep: int = 2_000_000

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; a new one gets those that are wanted.

        Raises:
            TransportError: The topic has another number than is wanted.
            TransportUnavailable: Redis does not answer.
        """
        key = f"events:{topic}:partitions"
        with answering(self.url) as client:
            client.set(key, self.wanted or DEFAULT_PARTITIONS, nx=True)
            stored = int(client.get(key))
        if self.wanted is not None and stored != self.wanted:
            raise TransportError(
                f"topic {topic} at {shown(self.url)} has {stored} partitions, PARTITIONS={self.wanted} asks for others; leave"
                f" PARTITIONS out, or use a new topic: events of one key would change their partition."
            )
        return stored

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Append events to the partitions of their keys; within one, in the order given.

        Raises:
            TransportUnavailable: Redis does not answer, or is full.
        """
        if not len(events):
            return 0
        topic = table.topic_name
        partition = partition_of([events[table.partition_by or table.event_id]], self.partitions(topic)).tolist()
        payloads = encode_for(table, events)
        self._send(topic, [(place, b"event", event) for place, event in zip(partition, payloads, strict=True)])
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        """Append a tick to every partition.

        Raises:
            TransportUnavailable: Redis does not answer, or is full.
        """
        self._send(topic, [(place, b"tick", str(t).encode()) for place in range(self.partitions(topic))])

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return entries after an offset, and note that those up to it have been taken.

        Raises:
            TransportUnavailable: Redis does not answer.
            LostEventsError: Entries after the offset were dropped.
        """
        stream = _stream(topic, partition)
        with answering(self.url) as client:
            pipe = client.pipeline(transaction=False)
            pipe.xread({stream: offset}, count=most)
            pipe.xrange(stream, offset, offset)  # after the read: what is still there now was there then
            pipe.hexists(f"events:{topic}:taken", str(partition))
            if offset == "0" or _NOTED.get((self.url, stream)) != offset:
                pipe.hset(f"events:{topic}:taken", str(partition), offset)
                if offset == "0" or (self.url, stream) not in _NOTED:
                    pipe.hset(f"events:{topic}:retained", str(partition), offset)
            found, here, known, *noted = pipe.execute(raise_on_error=False)
            if isinstance(found, Exception):
                raise found
            if not any(isinstance(one, Exception) for one in noted):  # a replica, or a full server, takes no notes
                _NOTED[self.url, stream] = offset
            if offset != "0" and not here:
                place = Place(shown(self.url), topic, partition)
                after = resume(client, stream, offset, place, known=bool(known))
                if after != offset:
                    return Entries([], None, after, 0)
        return _entries_of(found[0][1] if found else [], offset)

    def has_news(self, topic: str, partition: int, offset: str) -> bool:
        """Say whether there may be entries after an offset, of a partition at which the last read found none."""
        return bell_of(self.url).has_news(_stream(topic, partition), offset)

    def retain(self, topic: str, partition: int, offset: str) -> None:
        """Note that a restart may go on from this offset; a server that takes no notes now is told later."""
        try:
            with answering(self.url) as client:
                client.hset(f"events:{topic}:retained", str(partition), offset)
        except OSError:
            return

    def lag(self, topic: str) -> dict[int, float]:
        """Return how far each partition's reader is behind its newest entry, seconds between their arrivals."""
        return {p: one.behind for p, one in self.measure(topic).items() if one.behind is not None}

    def measure(self, topic: str) -> dict[int, PartitionState]:
        """Return how each partition of a topic is.

        Raises:
            TransportUnavailable: Redis does not answer.
        """
        with answering(self.url) as client:
            partitions = range(int(client.get(f"events:{topic}:partitions") or 0))
            taken, dropped = (client.hgetall(f"events:{topic}:{name}") for name in ("taken", "dropped"))
            found = {}
            for partition in partitions:
                pipe = client.pipeline(transaction=False)
                stream, name = _stream(topic, partition), str(partition).encode()
                held, oldest, newest = pipe.xlen(stream).xrange(stream, count=1).xrevrange(stream, count=1).execute()
                found[partition] = _state(held, oldest, newest, taken.get(name), dropped.get(name))
        return found

    def _send(self, topic: str, entries: Sequence[tuple[int, bytes, bytes]]) -> None:
        streams = {partition: _stream(topic, partition) for partition in {place for place, _, _ in entries}}
        with answering(self.url) as client:
            for start in range(0, len(entries), _AT_ONCE):
                pipe = client.pipeline(transaction=False)
                part = entries[start : start + _AT_ONCE]
                for partition, field, value in part:
                    pipe.execute_command("XADD", streams[partition], "*", field, value)
                for partition in sorted({place for place, _, _ in part}):
                    beside = (f"events:{topic}:retained", f"events:{topic}:dropped")
                    pipe.eval(_TRIM, 3, streams[partition], *beside, partition, self.keep)
                pipe.execute()


_NOTED: dict[tuple[str, bytes], str] = {}
"""The offsets that this process has noted last: a partition that is idle has no news."""


def _stream(topic: str, partition: int) -> bytes:
    return f"events:{topic}:{partition}".encode()


def _entries_of(found: Sequence[Entry], offset: str) -> Entries:
    """Return what one read after an offset found."""
    payloads: list[bytes] = []
    at: list[bytes] = []
    ticks: list[tuple[int, int]] = []
    rejected: list[Rejected] = []
    for entry, fields in found:
        if fields[0] == b"event":
            payloads.append(fields[1])
            at.append(entry)
            continue
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        event, tick = named.get(b"event"), named.get(b"tick")
        if event is not None:
            payloads.append(event)
            at.append(entry)
        elif tick is not None and _is_number(tick):
            ticks.append((len(payloads), int(tick)))
        elif tick is not None:
            rejected.append(Rejected(tick, "a tick that is no number", "bad_tick", entry.decode()))
        else:
            text = b" ".join(fields)
            rejected.append(Rejected(text, "an entry without a field `event` or `tick`", "no_event", entry.decode()))
    return Entries(
        payloads,
        max((t for _, t in ticks), default=None),
        found[-1][0].decode() if found else offset,
        len(found),
        list(map(bytes.decode, at)),
        _arrived(at),
        ticks,
        rejected,
    )


def _is_number(text: bytes) -> bool:
    return 0 < len(text) <= 20 and text.isascii() and text.removeprefix(b"-").isdigit()


def _arrived(entries: Sequence[bytes]) -> Sequence[int]:
    """Return when entries came, microseconds; 0 where a producer made up an id."""
    if entries and all(entry[_DIGITS : _DIGITS + 1] == b"-" for entry in entries):
        times: Sequence[int] = np.array(entries, f"S{_DIGITS}").astype(np.int64) * 1000  # type: ignore[assignment]
        return times
    times = [int(entry.partition(b"-")[0]) for entry in entries]
    return [time * 1000 if time >= _OUR_TIME else 0 for time in times]


def _state(held: int, oldest: Any, newest: Any, taken: bytes | None, dropped: bytes | None) -> PartitionState:
    behind = unread = None
    if newest and taken is not None:
        read = oldest[0][0] if taken == b"0" else taken
        behind = max(0.0, (entry_of(newest[0][0])[0] - entry_of(read)[0]) / 1000)
        unread = held if taken == b"0" else 0 if entry_of(taken) >= entry_of(newest[0][0]) else None
    lost = ""
    if dropped is not None:
        until = datetime.fromtimestamp(entry_of(dropped)[0] / 1000, UTC)
        lost = f"entries up to {until:%Y-%m-%d %H:%M:%S} UTC were dropped before any stream read them"
    return PartitionState(held, unread, behind, lost)
