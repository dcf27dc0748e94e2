"""Publishes a run's events in the order in which they become known."""

from __future__ import annotations

from dataclasses import dataclass

from commands.loop.events import Events
from commands.loop.history import History
from pipelines.stream.sinks import land_events
from pipelines.stream.transport.base import EventPublisher


@dataclass(slots=True)
class Feed:
    """Publishes topics, and lands the tables that no view streams.

    Attributes:
        publisher: Where to.
        history: The events.
        at: The instant, microseconds, up to which all that is known has been published.
        sent: Events published so far.
    """

    publisher: EventPublisher
    history: History
    at: int
    sent: int = 0

    def publish_until(self, t: int) -> int:
        """Publish what becomes known in `at <= time < t` and tick all partitions; return how many events that were."""
        sent = 0
        for name, source in self.history.sources.items():
            known = self.history.known_between(name, self.at, t)
            if source.table.topic:
                sent += self.publisher.publish(source.table, known)
            elif len(known):
                land_events(known, source.table.lake, source.table.timestamp)
        for source in self.history.sources.values():
            if source.table.topic:
                self.publisher.tick(source.table.topic, t)
        self.at = t
        self.sent += sent
        return sent

    def remember(self, day: Events) -> None:
        """Add a live day to the history, so that its labels come when they are known."""
        self.history = self.history.with_day(day)
