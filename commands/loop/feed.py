"""The events of a run: which are history, which are streamed, and which are live; and their way into the broker.

This is the shipped example's own: it knows that a transaction has a label and that the label comes seven days later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.batch.lake import DAY, EPOCH
from pipelines.plan import EventTable
from pipelines.stream.transport.redis_streams import RedisBroker
from simulator.events_file import read_events
from simulator.generator import generate, next_days
from simulator.lake import LABEL_DELAY, write_lake
from simulator.world import World

DELAY = LABEL_DELAY // timedelta(microseconds=1)


class TooShortError(ValueError):
    """The events do not span enough days."""


@dataclass(frozen=True, slots=True)
class History:
    """The events of a run, by time.

    Attributes:
        events: All of them, by (event time, id).
        cut: Midnight, microseconds: before it is history, for the batch layer; from it on events are streamed.
        live: Midnight, microseconds: from it on events are scored before they are streamed.
        world: The simulated world that can go on for ever; None when the events came from a file.
    """

    events: pa.Table
    cut: int
    live: int
    world: World | None

    @property
    def start(self) -> int:
        """Return the midnight, microseconds, before the first event."""
        first = int(self.events["event_timestamp"][0].value)
        return first - first % DAY

    @property
    def days(self) -> int:
        """Return how many days there are, the live one included."""
        return (self.live - self.start) // DAY + 1

    def between(self, start: int, stop: int) -> pa.Table:
        """Return the events with `start <= event time < stop`, microseconds."""
        lo, hi = np.searchsorted(times(self.events), (start, stop))
        return self.events.slice(lo, hi - lo)

    def land(self, lake: Path) -> None:
        """Write the history into the lake: transactions before the cut, and the labels known by then."""
        until = EPOCH + timedelta(microseconds=self.cut)
        write_lake(self.events, lake, until=until, labels_until=until - LABEL_DELAY)

    def days_after(self) -> Iterator[pa.Table]:
        """Yield live events, a day at a time: the rest of the file, or the simulated world without end."""
        yield self.between(self.live, self.live + 366 * DAY)
        if self.world is not None:
            yield from next_days(self.world, self.world.days)


def load_history(file: Path | None, stream_days: int) -> History:
    """Read the events file, or simulate; keep the last day for live traffic and `stream_days` before it to stream.

    Raises:
        EventsFileError: The file is not one of transactions.
        TooShortError: It spans too few days.
    """
    world = None if file else World()
    events = read_events(file) if file else generate(world or World())
    events = events.sort_by([("event_timestamp", "ascending"), ("transaction_id", "ascending")]).combine_chunks()
    at = times(events)
    end = int(at[-1]) - int(at[-1]) % DAY + DAY
    live = end - DAY
    cut = live - stream_days * DAY
    start = int(at[0]) - int(at[0]) % DAY
    if cut - start < 28 * DAY:
        raise TooShortError(
            f"the events span {(end - start) // DAY} days; give at least {29 + stream_days}: 28 of history,"
            f" {stream_days} to stream and one for live traffic."
        )
    return History(events, cut, live, world)


@dataclass(slots=True)
class Feed:
    """Publishes events, and the labels that become known meanwhile, in the order of time.

    Attributes:
        broker: Where to.
        transactions: The table of transactions.
        labels: The table of labels.
        history: Where labels of the past come from.
        at: The instant, microseconds, up to which everything has been published.
        sent: Events published so far, labels included.
    """

    broker: RedisBroker
    transactions: EventTable
    labels: EventTable
    history: History
    at: int
    sent: int = 0

    def publish_until(self, t: int) -> int:
        """Publish what happens in `at <= time < t` and tick all partitions; return how many events that were."""
        transactions = self.history.between(self.at, t).select(self.transactions.schema().names)
        sent = self.broker.publish(self.transactions, transactions)
        sent += self._publish_labels(self.at - DELAY, t - DELAY)
        self.tick(t)
        self.sent += sent
        return sent

    def remember(self, events: pa.Table) -> None:
        """Add live events to the history, so that their labels come when they are known."""
        self.history = replace(self.history, events=pa.concat_tables([self.history.events, events]).combine_chunks())

    def tick(self, t: int) -> None:
        """Say that it is `t`."""
        self.broker.tick(self.transactions.topic or "", t)
        self.broker.tick(self.labels.topic or "", t)
        self.at = t

    def _publish_labels(self, start: int, stop: int) -> int:
        known = self.history.between(start, stop)
        column = pc.cast(known["is_fraud"], pa.int64())
        known = known.set_column(known.schema.get_field_index("is_fraud"), "is_fraud", column)
        return self.broker.publish(self.labels, known.select(self.labels.schema().names))


def times(events: pa.Table) -> np.ndarray:
    """Return the event times, int64 microseconds since the epoch."""
    return pc.cast(events["event_timestamp"], pa.int64()).to_numpy()


def instant(t: int) -> datetime:
    """Return a time in microseconds as a datetime, UTC."""
    return (EPOCH + timedelta(microseconds=t)).astimezone(UTC)
