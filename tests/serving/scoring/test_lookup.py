"""How a store that fails is left alone for a while; the clock is the test's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from contract.service import read_service
from serving.request.columns import RequestColumns
from serving.request.schema import request_schema
from serving.scoring.features import FeatureVectors
from serving.scoring.lookup import Lookup
from stores.cells.reading import ViewReading
from stores.online import OnlineStoreUnavailable
from workspace.redis_server import start_redis
from workspace.workspace import Workspace, open_store


def test_store_that_failed_is_read_again_when_it_answers(
    tmp_path: Path, make_ads: Callable[[Path, str], Workspace], until: Callable[[Callable[[], object]], None]
) -> None:
    keys, at = {"user_id": ["ann"], "ad_id": np.array([7])}, np.array([0])
    with start_redis() as server:
        store = open_store(make_ads(tmp_path, server.connection_string))
        lookup = Lookup(store, read_service(store, "click_v1").stored)
        lookup.read(keys, at)
    for _ in range(3):
        with pytest.raises(OnlineStoreUnavailable):
            lookup.read(keys, at)
    assert lookup.store_stats()["left_alone"] == {"state": "open", "failures": 1, "refused": 2}
    with start_redis(server.port):
        until(lambda: lookup.store_stats()["left_alone"]["state"] == "closed")
        assert set(lookup.read(keys, at)) == {"user_activity", "ad_quality", "user_ad_affinity"}


def values(views: Mapping[str, ViewReading]) -> dict[str, dict[str, list[object]]]:
    return {view: {name: column.as_python() for name, column in part.columns.items()} for view, part in views.items()}


def test_cache_goes_on_while_the_store_is_left_alone(
    tmp_path: Path, make_ads: Callable[[Path, str], Workspace]
) -> None:
    clock = [0.0]
    keys, at = {"user_id": ["ann"], "ad_id": np.array([7])}, np.array([0])
    with start_redis() as server:
        store = open_store(make_ads(tmp_path, server.connection_string))
        service = read_service(store, "click_v1")
        for one in service.stored:
            one.view.tags = {"millrace.cache": "100ms", "millrace.cache_stale": "5s"}
        lookup = Lookup(store, service.stored, clock=lambda: clock[0], cache_bytes=1_000_000)
        fresh = lookup.read(keys, at)
    assert values(lookup.read(keys, at)) == values(fresh)
    for clock[0] in (1.0, 1.1, 5.0):
        assert set(lookup.read(keys, at)) == set(fresh)
    stats = lookup.cache_stats()
    assert stats is not None
    assert stats.stale == 3 * stats.misses // 4 > 0  # read once, and missed three times while the store was away
    clock[0] = 5.1
    with pytest.raises(OnlineStoreUnavailable):
        lookup.read(keys, at)


def test_request_that_is_answered_with_stale_values_is_degraded(
    tmp_path: Path, make_ads: Callable[[Path, str], Workspace]
) -> None:
    clock = [0.0]
    row = {"user_id": "ann", "ad_id": 7, "bid": 0.5, "slot": 1, "event_timestamp": "2026-03-01T12:00:00+00:00"}
    with start_redis() as server:
        store = open_store(make_ads(tmp_path, server.connection_string))
        service = read_service(store, "click_v1")
        for one in service.stored:
            one.view.tags = {"millrace.cache": "100ms", "millrace.cache_stale": "5s"}
        lookup = Lookup(store, service.stored, clock=lambda: clock[0], cache_bytes=1_000_000)
        schema = request_schema(service)
        vectors = FeatureVectors(service, lookup)
        rows = RequestColumns.of_rows(schema, schema.parse(row, 0, 1)[0])
        fresh = vectors.build(rows)
        assert fresh.degraded is None
    assert vectors.build(rows).degraded is None
    clock[0] = 1.0
    stale = vectors.build(rows)
    assert stale.degraded is not None
    assert stale.degraded.all()
    assert {name: one.as_python() for name, one in stale.columns.items()} == {
        name: one.as_python() for name, one in fresh.columns.items()
    }


def test_what_reads_did_is_told_as_json(tmp_path: Path, make_ads: Callable[[Path, str], Workspace]) -> None:
    clock = [0.0]
    keys, at = {"user_id": ["ann"], "ad_id": np.array([7])}, np.array([0])
    with start_redis() as server:
        store = open_store(make_ads(tmp_path, server.connection_string))
        lookup = Lookup(store, read_service(store, "click_v1").stored, clock=lambda: clock[0])
        assert lookup.store_stats() == {}
        lookup.read(keys, at)
    for _ in range(3):
        with pytest.raises(OnlineStoreUnavailable):
            lookup.read(keys, at)
    told = json.loads(json.dumps(lookup.store_stats()))
    assert (told["reads"], told["failed"], told["breaker"]["failures"]) == (2, 1, 1)
    assert told["left_alone"] == {"state": "open", "failures": 1, "refused": 2}
