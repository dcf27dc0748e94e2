"""Versions of a view side by side, after Feast's test_redis_versioning and test_dynamodb_versioning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from feast import Entity, FeatureView, Field, RepoConfig
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RegistryConfig
from feast.types import Float32, Int64
from feast.value_type import ValueType

KEY = EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=1001)])


class Versions:
    """A store, and a view in it in several versions."""

    def __init__(self, online: dict[str, Any], tags: dict[str, str], registry: str, *, enabled: bool = True) -> None:
        path = RegistryConfig(path=registry, enable_online_feature_view_versioning=enabled)
        self.config = RepoConfig(
            project="shop", provider="local", online_store=online, registry=path, entity_key_serialization_version=3
        )
        self.store, self.tags = get_online_store_from_config(self.config.online_store), tags

    def view(self, number: int | None = None, asked: int | None = None) -> FeatureView:
        """The view, in a version, or with a projection that asks for one."""
        fields = [
            Field(name="driver_id", dtype=Int64),
            Field(name="trips", dtype=Int64),
            Field(name="rating", dtype=Float32),
        ]
        driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
        view = FeatureView(name="stats", entities=[driver], ttl=timedelta(days=1), schema=fields, tags=self.tags)
        if number is not None:
            view.current_version_number = number
        if asked is not None:
            view.projection.version_tag = asked
        return view

    def write(self, view: FeatureView, trips: int) -> None:
        """Make room for a view, and write a row."""
        self.store.update(self.config, [], [view], [], [], False)
        now = datetime.now(UTC)
        self.store.online_write_batch(self.config, view, [(KEY, {"trips": Value(int64_val=trips)}, now, now)], None)

    def read(self, view: FeatureView) -> int | None:
        """The row's value; None where there is no row."""
        ((_, values),) = self.store.online_read(self.config, view, [KEY], ["trips"])
        return values["trips"].int64_val if values else None


@pytest.fixture
def versions(online: dict[str, Any], tags: dict[str, str], tmp_path: Any) -> Versions:
    """Versions are on."""
    return Versions(online, tags, str(tmp_path / "registry.db"))


def test_write_and_read_without_versions(online: dict[str, Any], tags: dict[str, str], tmp_path: Any) -> None:
    versions = Versions(online, tags, str(tmp_path / "registry.db"), enabled=False)
    versions.write(versions.view(), 42)
    assert versions.read(versions.view()) == 42


def test_row_of_one_version_is_not_seen_in_another(versions: Versions) -> None:
    one, two = versions.view(1), versions.view(2)
    versions.write(one, 10)
    versions.store.update(versions.config, [], [two], [], [], False)
    assert versions.read(two) is None
    versions.write(two, 20)
    assert (versions.read(one), versions.read(two)) == (10, 20)
    assert (versions.read(versions.view(asked=1)), versions.read(versions.view(asked=2))) == (10, 20)


def test_version_that_is_gone_takes_only_its_own_rows(versions: Versions) -> None:
    one, two = versions.view(1), versions.view(2)
    versions.write(one, 10)
    versions.write(two, 20)
    versions.store.update(versions.config, [one], [two], [], [], False)
    assert versions.read(two) == 20
    versions.store.update(versions.config, [], [one], [], [], False)
    assert versions.read(one) is None


def test_teardown_leaves_nothing(versions: Versions, client: Any, dynamo: Any) -> None:
    one = versions.view(1)
    versions.write(one, 10)
    assert client.keys() or dynamo.list_tables()["TableNames"]
    versions.store.teardown(versions.config, [one], [])
    assert (client.keys(), dynamo.list_tables()["TableNames"]) == ([], [])
