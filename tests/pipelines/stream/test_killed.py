"""The stream on a real broker: a view keyed by another entity than the topic, on several workers, killed and started again."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.transport.kafka_topics import KafkaTopics
from pipelines.stream.transport.redis_streams import RedisStreams

pytestmark = pytest.mark.slow
MINUTE = 60_000_000
END = 60 * MINUTE
SCRIPT = Path(__file__).with_name("run_flow.py")


def view_of(topic: str, folder: Path) -> ViewPlan:
    spec = importlib.util.spec_from_file_location("run_flow", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plan: ViewPlan = module.view_of(topic, folder)
    return plan


def make_events(count: int = 3_000) -> list[dict[str, Any]]:
    """An hour of seven users and nine items, up to two minutes out of order."""
    random = np.random.default_rng(3)
    at = np.sort(random.integers(0, END, count)) - random.integers(0, 2 * MINUTE, count)
    return [
        {
            "id": number,
            "at": max(int(t), 0),
            "user": f"user {int(random.integers(0, 7))}",
            "item": f"item {int(random.integers(0, 9))}",
            "money": float(random.integers(0, 64)) / 8,
        }
        for number, t in enumerate(at)
    ]


def said(folder: Path) -> list[dict[str, Any]]:
    file = folder / "rows.jsonl"
    return (
        [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if file.is_file()
        else []
    )


def newest(folder: Path) -> dict[str, tuple[float, int]]:
    rows: dict[str, tuple[int, float, int]] = {}
    for line in said(folder):
        for user, t, total, events in line["rows"]:
            if user not in rows or t >= rows[user][0]:
                rows[user] = t, total, events
    return {user: (total, events) for user, (_, total, events) in rows.items()}


def complete(folder: Path, t: int) -> bool:
    reached = {line["shard"] for line in said(folder) if line["frontier"] >= t}
    return reached == {0, 1, 2}


def wanted(events: list[dict[str, Any]], plan: ViewPlan, t: int) -> dict[str, tuple[float, int]]:
    by_user: dict[str, list[reference.Event]] = {}
    for event in events:
        by_user.setdefault(event["user"], []).append(reference.Event(event["at"], event["id"], event))
    return {
        user: tuple(reference.value_at(feature, reference.distinct(mine), t) for feature in plan.features)  # type: ignore[misc]
        for user, mine in by_user.items()
    }


def start(address: str, topic: str, folder: Path, workers: int) -> subprocess.Popen[bytes]:
    log = (folder / "log.txt").open("ab")
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), address, topic, str(folder), str(workers)], stdout=log, stderr=log
    )


def wait(until: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert process.poll() is None, (folder / "log.txt").read_text()[-3_000:]
        assert time.monotonic() < deadline, (folder / "log.txt").read_text()[-3_000:]
        time.sleep(0.02)


def landed(folder: Path) -> set[int]:
    """Return the ids of the events in the lake, which is written once an epoch."""
    files = (folder / "lake").glob("date=*/*.parquet")
    return {number for file in files for number in pq.read_table(file, columns=["id"])["id"].to_pylist()}


@pytest.fixture(params=["kafka", "redis"])
def broker(request: pytest.FixtureRequest) -> KafkaTopics | RedisStreams:
    """A broker of each kind."""
    if request.param == "kafka":
        return KafkaTopics(request.getfixturevalue("kafka").address)
    return RedisStreams(request.getfixturevalue("redis_server").url)


def test_a_killed_stream_goes_on_and_every_user_has_what_the_reference_says(
    broker: KafkaTopics | RedisStreams, tmp_path: Path
) -> None:
    topic = f"payments-{uuid.uuid4().hex}"
    plan, events = view_of(topic, tmp_path), make_events()
    address = broker.address if isinstance(broker, KafkaTopics) else broker.url

    def publish(part: list[dict[str, Any]]) -> None:
        broker.publish(plan.table, pa.Table.from_pylist(part, schema=plan.table.schema()))

    third = len(events) // 3
    publish(events[:third])
    process = start(address, topic, tmp_path, workers=2)
    try:
        broker.tick(topic, 20 * MINUTE)
        wait(lambda: complete(tmp_path, 20 * MINUTE), process, tmp_path)
        publish(events[third : 2 * third])  # these are on their way
        process.kill()
        process.wait()
        publish(events[2 * third :])
        broker.tick(topic, END)
        process = start(address, topic, tmp_path, workers=1)  # workers may change over a restart
        wait(lambda: complete(tmp_path, END), process, tmp_path)
        assert newest(tmp_path) == wanted(events, plan, END)
        wait(lambda: len(landed(tmp_path)) == len({event["id"] for event in events}), process, tmp_path)
        lag = broker.measure(topic)
        assert all(one.lost == "" for one in lag.values())
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "dead").exists()
