"""What an engine of the offline store does: point-in-time joins over feature logs, and rows of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from stores.parquet.asof_join import files_for
from stores.parquet.asof_sql import LogColumns
from stores.parquet.labels import Labels
from stores.parquet.log_files import LogFiles
from stores.parquet.log_rows import LogQuery


@dataclass(frozen=True, slots=True)
class ViewJoin:
    """One view's part of a join.

    Attributes:
        columns: What to join.
        labels: The view's join keys, `__row` and `__time`; a row for each label.
        found: The files that labels can match.
    """

    columns: LogColumns
    labels: pa.Table
    found: LogFiles


class Engine(Protocol):
    """Runs the same joins and queries wherever the work is done; equal inputs give equal values."""

    def join(self, joins: Sequence[ViewJoin], rows: int) -> Iterator[pa.Table]:
        """Yield the features of all views, a row for each of `rows` labels, in their order; in one piece or more."""
        ...

    def all_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield all rows, in no particular order; in one piece or more."""
        ...

    def latest_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield each entity's newest row; in one piece or more."""
        ...


def joins_of(labels: Labels, views: Sequence[LogColumns]) -> list[ViewJoin]:
    """Return each view's part of a join.

    Raises:
        FeatureLogMissingError: A view has no log yet.
        FeatureLogError: A log lacks a column.
    """
    joins = []
    for columns in views:
        keyed = labels.keyed_by([given for _, given in columns.join_keys])
        joins.append(ViewJoin(columns, keyed, files_for(columns, keyed)))
    return joins
