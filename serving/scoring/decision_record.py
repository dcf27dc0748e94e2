"""The record of decisions: each with the features behind it, their ages, the model and the arm.

What was served is what was known: a model can be trained on it, and it can be held against what training would have seen.
A batch is handed over as it was scored; columns, and the scores of shadow models, are made in the thread that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from contract.records import decisions_folder
from contract.service import EVENT_TIMESTAMP, Service
from contract.types import TYPES, is_number
from serving.recording.appender import AppendCounts, ParquetAppender
from serving.request.schema import RequestSchema
from serving.scoring.lookup import REASONS
from serving.scoring.scorer import Scored
from stores.cells.timestamps import NO_TIMESTAMP

MOST_WAITING: Final = 50_000
"""How many decisions may wait to be written; each holds its features in memory."""

UTC_US: Final = pa.timestamp("us", tz="UTC")

OWN: Final = {
    "decision_id": pa.string(),
    "decided_at": UTC_US,
    EVENT_TIMESTAMP: UTC_US,
    "model_version": pa.string(),
    "arm": pa.string(),
    "score": pa.float64(),
    "decision": pa.string(),
    "reasons": pa.list_(pa.string()),
    "degraded": pa.bool_(),
    "latency_us": pa.int64(),
}
"""What is recorded of every decision, whatever its service."""


def decision_schema(service: Service, request: RequestSchema, shadows: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of a service's record.

    Beside `OWN`: each request field, each feature as `view__feature`, of each stored view `age_us__<view>` (the event
    timestamp minus the row's time), `missing__<view>` (why there is no row) and `complete_at__<view>` (up to when the stream
    had brought it, as known a moment before; null where no stream tells), and `shadow__<alias>` of each shadow model.
    """
    columns = dict(OWN)
    columns |= {one.name: TYPES[one.kind].arrow for one in request.fields}
    computed = {f"{view.name}__{name}" for view in service.on_demand for name, kind in view.outputs if is_number(kind)}
    columns |= {
        name: pa.float64() if name in computed else TYPES[kind].arrow for name, kind in service.features
    }  # a function may give fractions where whole numbers are declared
    for view in service.stored:
        columns |= {f"age_us__{view.alias}": pa.int64(), f"missing__{view.alias}": pa.string()}
        columns |= {f"complete_at__{view.alias}": UTC_US}
    columns |= {f"shadow__{alias}": pa.float64() for alias in shadows}
    return pa.schema(columns)


class ScoredColumns(Mapping[str, Any]):
    """A scored batch as columns of a record, each made when it is asked for.

    Args:
        schema: The record's.
        scored: The batch.
        decided_at_us: When it was scored, UTC microseconds.
        latency_us: By request: how long it took from its arrival to then.
    """

    def __init__(self, schema: pa.Schema, scored: Scored, decided_at_us: int, latency_us: Sequence[int]) -> None:
        self._schema = schema
        self._scored = scored
        self._decided_at_us = decided_at_us
        self._latency_us = latency_us

    def __iter__(self) -> Iterator[str]:
        return iter(self._schema.names)

    def __len__(self) -> int:
        return len(self._schema)

    def __getitem__(self, name: str) -> Any:
        """Return a column as an Arrow array or a list."""
        own = _OWN_COLUMNS.get(name)
        if own is not None:
            return own(self)
        features = self._scored.features
        if name in features.columns:
            return features.columns[name].arrow()
        if name in features.request:
            return features.request[name].arrow()
        kind, _, of = name.partition("__")
        of_view = {"age_us": self._ages, "missing": self._reasons_of, "complete_at": self._complete}
        return of_view[kind](of) if kind in of_view else self._shadow(of)

    def _ages(self, view: str) -> pa.Array:
        at = self._scored.features.views[view].event_timestamp_us
        return pa.array(self._scored.features.event_timestamp_us - at, mask=at == NO_TIMESTAMP)

    def _reasons_of(self, view: str) -> list[str | None]:
        status = self._scored.features.views[view].row_status.tolist()
        return [REASONS.get(one) for one in status]

    def _complete(self, view: str) -> pa.Array:
        features = self._scored.features
        return pa.array([features.complete_us.get(view)] * features.size, UTC_US)

    def _shadow(self, alias: str) -> Any:
        model = (self._scored.setup.arms.shadows or {}).get(alias)
        if model is None:
            return pa.nulls(self._scored.features.size, pa.float64())
        return model.predict(self._scored.features.matrix(model.file.columns)).astype(np.float64)

    def _decisions(self) -> Sequence[str | None]:
        made = self._scored.decisions
        return made.names if made else [None] * self._scored.features.size

    def _reasons(self) -> list[list[str]]:
        given = self._scored.decisions.reasons if self._scored.decisions else {}
        return [given.get(row, []) for row in range(self._scored.features.size)]

    def _degraded(self) -> Any:
        degraded = self._scored.features.degraded
        return np.zeros(self._scored.features.size, np.bool_) if degraded is None else degraded

    def _by_row(self, of: Callable[[int], Any]) -> list[Any]:
        return [of(row) for row in range(self._scored.features.size)]


_OWN_COLUMNS: Final[dict[str, Callable[[ScoredColumns], Any]]] = {
    "decision_id": lambda batch: batch._scored.ids,
    "decided_at": lambda batch: pa.array([batch._decided_at_us] * batch._scored.features.size, UTC_US),
    EVENT_TIMESTAMP: lambda batch: pa.array(batch._scored.features.event_timestamp_us).cast(UTC_US),
    "model_version": lambda batch: batch._by_row(lambda row: batch._scored.model_of(row).file.version),
    "arm": lambda batch: batch._by_row(batch._scored.arm_of),
    "score": lambda batch: batch._scored.scores,
    "decision": lambda batch: batch._decisions(),
    "reasons": lambda batch: batch._reasons(),
    "degraded": lambda batch: batch._degraded(),
    "latency_us": lambda batch: batch._latency_us,
}


class DecisionRecord:
    """Records the decisions of one service.

    Args:
        data: The data folder; see `decisions_folder`.
        service: The service.
        request: Its request.
    """

    def __init__(self, data: Path, service: Service, request: RequestSchema) -> None:
        self._folder = decisions_folder(data, service.name)
        self._service = service
        self._request = request
        self._before = AppendCounts()
        self._shadows: tuple[str, ...] = ()
        self._appender = self._open()

    @property
    def counts(self) -> AppendCounts:
        """Return what became of the decisions of this process."""
        return self._before + self._appender.counts

    def append(self, scored: Scored, decided_at_us: int, latency_us: Sequence[int]) -> bool:
        """Take a batch to be written, and return at once; False where there was no room for it."""
        shadows = tuple(scored.setup.arms.shadows or ())
        if shadows != self._shadows:  # other columns, so other files from here on
            self._before = self.close()
            self._shadows, self._appender = shadows, self._open(shadows)
        batch = ScoredColumns(self._appender.schema, scored, decided_at_us, latency_us)
        return self._appender.append(batch, scored.features.size)

    def close(self) -> AppendCounts:
        """Write what waits, and return the counts."""
        return self._before + self._appender.close()

    def _open(self, shadows: Sequence[str] = ()) -> ParquetAppender:
        schema = decision_schema(self._service, self._request, shadows)
        return ParquetAppender(self._folder, schema, most_rows=MOST_WAITING)
