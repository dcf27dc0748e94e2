"""A stage for faults: a broker, an online store, a replay made here, and `make stream` as a process that may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
import yaml

from benchmarks.engine import START, table
from commands.apply import apply
from commands.plan import read_plans
from pipelines.plan import ViewPlan
from pipelines.stream.transport.open import open_publisher
from pipelines.stream.transport.redis_streams import RedisStreams
from stores.online import OnlineStoreUnavailable, open_online
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import BROKER, Workspace, open_store

PATIENCE = 120.0
DAYS = 10
DAY = 86_400_000_000
State = dict[bytes, dict[bytes, bytes]]


class FaultError(RuntimeError):
    """A stream that ended, or did not become well."""


@dataclass
class Stage:
    """One run of the replay.

    Attributes:
        workspace: Where the stream's data is.
        plans: Its views.
        online: The server of the online store, which a fault may replace.
        broker: The server of the topics.
        steps: The instants, microseconds, up to which events are published, one after the other.
        environment: More variables for the stream.
        process: The stream, while it runs.
        outages: Seconds that it took until all was well again, each time that it was waited for.
        times: How often the fault was caused, where that is more often.
        at: How many steps have been published.
    """

    workspace: Workspace
    plans: list[ViewPlan]
    store: Any
    online: RedisServer
    broker: RedisServer
    replay: dict[str, pa.Table]
    steps: list[int]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    outages: list[float] = field(default_factory=list)
    times: int = 0
    at: int = 0

    @property
    def log(self) -> Path:
        """Return the file that the stream prints to."""
        return self.workspace.data / "stream.log"

    def start(self, **settings: str) -> None:
        """Start the stream; it goes on from where it was."""
        env = os.environ | self.workspace.environment() | self.environment | settings
        env |= {"CLOCK": "event", "EPOCH_SECONDS": "0.5", "PYTHONWARNINGS": "ignore"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "commands", "stream"], env=env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill it, as it stands."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def publish(self) -> bool:
        """Publish the next step of the replay and its tick; return whether there was one."""
        if self.at + 1 >= len(self.steps):
            return False
        first, until = self.steps[self.at], self.steps[self.at + 1]
        publisher = open_publisher(self.broker.url)
        for plan in self.tables():
            events, known = self.replay[plan.table.name], plan.table.known_after
            ts = events[plan.table.timestamp].cast(pa.int64()).to_numpy() + known
            publisher.publish(plan.table, events.filter(pa.array((ts >= first) & (ts < until))))
            publisher.tick(str(plan.table.topic), until)
        self.at += 1
        return True

    def tables(self) -> list[ViewPlan]:
        """Return a plan of each topic."""
        return list({plan.table.topic: plan for plan in self.plans}.values())

    def complete(self) -> bool:
        """Say whether all that was published has gone into all views, and is stored."""
        with suppress(OnlineStoreUnavailable, redis.RedisError):
            progress = open_online(self.store.config, timeout_s=1.0).progress(self.store.config.project).read()
            return (progress.complete or 0) >= self.steps[self.at]
        return False

    def wait(self, until: Callable[[], object], patience: float = PATIENCE) -> float:
        """Wait, and return how many seconds it took.

        Raises:
            FaultError: The stream ended, or it takes too long.
        """
        began = time.monotonic()
        while not until():
            if self.process is not None and self.process.poll() is not None:
                raise FaultError(f"the stream ended: {self.log.read_text()[-1500:]}")
            if time.monotonic() - began > patience:
                raise FaultError(f"not well after {patience:.0f} s: {self.log.read_text()[-1500:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def finish(self) -> State:
        """Publish what is left, wait until it is stored and landed, stop the stream, and return all rows of the online store.

        Raises:
            FaultError: It does not come, or the lake lacks events.
        """
        while self.publish():
            pass
        self.wait(self.complete)
        self.wait(lambda: not self.missing())
        self.kill()
        return self.rows()

    def rows(self) -> State:
        """Return what the online store holds of entities."""
        client = redis.Redis.from_url(self.online.url)
        keys = sorted(key for key in client.scan_iter(count=10_000) if not key.startswith(b"millrace:"))
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(key)
        return dict(zip(keys, pipe.execute(), strict=True))

    def missing(self) -> int:
        """Return how many events that were published are not in the lake."""
        lacking = 0
        for plan in self.tables():
            events, name = self.replay[plan.table.name], plan.table.event_id
            ts = events[plan.table.timestamp].cast(pa.int64()).to_numpy() + plan.table.known_after
            sent = events.filter(pa.array(ts < self.steps[self.at]))[name].to_pylist()
            files = Path(plan.table.lake).glob("date=*/[!.]*.parquet")
            landed = {one for file in files for one in pq.ParquetFile(file).read([name])[name].to_pylist()}
            lacking += len(set(sent) - landed)
        return lacking


@contextmanager
def open_stage(
    repo: Path, data: Path, events: int, steps: int, options: dict[str, Any] | None = None, port: int | None = None
) -> Iterator[Stage]:
    """Make a stage in an empty folder; `options` are of the online store, which else is a server of its own at `port`."""
    data.mkdir(parents=True)
    with start_redis(port) as online, start_redis() as broker:
        settings = yaml.safe_load((repo / "feature_store.yaml").read_text())
        settings["registry"] = str(data / "registry.db")
        settings["online_store"] |= {"connection_string": online.connection_string, "clock": "stream"} | (options or {})
        (data / "feature_store.yaml").write_text(yaml.safe_dump(settings))
        (data / BROKER).write_text(broker.url)
        workspace = Workspace(repo, data, data / "feature_store.yaml")
        os.environ.update(workspace.environment(), MILLRACE_BROKER=broker.url)
        apply(workspace)
        plans = [plan for plan in read_plans(workspace) if plan.kind == "stream"]
        store = open_store(workspace)
        for plan in plans:
            RedisStreams(broker.url, wanted=2).partitions(str(plan.table.topic))
        end = START + DAYS * DAY
        at = [int(t) for t in np.linspace(START, end, steps + 1)]
        stage = Stage(workspace, plans, store, online, broker, make_replay(plans, events), at, {"COLD": "1"})
        try:
            yield stage
        finally:
            stage.kill()
            stage.online.stop()
            stage.broker.stop()


def make_replay(plans: list[ViewPlan], count: int) -> dict[str, pa.Table]:
    """Return the events of each topic as they are sent: ten days, some out of order, a twentieth twice."""
    random = np.random.default_rng(11)
    replay = {}
    for plan in {plan.table.topic: plan for plan in plans}.values():
        ts = START + np.sort(random.integers(0, DAYS * DAY, count))
        events = table(plan, random.integers(0, max(count // 40, 1), count), ts, random)
        moved = ts + random.integers(0, max(plan.table.lateness, 1), count) * (random.random(count) < 0.1)
        order = np.argsort(moved, kind="stable")
        twice = np.sort(np.concatenate([order.argsort(), order.argsort()[random.random(count) < 0.05]]))
        replay[plan.table.name] = events.take(pa.array(order)).take(pa.array(twice))
    return replay
