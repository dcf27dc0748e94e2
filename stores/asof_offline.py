"""Feast plug-in: the offline store for one machine, point-in-time joins with DuckDB over Parquet feature logs.

In `feature_store.yaml`:

    offline_store:
      type: stores.asof_offline.AsofOfflineStore
      memory_limit: 4GB
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from feast.repo_config import FeastConfigBaseModel

from stores.parquet.duckdb_engine import DuckdbEngine
from stores.parquet.offline_store import ParquetOfflineStore
from stores.parquet.spill import spill_folder


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Options of the store."""

    type: Literal["stores.asof_offline.AsofOfflineStore"] = "stores.asof_offline.AsofOfflineStore"
    threads: int | None = None
    """DuckDB's threads; None takes all cores."""
    memory_limit: str | None = None
    """DuckDB's memory, such as `4GB`, beyond which it spills to disk; None takes 80 % of the machine."""
    spill: str | None = None
    """Where it spills to, a path that starts at the feature repo; None takes `tmp` in the data folder."""

    def open_engine(self, repo_path: Path | None) -> DuckdbEngine:
        """Return the engine."""
        return DuckdbEngine(self.threads, self.memory_limit, spill_folder(self.spill, repo_path))


class AsofOfflineStore(ParquetOfflineStore):
    """Reads and appends feature logs with DuckDB."""
