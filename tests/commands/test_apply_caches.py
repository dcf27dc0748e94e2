"""A bound of the cache that cannot be kept is refused before anything is registered, of plain views as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.apply import apply
from contract.tags import TagError
from workspace.workspace import Workspace

VIEWS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)
ratings = FileSource(name="ratings", path="{data}/ratings.parquet", timestamp_field="rated_at")
shop_rating = FeatureView(
    name="shop_rating", entities=[shop], source=ratings, ttl=timedelta(hours=1), tags={{"millrace.cache": "2h"}},
    schema=[Field(name="shop_id", dtype=String), Field(name="stars", dtype=Float64)],
)
"""
YAML = """
project: market
provider: local
registry: {data}/registry.db
online_store: {{type: redis, connection_string: "127.0.0.1:1"}}
offline_store: {{type: dask}}
entity_key_serialization_version: 3
"""


def test_bound_longer_than_the_ttl_is_refused(tmp_path: Path) -> None:
    repo, data = tmp_path / "repo", tmp_path / "data"
    repo.mkdir()
    (repo / "views.py").write_text(VIEWS.format(data=data))
    (repo / "feature_store.yaml").write_text(YAML.format(data=data))
    with pytest.raises(TagError, match=r"shop_rating: tag millrace\.cache is 2h, longer than the view's ttl, 1h;"):
        apply(Workspace.from_env({"REPO": str(repo), "MILLRACE_DATA": str(data)}))
    assert not (data / "registry.db").exists()
