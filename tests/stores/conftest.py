"""One Redis server for the session, emptied before each test that asks for it; one Spark, where a test asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from stores.cells.layout import ViewLayout
from workspace.redis_server import RedisServer

CLICKS = ViewLayout(
    project="shop",
    name="clicks",
    join_keys=(("user", "STRING"),),
    features=(("n", "INT64"), ("rate", "DOUBLE"), ("last", "DOUBLE_LIST"), ("device", "STRING")),
    ttl_us=60_000_000,
)


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of an empty server."""
    with redis.Redis(port=redis_server.port) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def clicks() -> ViewLayout:
    """A view with one text key, features of four types and a ttl of a minute."""
    return CLICKS


@pytest.fixture
def feast_store(tmp_path: Path, redis_server: RedisServer, client: redis.Redis) -> Callable[..., Any]:
    """Builds a FeatureStore in its own folder: `feast_store(online={...}, offline={...}, name="a")`."""
    from feast import FeatureStore, RepoConfig

    def build(online: dict[str, Any] | None = None, offline: dict[str, Any] | None = None) -> Any:
        options = {"type": "stores.redis_online.MillraceRedisOnlineStore", **(online or {})}
        if "redis" in options["type"]:
            options = {"connection_string": redis_server.connection_string, **options}
        config = RepoConfig(
            project="shop",
            provider="local",
            registry=str(tmp_path / "registry.db"),
            repo_path=tmp_path,
            online_store=options,
            offline_store=offline or {"type": "stores.asof_offline.AsofOfflineStore"},
            entity_key_serialization_version=3,
        )
        return FeatureStore(config=config)

    return build


@pytest.fixture(scope="session")
def feast_dynamo(aws: str) -> Iterator[dict[str, str]]:
    """Options of Feast's own DynamoDB store; it imports a client for its asynchronous half, which needs another botocore and is not used."""
    client = {name: ModuleType(name) for name in ("aiobotocore", "aiobotocore.config", "aiobotocore.session")}
    client["aiobotocore.config"].AioConfig = None  # type: ignore[attr-defined]
    client["aiobotocore"].session = client["aiobotocore.session"]  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        for name, module in client.items():
            patch.setitem(sys.modules, name, module)
        yield {"type": "dynamodb", "region": "us-east-1", "endpoint_url": aws}


@pytest.fixture(scope="session")
def spark(aws: str) -> Iterator[Any]:
    """Spark, whose workers have this process' credentials in their environment, also where tests before these have started it."""
    from workspace.spark_session import open_spark

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        session = open_spark("tests", brief=True)
        for name, value in os.environ.items():
            if name.startswith("AWS_"):
                patch.setitem(session.sparkContext.environment, name, value)
        yield session


@pytest.fixture(params=["duckdb", "spark"], scope="session")
def offline(request: pytest.FixtureRequest) -> dict[str, Any]:
    """An offline store, as `feature_store.yaml` has it; what asks for it is tested with each."""
    if request.param == "duckdb":
        return {"type": "stores.asof_offline.AsofOfflineStore"}
    request.getfixturevalue("spark")
    return {"type": "stores.spark_offline.SparkAsofOfflineStore"}


@pytest.fixture
def noon() -> datetime:
    """A time to count from."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def declared(tmp_path: Path) -> list[Any]:
    """A stream view and a plain view of one entity, with logs in the test's folder; not applied yet."""
    from feast import Entity, FeatureView, Field, FileSource, PushSource, StreamFeatureView, ValueType
    from feast.types import Array, Float64, Int64, String

    user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
    key = Field(name="user", dtype=String)
    log = FileSource(name="clicks_log", path=str(tmp_path / "clicks"), timestamp_field="event_timestamp")
    clicks = StreamFeatureView(
        name="clicks",
        entities=[user],
        ttl=timedelta(minutes=1),
        schema=[
            key,
            Field(name="n", dtype=Int64),
            Field(name="rate", dtype=Float64),
            Field(name="last", dtype=Array(Float64)),
            Field(name="device", dtype=String),
        ],
        source=PushSource(name="clicks_push", batch_source=log),
    )
    profile = FeatureView(
        name="profile",
        entities=[user],
        schema=[key, Field(name="age", dtype=Int64)],
        source=FileSource(
            name="profile_log",
            path=str(tmp_path / "profile"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )
    return [user, clicks, profile]
