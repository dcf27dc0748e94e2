"""The offline stores where Feast renames: mapped columns, join keys under other names, views without entities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
UTC_TIME = pa.timestamp("us", tz="UTC")


@pytest.fixture
def mapped(feast_store: Callable[..., Any], tmp_path: Path, offline: dict[str, Any]) -> Any:
    """A store with a view whose source maps names, a view without entities, and an on-demand view over both."""
    from feast import Entity, FeatureView, Field, FileSource, RequestSource, ValueType
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float64, Int64

    def source(name: str, **mapping: str) -> FileSource:
        path = str(tmp_path / f"{name}.parquet")
        return FileSource(name=name, path=path, timestamp_field="at", field_mapping=mapping)

    page = Entity(name="page", join_keys=["page_id"], value_type=ValueType.INT64)
    views = FeatureView(
        name="views",
        entities=[page],
        schema=[Field(name="page_id", dtype=Int64), Field(name="seen", dtype=Int64)],
        source=source("views", PAGE="page_id", SEEN="seen"),
    )
    rate = FeatureView(name="rate", entities=[], schema=[Field(name="fx", dtype=Float64)], source=source("rate"))

    @on_demand_feature_view(
        sources=[views, rate, RequestSource(name="ask", schema=[Field(name="price", dtype=Float64)])],
        schema=[Field(name="worth", dtype=Float64)],
    )
    def worth(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"worth": inputs["seen"] * inputs["fx"] * inputs["price"]})

    pq.write_table(
        pa.table({"PAGE": [1, 1], "at": pa.array([T, T + 2], UTC_TIME), "SEEN": [3, 4]}), tmp_path / "views.parquet"
    )
    pq.write_table(pa.table({"at": pa.array([T - 5, T + 1], UTC_TIME), "fx": [10.0, 20.0]}), tmp_path / "rate.parquet")
    store = feast_store(offline=offline)
    store.apply([page, views, rate, worth])
    return store


def test_mapped_names_views_without_entities_and_on_demand_views_work(mapped: Any) -> None:
    when = pd.to_datetime([T, T + 2], unit="us", utc=True)
    asked = pd.DataFrame({"page_id": [1, 1], "event_timestamp": when, "price": [1.0, 2.0]})
    found = mapped.get_historical_features(asked, ["views:seen", "rate:fx", "worth:worth"]).to_df()
    assert found["seen"].tolist() == [3, 4]
    assert found["fx"].tolist() == [10.0, 20.0]
    assert found["worth"].tolist() == [30.0, 160.0]


def test_join_key_may_have_another_name_in_the_labels(mapped: Any) -> None:
    from feast import FeatureService

    service = FeatureService(
        name="s", features=[mapped.get_feature_view("views").with_join_key_map({"page_id": "from"})]
    )
    when = pd.to_datetime([T], unit="us", utc=True)
    mapped.apply(service)
    found = mapped.get_historical_features(pd.DataFrame({"from": [1], "event_timestamp": when}), service).to_df()
    assert found["seen"].tolist() == [3]
