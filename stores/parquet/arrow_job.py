"""Runs a retrieval that yields Arrow, for Feast's offline store interface; pandas only if it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage
from pyarrow import fs

from stores.parquet.on_demand import with_on_demand
from workspace.addresses import inside, open_address, whole_file, with_endpoint

ROWS_A_GROUP = 1_000_000  # of a saved dataset, so that it does not depend on the pieces in which the result comes


class ArrowRetrievalJob(RetrievalJob):
    """A retrieval that runs when its result is asked for.

    Args:
        run: Yields the result in one piece or more, without on-demand features.
        repo_path: Where relative paths of saved datasets start.
        full_feature_names: Whether features are named `view__feature`.
        on_demand: The on-demand views asked for.
        metadata: What was asked for; `FeatureStore.create_saved_dataset` needs it.
        given: The columns of entity_df.
    """

    def __init__(
        self,
        run: Callable[[], Iterator[pa.Table]],
        repo_path: Path | None,
        metadata: RetrievalMetadata,
        full_feature_names: bool = False,
        on_demand: Sequence[OnDemandFeatureView] = (),
        given: Sequence[str] = (),
    ) -> None:
        self._run = run
        self._repo_path = repo_path
        self._metadata = metadata
        self._full_feature_names = full_feature_names
        self._on_demand = on_demand
        self._given = given

    @property
    def full_feature_names(self) -> bool:
        """Whether features are named `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The on-demand views that Feast's base class is to apply: none, the result has their features."""
        return []

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked for."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        if not self._on_demand:
            return pa.concat_tables(self._run())
        features = self._metadata.features
        pieces = with_on_demand(self._run(), self._on_demand, features, self._given, self._full_feature_names)
        # a column with nulls in some pieces only comes from pandas as floats there, as it does from a whole frame
        return pa.concat_tables(pieces, promote_options="permissive")

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal().to_pandas()

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result, on-demand features included, to a Parquet file or a folder of one.

        Without on-demand features it is written piece by piece, and no more than that is held.

        Raises:
            ValueError: The storage is not a file.
            SavedDatasetLocationAlreadyExists: The place is taken and `allow_overwrite` is not set.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise ValueError(
                f"saved dataset: {type(storage).__name__} is not a file; use SavedDatasetFileStorage(path=...)."
            )
        path = address_of(self._repo_path, storage.file_options)
        if is_taken(path) and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=path)
        is_file = path.partition("?")[0].endswith(".parquet")
        with whole_file(path if is_file else inside(path, "part-0.parquet")) as file:
            _write(file, iter([self._to_arrow_internal()]) if self._on_demand else self._run())


def is_taken(address: str) -> bool:
    """Say whether there is a file or a folder."""
    system, path = open_address(address)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def address_of(repo_path: Any, source: Any) -> str:
    """Return the address of a file source, its server with it; a relative path starts at the feature repo, as in Feast."""
    resolved = FileSource.get_uri_for_file_path(repo_path=repo_path, uri=getattr(source, "path", None) or source.uri)
    return with_endpoint(resolved.removeprefix("file://"), source.s3_endpoint_override)


def _write(file: Any, pieces: Iterator[pa.Table]) -> None:
    """Write pieces as one file, in row groups of equal size."""
    held = next(pieces)
    with pq.ParquetWriter(file, held.schema) as writer:
        for piece in pieces:
            held = pa.concat_tables([held, piece])
            while len(held) >= ROWS_A_GROUP:
                writer.write_table(held.slice(0, ROWS_A_GROUP), ROWS_A_GROUP)
                held = held.slice(ROWS_A_GROUP)
        writer.write_table(held, ROWS_A_GROUP)
