"""Layouts of Feast's views of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from feast import FeatureView, FileSource
from feast.infra.online_stores.helpers import _mmh3

from stores.cells.layout import LayoutError, ViewLayout, layout_of


def test_layout_of_a_stream_view_is_plain_data(
    feast_store: Callable[..., Any], declared: list[Any], clicks: ViewLayout
) -> None:
    store = feast_store()
    store.apply(declared)
    layout = layout_of(store.get_stream_feature_view("clicks"), store.config)
    assert replace(layout, features=tuple(sorted(layout.features))) == replace(
        clicks, features=tuple(sorted(clicks.features))
    )


def test_feature_fields_are_named_as_feast_names_them(clicks: ViewLayout) -> None:
    assert clicks.feature_field("rate") == _mmh3("clicks:rate")
    assert clicks.timestamp_field == b"_ts:clicks"


def test_view_without_its_entity_columns_says_what_to_declare(
    feast_store: Callable[..., Any], declared: list[Any]
) -> None:
    source = FileSource(name="s", path="s.parquet", timestamp_field="t")
    view = FeatureView(name="v", entities=[declared[0]], source=source)
    with pytest.raises(LayoutError, match="v: its entity columns are not known; put the join keys into schema="):
        layout_of(view, feast_store().config)
