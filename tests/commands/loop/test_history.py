"""What is history, what is streamed, what is live; and what of it is known when."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.event_tables import Source
from commands.loop.events import EventsError, Simulation, event_times
from commands.loop.feed import Feed
from commands.loop.history import History, build_history
from pipelines.batch.lake import DAY, micros
from pipelines.plan import EventTable


@dataclass
class RecordingPublisher:
    """Keeps what it is given."""

    sent: list[str] = field(default_factory=list)
    ticks: list[tuple[str, int]] = field(default_factory=list)

    def publish(self, table: EventTable, events: pa.Table) -> int:
        self.sent += events[table.event_id].to_pylist()
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        self.ticks.append((topic, t))


@pytest.fixture
def history(sources: list[Source], simulation: Simulation) -> History:
    return build_history(sources, simulation.history(), stream_days=2, least_days=5, simulation=simulation)


def test_history_streamed_and_live_days_are_whole_and_follow_each_other(history: History) -> None:
    assert (history.start, history.cut, history.live) == tuple(map(micros, ("2026-01-01", "2026-01-08", "2026-01-10")))
    assert history.days == 10


def test_the_lake_holds_only_what_is_known_at_the_cut(history: History, tmp_path: Path) -> None:
    history.land()
    history.land()  # again: the days are replaced
    landed = {name: pq.read_table(tmp_path / name) for name in ("orders", "returns")}
    assert max(event_times(landed["orders"], history.sources["orders"])) == micros("2026-01-08") - DAY // 10
    assert max(event_times(landed["returns"], history.sources["returns"])) == micros("2026-01-06") - DAY // 10
    assert (len(landed["orders"]), len(landed["returns"])) == (70, 50)


def test_each_event_is_sent_or_landed_when_it_becomes_known(history: History, tmp_path: Path) -> None:
    publisher = RecordingPublisher()
    feed = Feed(publisher, history, history.cut)
    noon = history.cut + DAY // 2
    assert [feed.publish_until(noon), feed.publish_until(history.cut + DAY)] == [5, 5]
    assert publisher.sent == [f"o7-{position}" for position in range(10)]
    assert publisher.ticks == [("orders", noon), ("orders", history.cut + DAY)]
    assert sorted(pq.read_table(tmp_path / "returns")["order_id"].to_pylist()) == [f"o5-{n}" for n in range(10)]


def test_live_days_go_on_and_their_labels_come_when_they_are_known(history: History) -> None:
    days = history.live_days()
    assert next(days)["orders"]["order_id"][0].as_py() == "o9-0"
    tomorrow = next(days)
    assert tomorrow["orders"]["order_id"][0].as_py() == "o10-0"
    later = history.with_day(tomorrow)
    known = later.known_between("returns", micros("2026-01-13"), micros("2026-01-14"))
    assert known["order_id"].to_pylist() == [f"o10-{n}" for n in range(10)]


def test_too_few_days_are_refused_with_how_many_are_needed(sources: list[Source], simulation: Simulation) -> None:
    with pytest.raises(EventsError, match="span 10 days; give at least 24: 21 of history, 2 to stream"):
        build_history(sources, simulation.history(), stream_days=2, least_days=21)
