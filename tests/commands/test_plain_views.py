"""Plain feature views over a team's own tables: `make materialize` loads them, as Feast reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import redis

from commands.plain_views import load_plain_views, plain_views
from validation.gates.report import ValidationFailed
from workspace.redis_server import RedisServer
from workspace.workspace import Workspace, open_store, read_declarations

pytestmark = pytest.mark.slow
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEWS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String

shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)
ratings = FileSource(name="ratings", path="{data}/ratings.parquet", timestamp_field="rated_at")
weather = FileSource(name="weather", path="{data}/weather.parquet", timestamp_field="seen_at")
shop_rating = FeatureView(
    name="shop_rating", entities=[shop], source=ratings, ttl=timedelta(days=30),
    schema=[Field(name="shop_id", dtype=String), Field(name="stars", dtype=Float64)],
)
city_weather = FeatureView(name="city_weather", entities=[], source=weather, schema=[Field(name="degrees", dtype=Int64)])
offline_only = FeatureView(
    name="offline_only", entities=[shop], source=ratings, online=False,
    schema=[Field(name="shop_id", dtype=String), Field(name="stars", dtype=Float64)],
)
"""
YAML = """
project: market
provider: local
registry: {data}/registry.db
online_store: {{type: {online}, connection_string: "{redis}"}}
offline_store: {{type: {offline}}}
entity_key_serialization_version: 3
"""
OURS = ("stores.redis_online.MillraceRedisOnlineStore", "stores.asof_offline.AsofOfflineStore")


@pytest.fixture(params=[pytest.param(OURS, id="our stores"), pytest.param(("redis", "dask"), id="Feast's own")])
def market(request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer) -> tuple[Workspace, Any]:
    """A repo of plain views, applied; two tables that nobody here fills."""
    repo, data = tmp_path / "repo", tmp_path / "data"
    repo.mkdir()
    data.mkdir()
    (repo / "views.py").write_text(VIEWS.format(data=data))
    online, offline = request.param
    text = YAML.format(data=data, redis=redis_server.connection_string, online=online, offline=offline)
    (repo / "feature_store.yaml").write_text(text)
    hours = [NOON - timedelta(hours=hour) for hour in (3, 2, 1)]
    ratings = pd.DataFrame({"shop_id": ["a", "a", "b"], "stars": [2.0, 4.5, 3.0], "rated_at": hours})
    ratings.to_parquet(data / "ratings.parquet")
    pd.DataFrame({"degrees": [18, 21, 24], "seen_at": hours}).to_parquet(data / "weather.parquet")
    workspace = Workspace.from_env({"REPO": str(repo), "MILLRACE_DATA": str(data)})
    declared = read_declarations(workspace)
    store = open_store(workspace)
    store.apply([*declared.entities, *declared.feature_views])
    redis.Redis(port=redis_server.port).flushall()
    return workspace, store


def load(market: tuple[Workspace, Any], until: datetime) -> dict[str, int]:
    workspace, store = market
    views = plain_views(read_declarations(workspace))
    return dict(load_plain_views(workspace, store, views, int(until.timestamp() * 1_000_000)))


def online(store: Any) -> dict[str, list[Any]]:
    answer: dict[str, list[Any]] = store.get_online_features(
        features=["shop_rating:stars", "city_weather:degrees"], entity_rows=[{"shop_id": "a"}, {"shop_id": "b"}]
    ).to_dict()
    return answer


def test_the_newest_row_of_each_entity_is_online_and_of_views_without_entities_the_newest(market: Any) -> None:
    workspace, store = market
    assert plain_views(read_declarations(workspace)) == ["city_weather", "shop_rating"]
    assert load(market, NOON) == {"city_weather": 1, "shop_rating": 2}
    assert online(store)["degrees"] == [24, 24]


def test_only_rows_before_the_end_are_taken_and_none_outside_the_ttl(market: Any) -> None:
    assert load(market, NOON - timedelta(hours=1)) == {"city_weather": 1, "shop_rating": 1}
    assert online(market[1])["degrees"] == [21, 21]
    assert load(market, NOON + timedelta(days=60)) == {"city_weather": 1, "shop_rating": 0}


def test_rows_that_break_an_expectation_stay_out(market: Any) -> None:
    workspace, store = market
    broken = pd.DataFrame({"shop_id": ["a", None], "stars": [1.0, 1.0], "rated_at": [NOON - timedelta(hours=1)] * 2})
    broken.to_parquet(workspace.data / "ratings.parquet")
    with pytest.raises(ValidationFailed, match=r"shop_rating: .*(?s:.)*not_be_null\(shop_id\)"):
        load(market, NOON)
    assert online(store)["stars"] == [None, None]
