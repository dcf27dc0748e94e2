"""Adds on-demand features to the result of a retrieval, some rows at a time, each view from the columns it may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from feast import OnDemandFeatureView

ROWS_AT_ONCE: Final = 250_000
"""A function is given a frame of so many rows: what pandas makes of millions does not fit beside them."""


def with_on_demand(
    pieces: Iterable[pa.Table],
    views: Sequence[OnDemandFeatureView],
    features: Sequence[str],
    given: Sequence[str],
    full_feature_names: bool,
) -> Iterator[pa.Table]:
    """Yield the rows of a result with on-demand features; the types of columns may differ from piece to piece.

    A view sees the columns of entity_df and the features that it names as its sources.

    Args:
        pieces: The result without them.
        views: The on-demand views asked for.
        features: The features asked for, `view:feature`.
        given: The columns of entity_df.
        full_feature_names: Whether features are named `view__feature`.
    """
    for piece in pieces:
        for start in range(0, max(len(piece), 1), ROWS_AT_ONCE):
            rows = piece.slice(start, ROWS_AT_ONCE)
            result = rows
            for view in views:
                made = view.transform_arrow(rows.select(_seen(view, rows.column_names, given)), full_feature_names)
                for name in _asked(view, features, full_feature_names):
                    if name in made.column_names:
                        result = result.append_column(name, made[name])
            yield result


def _seen(view: OnDemandFeatureView, names: Sequence[str], given: Sequence[str]) -> list[str]:
    sources = {
        name
        for projection in view.source_feature_view_projections.values()
        for feature in projection.features
        for name in (feature.name, f"{projection.name}__{feature.name}", f"{_called(projection)}__{feature.name}")
    }
    return [name for name in names if name in given or name in sources]


def _asked(view: OnDemandFeatureView, features: Sequence[str], full_feature_names: bool) -> list[str]:
    name = _called(view.projection)
    asked = [feature.partition(":") for feature in features]
    return [
        f"{name}__{feature}" if full_feature_names else feature for of, _, feature in asked if of in (view.name, name)
    ]


def _called(projection: Any) -> str:
    name: str = projection.name_to_use()
    return name
