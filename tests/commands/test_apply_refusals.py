"""A view that cannot be kept as declared is refused before anything is registered, plain views as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.apply import apply
from contract.tags import TagError
from contract.types import UnknownTypeError
from stores.cells.layout import LayoutError
from workspace.workspace import Workspace

VIEWS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Float64, Invalid, Json, PdfBytes, Set, String

shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.{key})
ratings = FileSource(name="ratings", path="{data}/ratings.parquet", timestamp_field="rated_at", tags={source})
shop_rating = FeatureView(
    name="shop_rating", entities=[shop], source=ratings, ttl=timedelta(hours=1), tags={tags},
    schema=[Field(name="shop_id", dtype={key_type}), Field(name="stars", dtype={stars}, tags={field})],
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
GOOD = {"tags": {}, "field": {}, "source": {}, "key": "STRING", "key_type": "String", "stars": "Float64"}


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        pytest.param(
            {"tags": {"millrace.cache": "2h"}},
            TagError,
            r"shop_rating: tag millrace\.cache is 2h, longer than the view's ttl, 1h;",
            id="cache",
        ),
        pytest.param(
            {"field": {"millrace.max": "five"}},
            TagError,
            r"shop_rating\.stars: tag millrace\.max is 'five'; write a number, such as 0 or 1e6\.",
            id="bound of a field",
        ),
        pytest.param(
            {"source": {"millrace.fresh": "daily"}},
            TagError,
            r"ratings: tag millrace\.fresh: 'daily' is not a duration; write a whole number and a unit",
            id="check of a source",
        ),
        pytest.param(
            {"stars": "Array(PdfBytes)"},
            UnknownTypeError,
            r"shop_rating\.stars: no online store of Feast's can hold Array\(PdfBytes\); write Array\(Bytes\)\.",
            id="list of files",
        ),
        pytest.param(
            {"stars": "Set(Json)"},
            UnknownTypeError,
            r"shop_rating\.stars: no online store of Feast's can hold Set\(Json\); write Array\(Json\)\.",
            id="set of JSON",
        ),
        pytest.param(
            {"stars": "Invalid"},
            UnknownTypeError,
            r"shop_rating\.stars: .* Invalid; declare one of the types of feast\.types, such as String",
            id="no type",
        ),
        pytest.param(
            {"key": "BOOL", "key_type": "Bool"},
            LayoutError,
            r"shop_rating\.shop_id: a join key cannot be BOOL; use one of BYTES, STRING, INT32, INT64, UNIX_TIMESTAMP\.",
            id="join key",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_with_what_to_write(
    tmp_path: Path, wrong: dict[str, object], error: type[Exception], message: str
) -> None:
    repo, data = tmp_path / "repo", tmp_path / "data"
    repo.mkdir()
    (repo / "views.py").write_text(VIEWS.format(data=data, **GOOD | wrong))
    (repo / "feature_store.yaml").write_text(YAML.format(data=data))
    with pytest.raises(error, match=message):
        apply(Workspace.from_env({"REPO": str(repo), "MILLRACE_DATA": str(data)}))
    assert not (data / "registry.db").exists()
