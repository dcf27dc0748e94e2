"""Runs the stream beside the loop, feeds it day by day, and notes what the online store says at some instants."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

from commands.loop.feed import Feed
from commands.loop.stream_process import GO
from pipelines.batch.lake import DAY
from pipelines.plan import ViewPlan
from stores.online import OnlineStore, open_online
from validation.consistency.parity import Captured, capture, sample_entities
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

PATIENCE = 600.0  # seconds that a stream may need to come to an instant


class StreamDiedError(RuntimeError):
    """The stream process ended, or does not get on."""


@dataclass
class LiveStream:
    """The stream in a process of its own, and what is known of it.

    Attributes:
        workspace: The workspace.
        plans: All plans.
        process: The process.
        lake: The events in the lake.
        held: Events that the lake held before the stream.
        captured: What the online store said at the instants looked at.
    """

    workspace: Workspace
    plans: Sequence[ViewPlan]
    process: subprocess.Popen[bytes]
    online: OnlineStore
    project: str
    lake: LakeCount
    held: int
    captured: list[Captured] = field(default_factory=list)

    def wait_until(self, t: int) -> None:
        """Wait until every shard of every stream view is complete up to `t` (microseconds).

        Raises:
            StreamDiedError: The process ended, or took too long.
        """
        progress = self.online.progress(self.project)
        self._wait(lambda: (progress.read().complete or 0) >= t, f"come to {t}")

    def wait_for_landing(self, feed: Feed) -> None:
        """Wait until all events that were fed are in the lake, where the daily batch job reads them.

        Raises:
            StreamDiedError: They do not come.
        """
        self._wait(lambda: self.lake.count() >= self.held + feed.sent, "land its events")

    @property
    def log(self) -> Path:
        """Return the file that the process prints to."""
        return self.workspace.data / "stream.log"

    def capture(self, store: FeatureStore, t: int, seed: int) -> int:
        """Note what the online store says of some entities of each view at `t`, and return how many values that are."""
        values = 0
        for plan in self.plans:
            entities = sample_entities(Path(plan.log), plan.keys, np.random.default_rng([seed, t % 2**32]))
            features = [feature.name for feature in plan.features]
            self.captured.append(capture(store, plan.view, features, entities, t))
            values += len(entities) * len(features)
        return values

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if self.process.poll() is not None:
                raise StreamDiedError(f"the stream ended with {self.process.returncode}; see {self.log}.")
            if time.monotonic() > deadline:
                raise StreamDiedError(f"the stream did not {what} in {PATIENCE:.0f} s; see {self.log}.")
            time.sleep(0.02)


def prepare_stream(workspace: Workspace) -> subprocess.Popen[bytes]:
    """Start the process that will be `make stream` on a workspace, in event time: it gets ready, and waits for the word."""
    env = {**os.environ, "CLOCK": "event", "EPOCH_SECONDS": os.environ.get("EPOCH_SECONDS") or "1"}
    env["MILLRACE_PARENT"] = str(os.getpid())  # it waits for a store that is away, so it must see that its loop is gone
    with (workspace.data / "stream.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "commands.loop.stream_process"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the loop, which ends its parts in order
        )


def start_stream(
    process: subprocess.Popen[bytes], workspace: Workspace, store: FeatureStore, plans: Sequence[ViewPlan]
) -> LiveStream:
    """Let a prepared process stream, from the backfill's handover."""
    lake = LakeCount(sorted({plan.table.lake for plan in plans if plan.kind == "stream"}))
    stream = LiveStream(workspace, plans, process, open_online(store.config), store.config.project, lake, lake.count())
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # where it has ended, waiting for it tells
        process.stdin.write(GO)
    return stream


def replay(
    stream: LiveStream,
    feed: Feed,
    store: FeatureStore,
    until: int,
    refresh: Callable[[int], None],
    say: Callable[[str], None],
) -> tuple[int, int]:
    """Publish day by day up to the midnight `until`; return events published and values captured.

    Twice a day, at some instant and just before midnight, the online store is looked at. At each midnight, the last among them,
    `refresh` runs the daily batch job, once the day's events are in the lake.
    """
    published = captured = 0
    while feed.at < until:
        midnight = feed.at - feed.at % DAY + DAY
        stream.wait_for_landing(feed)
        refresh(feed.at)
        for t in (midnight - DAY // 3 + 12_345_678, midnight - 1):
            published += feed.publish_until(t)
            stream.wait_until(t)
            captured += stream.capture(store, t, seed=7)
        published += feed.publish_until(midnight)
        stream.wait_until(midnight)
        say(f"  {(until - midnight) // DAY} days to go: {published:,} events, {captured:,} values noted")
    stream.wait_for_landing(feed)
    refresh(feed.at)  # of the midnight that the live day begins with
    return published, captured


class LakeCount:
    """Counts the events in some tables of the lake; each file, which never changes, is looked into once."""

    def __init__(self, folders: Sequence[str]) -> None:
        """Note the tables' folders."""
        self._folders = folders
        self._rows: dict[Path, int] = {}

    def count(self) -> int:
        """Return how many events there are now."""
        there = [file for folder in self._folders for file in Path(folder).glob("date=*/[!._]*.parquet")]
        self._rows = {file: self._rows.get(file) or pq.read_metadata(file).num_rows for file in there}
        return sum(self._rows.values())
