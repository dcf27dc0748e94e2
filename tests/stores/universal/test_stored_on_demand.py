"""On-demand views that are stored, after Feast's materialization/test_universal_materialization."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureView, Field, FileSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

AT = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = {"c": [1, 2], "p": [10, 20], "created": [AT] * 2, "event_timestamp": [AT] * 2}


def declare(folder: Path, tags: dict[str, str], sources: int) -> list[Any]:
    """Two entities, a view or two of both, and a stored view of their product."""
    c, p = Entity(name="c", join_keys=["c"]), Entity(name="p", join_keys=["p"])
    views = []
    for name, values in {"price": [100.0, 200.0], "revenue": [5.0, 7.0]}.items():
        path = folder / f"{name}.parquet"
        pd.DataFrame({**ROWS, name: values}).to_parquet(path)
        log = FileSource(
            name=name, path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created"
        )
        fields = [Field(name="c", dtype=Int64), Field(name="p", dtype=Int64), Field(name=name, dtype=Float64)]
        views.append(FeatureView(name=f"{name}s", entities=[c, p], schema=fields, source=log, tags=tags))
    views = views[:sources]

    @on_demand_feature_view(
        entities=[c, p],
        sources=views,
        schema=[Field(name="worth", dtype=Float64)],
        write_to_online_store=True,
        tags=tags,
    )
    def worths(inputs: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        revenue = inputs.get("revenue", 2.0)
        return pd.DataFrame({"worth": inputs["price"] * revenue})

    return [c, p, *views, worths]


@pytest.mark.parametrize(("sources", "worth"), [(1, [200.0, 400.0, None]), (2, [500.0, 1400.0, None])])
def test_it_is_materialized_and_read(
    store: Any, tags: dict[str, str], tmp_path: Path, sources: int, worth: list[float | None]
) -> None:
    store.apply(declare(tmp_path, tags, sources))
    store.materialize(AT - timedelta(days=1), AT + timedelta(days=1), feature_views=["worths"])
    asked = [{"c": 1, "p": 10}, {"c": 2, "p": 20}, {"c": 3, "p": 10}]
    assert store.get_online_features(["worths:worth"], asked).to_dict()["worth"] == worth


def test_what_is_written_to_it_is_computed_first(store: Any, tags: dict[str, str], tmp_path: Path) -> None:
    store.apply(declare(tmp_path, tags, 1))
    store.write_to_online_store("worths", pd.DataFrame({**ROWS, "price": [1.0, 2.0]}))
    assert store.get_online_features(["worths:worth"], [{"c": 2, "p": 20}]).to_dict()["worth"] == [4.0]
