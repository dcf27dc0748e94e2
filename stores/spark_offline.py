"""Feast plug-in: the offline store for a cluster, the same point-in-time joins over Parquet feature logs, by Spark.

In `feature_store.yaml`:

    offline_store:
      type: stores.spark_offline.SparkAsofOfflineStore
      memory_limit: 2GB

SPARK_MASTER names the cluster; without it all cores of this machine are used. A session that is open already is used as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from feast.repo_config import FeastConfigBaseModel

from stores.parquet.offline_store import ParquetOfflineStore
from stores.spark.engine import LABELS_A_CHUNK, ROWS_A_TASK, SparkEngine


class SparkAsofOfflineStoreConfig(FeastConfigBaseModel):
    """Options of the store."""

    type: Literal["stores.spark_offline.SparkAsofOfflineStore"] = "stores.spark_offline.SparkAsofOfflineStore"
    memory_limit: str | None = None
    """Memory of the DuckDB in each task, such as `2GB`, beyond which it spills; None takes 80 % of the task's machine."""
    rows_a_task: int = ROWS_A_TASK
    """About how many rows a task reads or joins."""
    labels_a_chunk: int = LABELS_A_CHUNK
    """About how many rows of the result come to the caller at a time."""

    def open_engine(self, repo_path: Path | None) -> SparkEngine:
        """Return the engine."""
        return SparkEngine(self.memory_limit, self.rows_a_task, self.labels_a_chunk)


class SparkAsofOfflineStore(ParquetOfflineStore):
    """Reads feature logs with Spark, and appends to them."""
