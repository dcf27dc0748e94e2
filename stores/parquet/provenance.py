"""Says what a training set was made of: declarations, labels and files of feature logs, by digests and numbers of rows.

It is JSON in the Arrow schema's metadata under `millrace.provenance`, which Parquet keeps. Equal inputs give equal text, wherever they
lie and whichever engine joins them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stores.parquet.footers import Footer

if TYPE_CHECKING:
    from feast import FeatureView, OnDemandFeatureView

    from stores.parquet.engine import ViewJoin
    from stores.parquet.labels import Labels

PROVENANCE: Final = "millrace.provenance"


def provenance_of(
    views: Sequence[FeatureView],
    on_demand: Sequence[OnDemandFeatureView],
    features: Sequence[str],
    labels: Labels,
    joins: Sequence[ViewJoin],
) -> str:
    """Return the provenance of a result as JSON.

    Args:
        views: The views asked for, in the order of `joins`.
        on_demand: The on-demand views asked for.
        features: The features asked for.
        labels: The rows of entity_df.
        joins: What was read for each view.
    """
    declared = [describe_view(view) for view in views] + [describe_on_demand(view) for view in on_demand]
    return canonical(
        {
            "declarations": digest_of([canonical(declared), canonical(list(features))]),
            "labels": {"rows": labels.table.num_rows, "sha256": digest_of_rows(labels.table)},
            "logs": {one.columns.log.name: describe_files(one.found.footers) for one in joins},
        }
    )


def read_provenance(schema: pa.Schema) -> dict[str, Any]:
    """Return the provenance that a schema carries; empty where an offline store of others made the table."""
    text = (schema.metadata or {}).get(PROVENANCE.encode())
    return json.loads(text) if text else {}


def describe_files(footers: Iterable[Footer]) -> dict[str, Any]:
    """Return the number of files and rows, and a digest that depends on neither their names nor their order."""
    footers = list(footers)
    return {
        "files": len(footers),
        "rows": sum(footer.rows for footer in footers),
        "sha256": digest_of(sorted(footer.digest.hex() for footer in footers)),
    }


def describe_view(view: FeatureView) -> dict[str, Any]:
    """Return what a view declares, without the place of its data."""
    source: Any = view.batch_source
    return {
        "view": view.name,
        "keys": sorted((field.name, str(field.dtype)) for field in view.entity_columns),
        "features": sorted((field.name, str(field.dtype)) for field in view.features),
        "ttl": str(view.ttl),
        "tags": dict(view.tags),
        "aggregations": sorted(str(one) for one in getattr(view, "aggregations", None) or ()),
        "function": getattr(view, "udf_string", None) or "",
        "times": [source.timestamp_field, source.created_timestamp_column],
        "mapping": dict(source.field_mapping),
        "source_tags": dict(source.tags),
        "asked_as": [view.projection.name_alias, sorted(view.projection.join_key_map.items())],
    }


def describe_on_demand(view: OnDemandFeatureView) -> dict[str, Any]:
    """Return what an on-demand view declares."""
    return {
        "view": view.name,
        "features": sorted((field.name, str(field.dtype)) for field in view.features),
        "sources": sorted([*view.source_feature_view_projections, *view.source_request_sources]),
        "mode": view.mode,
        "tags": dict(view.tags),
        "function": getattr(view.feature_transformation, "udf_string", "") or "",
    }


def canonical(said: Any) -> str:
    """Return JSON that is equal for equal values."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)


def digest_of(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts, in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def digest_of_rows(table: pa.Table) -> str:
    """Return the SHA-256 of a table's columns and rows, in their order."""
    seen = hashlib.sha256()

    class Sink:
        """Takes Arrow's bytes and keeps none."""

        closed = False

        def write(self, data: Any) -> int:
            seen.update(data)
            return len(data)

        def flush(self) -> None:
            return

        def close(self) -> None:
            return

    plain = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(pa.PythonFile(Sink(), "w"), plain.schema) as stream:
        stream.write_table(plain)
    return seen.hexdigest()
