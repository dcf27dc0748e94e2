"""What an entity costs in Redis, by the number and type of its features: bytes, and time of the server and of the client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import redis

from stores.cells.layout import ViewLayout
from stores.online import ViewReader
from stores.redis import monotonic
from stores.redis.store import RedisSettings, open_room
from workspace.redis_server import start_redis

T: Final = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
BATCH: Final = 100
"""Entities a read."""

TYPES: Final[dict[str, str]] = {
    "DOUBLE": "normal",
    "INT64": "counts below 1,000",
    "STRING": "12 letters",
    "DOUBLE_LIST": "10 numbers",
}
"""The value types that are measured, with what is in them."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one entity costs, of one view.

    Attributes:
        usage: Bytes by MEMORY USAGE: key and hash.
        held: Bytes that the server's memory grew by.
        write_us: Microseconds of the server to write its row over an older one, many rows a call.
        write_alone_us: The same, one row a call, as in a cluster: rows of a call share a hash slot there.
        write_client_us: Microseconds of the client to write it.
        read_us: Microseconds of the server to read it, in batches.
        read_client_us: Microseconds of the client to read it.
        write_bytes: Bytes sent to write it.
        read_bytes: Bytes sent and received to read it.
    """

    usage: float
    held: float
    write_us: float
    write_alone_us: float
    write_client_us: float
    read_us: float
    read_client_us: float
    write_bytes: float
    read_bytes: float


def layout_of(features: int, value_type: str) -> ViewLayout:
    """Return a view of so many features of one type, by an integer."""
    return ViewLayout("bench", "view", (("entity", "INT64"),), tuple((f"f{i}", value_type) for i in range(features)))


def build_table(layout: ViewLayout, entities: int, when: int) -> pa.Table:
    """Make a row of each entity."""
    random = np.random.default_rng(entities)
    values: dict[str, Callable[[], Any]] = {
        "DOUBLE": lambda: random.normal(size=entities),
        "INT64": lambda: random.integers(0, 1000, entities),
        "STRING": lambda: [f"word {number:07d}" for number in random.integers(0, 1_000_000, entities)],
        "DOUBLE_LIST": lambda: pa.FixedSizeListArray.from_arrays(random.normal(size=10 * entities), 10).cast(
            pa.list_(pa.float64())
        ),
    }
    columns = {name: values[value_type]() for name, value_type in layout.features}
    times = pa.array(np.full(entities, when), pa.timestamp("us", tz="UTC"))
    return pa.table({"entity": np.arange(entities) + 10_000_000, **columns, "event_timestamp": times})


def measure(features: int, value_type: str, entities: int = 5_000) -> Costs:
    """Write and read entities on a Redis of their own."""
    layout = layout_of(features, value_type)
    with start_redis() as server:
        client = redis.Redis(port=server.port)
        room = open_room(RedisSettings(server.connection_string, "redis", "", None))
        writer, reader = room.writer(layout), room.reader([layout])
        empty = _memory(client)
        writer.write(build_table(layout, entities, T), "event_timestamp")
        held = (_memory(client) - empty) / entities
        keys: Any = client.scan(count=200)[1]
        usage = float(np.mean([client.memory_usage(key, samples=0) for key in keys]))  # type: ignore[arg-type]
        newer = [build_table(layout, entities, T + minute * 60_000_000) for minute in (1, 2)]
        spent = _timed(client, entities, lambda: writer.write(newer[0], "event_timestamp"))
        with _one_row_a_call():
            alone = _timed(client, entities, lambda: writer.write(newer[1], "event_timestamp"))
        read = _timed(client, entities, lambda: _read_all(reader, entities))
        client.close()
    return Costs(usage, held, spent.server, alone.server, spent.client, read.server, read.client, spent.sent, read.both)


@dataclass(frozen=True, slots=True)
class _Spent:
    server: float
    client: float
    sent: float
    both: float


def _timed(client: Any, entities: int, work: Callable[[], object]) -> _Spent:
    """Return microseconds of CPU and bytes an entity."""
    before, cpu = client.info(), time.process_time()
    work()
    cpu, after = time.process_time() - cpu, client.info()

    def more(*names: str) -> float:
        return sum(float(after[name]) - float(before[name]) for name in names) / entities

    server = more("used_cpu_user", "used_cpu_sys")
    sent, received = more("total_net_input_bytes"), more("total_net_output_bytes")
    return _Spent(server * 1e6, cpu / entities * 1e6, sent, sent + received)


def _read_all(reader: ViewReader, entities: int) -> None:
    order = np.random.default_rng(2).permutation(entities) + 10_000_000
    for start in range(0, entities, BATCH):
        reader.read({"entity": order[start : start + BATCH]}, T)


@contextmanager
def _one_row_a_call() -> Iterator[None]:
    before = monotonic.ROWS_PER_CALL
    monotonic.ROWS_PER_CALL = 1
    try:
        yield
    finally:
        monotonic.ROWS_PER_CALL = before


def _memory(client: Any) -> float:
    return float(client.info("memory")["used_memory"])
