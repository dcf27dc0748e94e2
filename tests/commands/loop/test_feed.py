"""The events of a run and their way into the broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.loop.feed import DELAY, Feed, History, TooShortError, load_history, times
from pipelines.batch.lake import DAY
from pipelines.plan import EventTable
from simulator.generator import generate
from simulator.world import World

WORLD = World(customers=20, terminals=30, days=40)
COLUMNS = (
    ("transaction_id", "bigint"),
    ("event_timestamp", "timestamp"),
    ("customer_id", "bigint"),
    ("terminal_id", "bigint"),
    ("amount", "double"),
)
TRANSACTIONS = EventTable("transactions", "/", "event_timestamp", "transaction_id", "transactions", columns=COLUMNS)
LABELS = EventTable(
    "labels", "/", "event_timestamp", "transaction_id", "labels", columns=(*COLUMNS, ("is_fraud", "bigint"))
)


@dataclass
class RecordingBroker:
    """Keeps what it is given."""

    partitions: int = 1
    sent: dict[str, list[int]] = field(default_factory=lambda: {"transactions": [], "labels": []})
    ticks: list[tuple[str, int]] = field(default_factory=list)

    def publish(self, table: EventTable, events: pa.Table) -> int:
        self.sent[table.name] += times(events).tolist()
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        self.ticks.append((topic, t))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    file = tmp_path_factory.mktemp("events") / "events.parquet"
    pq.write_table(generate(WORLD), file)
    return load_history(file, stream_days=2)


def test_history_streamed_and_live_days_are_whole_and_follow_each_other(history: History) -> None:
    at = times(history.events)
    assert history.cut % DAY == 0
    assert (history.live - history.cut, at[-1] < history.live + DAY, at[-1] >= history.live) == (2 * DAY, True, True)


def test_each_label_comes_seven_days_after_its_transaction(history: History) -> None:
    broker = RecordingBroker()
    feed = Feed(broker, TRANSACTIONS, LABELS, history, history.cut)  # type: ignore[arg-type]
    for t in (history.cut + DAY // 3, history.cut + DAY):
        feed.publish_until(t)
    at = times(history.events)
    assert broker.sent["transactions"] == at[(at >= history.cut) & (at < history.cut + DAY)].tolist()
    known = (at >= history.cut - DELAY) & (at < history.cut + DAY - DELAY)
    assert broker.sent["labels"] == at[known].tolist()
    assert broker.ticks[-2:] == [("transactions", history.cut + DAY), ("labels", history.cut + DAY)]


def test_the_lake_holds_no_label_that_is_not_known_at_the_cut(history: History, tmp_path: Path) -> None:
    history.land(tmp_path)
    for table, until in (("transactions", history.cut), ("fraud_labels", history.cut - DELAY)):
        landed = times(pq.read_table(tmp_path / table))
        at = times(history.events)
        assert sorted(landed.tolist()) == at[at < until].tolist()


def test_a_file_of_a_few_days_is_refused(tmp_path: Path) -> None:
    pq.write_table(generate(World(customers=20, terminals=30, days=5)), tmp_path / "short.parquet")
    with pytest.raises(TooShortError, match="span 5 days; give at least 32"):
        load_history(tmp_path / "short.parquet", stream_days=3)
