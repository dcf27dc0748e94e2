"""What the stream is held against: Feast's own way to put fresh rows online, `FeatureStore.push`, into its own Redis store.

The rows are there already: Feast computes nothing. Each event gives a row of every view that its topic feeds, with the shipped
views' features and types.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from feast import FeatureStore, FeatureView, FileSource, PushSource, RepoConfig
from feast.data_source import PushMode
from feast.infra.registry.base_registry import BaseRegistry

from workspace.redis_server import start_redis

LISTED = 5  # values in a list

Pushes = Sequence[tuple[str, FeatureView]]


@contextmanager
def push_store(registry: BaseRegistry, project: str, views: Sequence[str]) -> Iterator[tuple[FeatureStore, Pushes]]:
    """Register views of the same features under Feast's own Redis store; return it, and each view's push source."""
    with tempfile.TemporaryDirectory() as folder, start_redis() as server:
        store = FeatureStore(
            config=RepoConfig(
                project="push",
                provider="local",
                registry=str(Path(folder) / "registry.db"),
                repo_path=Path(folder),
                online_store={"type": "redis", "connection_string": server.connection_string},
                entity_key_serialization_version=3,
            )
        )
        pushes = []
        for name in views:
            theirs = registry.get_stream_feature_view(name, project)
            entities = [registry.get_entity(entity, project) for entity in theirs.entities]
            keys = {column.name for column in theirs.entity_columns}
            schema = [field for field in theirs.schema if field.name not in keys]
            batch = FileSource(name=f"{name}_log", path=str(Path(folder) / name), timestamp_field="event_timestamp")
            source = PushSource(name=f"{name}_push", batch_source=batch)
            view = FeatureView(
                name=name,
                entities=entities,
                schema=[*theirs.entity_columns, *schema],
                source=source,
                ttl=timedelta(days=365),
            )
            store.apply([*entities, source, view])
            pushes.append((source.name, store.get_feature_view(name)))
        yield store, pushes


def push_rate(store: FeatureStore, pushes: Pushes, batch: int, seconds: float) -> float:
    """Return the events a second that are pushed, so many at a time, each with a row of every view."""
    random = np.random.default_rng(7)
    frames = [[(source, rows_of(view, batch, random)) for source, view in pushes] for _ in range(5)]
    events, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        push(store, frames[events // batch % len(frames)])
        events += batch
    return events / took


def push_freshness(store: FeatureStore, pushes: Pushes, per_second: int, seconds: float) -> list[float]:
    """Return, for the newest of each batch, the milliseconds from when it was due until all its rows were written.

    Events are due at a steady rate; what has come due while a push was under way is the next one. So a rate that is too high
    for it shows as times that grow.
    """
    random, took, sent = np.random.default_rng(7), [], 0
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        due = int(now * per_second) - sent
        if due <= 0:
            time.sleep(0.001)
            continue
        sent += due
        push(store, [(source, rows_of(view, due, random)) for source, view in pushes])
        took.append((time.perf_counter() - began - sent / per_second) * 1000)
    return took


def push(store: FeatureStore, frames: Sequence[tuple[str, pd.DataFrame]]) -> None:
    """Push rows of all views to the online store."""
    for source, frame in frames:
        store.push(source, frame, to=PushMode.ONLINE)


def rows_of(view: FeatureView, count: int, random: np.random.Generator) -> pd.DataFrame:
    """Return random rows of a view, now."""
    columns: dict[str, Any] = {column.name: random.integers(0, 5_000, count) for column in view.entity_columns}
    for field in view.features:
        kind = str(field.dtype)
        if kind.startswith("Array"):
            values = random.integers(0, 10_000, (count, LISTED))
            columns[field.name] = list(values.astype(np.float64) if "Float" in kind else values)
        elif "Float" in kind:
            columns[field.name] = random.normal(size=count)
        else:
            columns[field.name] = random.integers(0, 500, count)
    columns["event_timestamp"] = pd.Series([datetime.now(UTC)] * count)
    return pd.DataFrame(columns)
