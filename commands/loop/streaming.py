"""Runs the stream beside the loop, feeds it day by day, and holds what Redis says against the feature logs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from commands.loop.feed import Feed
from pipelines.batch.lake import DAY
from pipelines.plan import ViewPlan
from stores.redis.connection import connect
from stores.redis.stream_rows import read_frontier
from validation.parity import Captured, capture
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

PATIENCE = 600.0  # seconds that a stream may need to come to an instant
ENTITIES = 2_500  # entities of each view looked at, at each instant


class StreamDiedError(RuntimeError):
    """The stream process ended, or does not get on."""


@dataclass
class LiveStream:
    """The stream in a process of its own, and what is known of it.

    Attributes:
        workspace: The workspace.
        plans: All plans.
        process: The process.
        held: Events that the lake held before the stream.
        captured: What the online store said at the instants looked at.
    """

    workspace: Workspace
    plans: Sequence[ViewPlan]
    process: subprocess.Popen[bytes]
    held: int
    captured: list[Captured] = field(default_factory=list)

    def wait_until(self, address: str, project: str, t: int) -> None:
        """Wait until every stream view's rows up to `t` (microseconds) are in Redis.

        Raises:
            StreamDiedError: The process ended, or took too long.
        """
        client = connect(address)
        views = [plan.view for plan in self.plans if plan.kind == "stream"]
        deadline = time.monotonic() + PATIENCE
        while True:
            frontier = read_frontier(client, project)
            if all(frontier.get(f"{view}/0", 0) >= t for view in views):
                return
            if self.process.poll() is not None:
                raise StreamDiedError(f"the stream ended with {self.process.returncode}; see {self.log}.")
            if time.monotonic() > deadline:
                raise StreamDiedError(f"the stream did not come to {t} in {PATIENCE:.0f} s; see {self.log}.")
            time.sleep(0.02)

    def wait_for_landing(self, feed: Feed) -> None:
        """Wait until all events that were fed are in the lake, where the daily batch job reads them.

        Raises:
            StreamDiedError: They do not come.
        """
        deadline = time.monotonic() + PATIENCE
        while lake_rows([feed.transactions.lake, feed.labels.lake]) < self.held + feed.sent:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StreamDiedError(f"the stream does not land its events; see {self.log}.")
            time.sleep(0.1)

    @property
    def log(self) -> Path:
        """Return the file that the process prints to."""
        return self.workspace.data / "stream.log"

    def capture(self, store: FeatureStore, t: int, seed: int) -> int:
        """Note what the online store says of some entities of each view at `t`, and return how many values that are."""
        values = 0
        for plan in self.plans:
            entities = sample_entities(plan, np.random.default_rng([seed, t % 2**32]))
            features = [feature.name for feature in plan.features]
            self.captured.append(capture(store, plan.view, features, entities, t))
            values += len(entities) * len(features)
        return values

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait()


def start_stream(workspace: Workspace, plans: Sequence[ViewPlan]) -> LiveStream:
    """Start `make stream` on a workspace, in event time, from the backfill's handover."""
    log = (workspace.data / "stream.log").open("wb")
    held = lake_rows(sorted({plan.table.lake for plan in plans if plan.kind == "stream"}))
    env = {**os.environ, "CLOCK": "event", "EPOCH_SECONDS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "commands", "stream"],
        env=env,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return LiveStream(workspace, plans, process, held)


def replay(
    stream: LiveStream,
    feed: Feed,
    store: FeatureStore,
    until: int,
    refresh: Callable[[int], None],
    say: Callable[[str], None],
) -> tuple[int, int]:
    """Publish day by day up to the midnight `until`; return events published and values captured.

    Twice a day, at some instant and just before midnight, the online store is looked at. At midnight `refresh` runs the
    daily batch job, once the day's events are in the lake.
    """
    address = store.config.online_store.connection_string
    published = captured = 0
    while feed.at < until:
        midnight = feed.at - feed.at % DAY + DAY
        stream.wait_for_landing(feed)
        refresh(feed.at)
        for t in (midnight - DAY // 3 + 12_345_678, midnight - 1):
            published += feed.publish_until(t)
            stream.wait_until(address, store.config.project, t)
            captured += stream.capture(store, t, seed=7)
        published += feed.publish_until(midnight)
        stream.wait_until(address, store.config.project, midnight)
        say(f"  {(until - midnight) // DAY} days to go: {published:,} events, {captured:,} values noted")
    stream.wait_for_landing(feed)
    return published, captured


def sample_entities(plan: ViewPlan, random: np.random.Generator) -> pd.DataFrame:
    """Return some entities of a view, from its feature log: each once, in the order drawn."""
    last = sorted(Path(plan.log).glob("date=*"))[-30:]
    keys = ds.dataset([str(f) for day in last for f in sorted(day.glob("*.parquet"))]).to_table(columns=list(plan.keys))
    known = keys.to_pandas().drop_duplicates().sort_values(list(plan.keys), ignore_index=True)
    return known.loc[random.permutation(len(known))[:ENTITIES]].reset_index(drop=True)


def lake_rows(folders: Sequence[str]) -> int:
    """Return how many rows the files of some lake tables hold."""
    files = [str(file) for folder in folders for file in Path(folder).glob("date=*/[!._]*.parquet")]
    return int(ds.dataset(files).count_rows()) if files else 0
