"""Runs a retrieval that yields Arrow, for Feast's offline store interface; pandas only if it is asked for."""

from __future__ import annotations

from collections.abc import Callable
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

from workspace.addresses import inside, open_address, whole_file, with_endpoint


class ArrowRetrievalJob(RetrievalJob):
    """A retrieval that runs when its result is asked for; on-demand views are applied by Feast's base class.

    Args:
        run: Yields the result, without on-demand features.
        repo_path: Where relative paths of saved datasets start.
        full_feature_names: Whether on-demand features are named `view__feature`.
        on_demand_feature_views: The on-demand views asked for.
        metadata: What was asked for; `FeatureStore.create_saved_dataset` needs it.
    """

    def __init__(
        self,
        run: Callable[[], pa.Table],
        repo_path: Path | None,
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._run = run
        self._repo_path = repo_path
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        """Whether on-demand features are named `view__feature`."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The on-demand views asked for."""
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked for; None for a plain pull."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._run()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._run().to_pandas()

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result, on-demand features included, to a Parquet file or a folder of one.

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
        result = self.to_arrow()
        with whole_file(
            path if path.partition("?")[0].endswith(".parquet") else inside(path, "part-0.parquet")
        ) as file:
            pq.write_table(result, file)


def is_taken(address: str) -> bool:
    """Say whether there is a file or a folder."""
    system, path = open_address(address)
    return bool(system.get_file_info(path).type != fs.FileType.NotFound)


def address_of(repo_path: Any, source: Any) -> str:
    """Return the address of a file source, its server with it; a relative path starts at the feature repo, as in Feast."""
    resolved = FileSource.get_uri_for_file_path(repo_path=repo_path, uri=getattr(source, "path", None) or source.uri)
    return with_endpoint(resolved.removeprefix("file://"), source.s3_endpoint_override)
