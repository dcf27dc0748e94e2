"""What engines run: the plan of one feature view, frozen and printable. No engine and no Feast in here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Final, Literal

import pyarrow as pa

from contract.checks import ColumnCheck, TableChecks
from contract.durations import MINUTE, format_duration
from contract.tags import DeclarationError
from contract.types import type_of_ddl
from pipelines.semantics.feature import Feature

MAX_SKEW: Final = 5 * MINUTE


class PlanError(DeclarationError):
    """A declaration that cannot be kept; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class EventTable:
    """One table of events: a topic while they are live, a lake folder ever after.

    Attributes:
        name: The folder's name in the lake, and the topic's.
        lake: Path of the lake folder, Parquet in `date=YYYY-MM-DD` partitions of the UTC day of the event time.
        timestamp: The event time column.
        event_id: The column that tells one event from another.
        topic: The broker's topic; None for a table that only batch views read.
        partition_by: The column by which the topic is partitioned.
        columns: Name and type of each column of the topic, as Spark's DDL writes it.
        lateness: Microseconds that an event may be out of order and still be merged (rule 7).
        known_after: Microseconds after its time at which an event of this table becomes known.
        address: Where the topic's broker is, as the source declares it; empty for none.
        max_skew: Microseconds that an event's time may be ahead of the clock (rule 7).
        encoding: How events are written on the topic: `json`, `avro` or `protobuf`.
        encoding_schema: The Avro schema as JSON, or the import path of the Protobuf message; empty for JSON.
        registry: Where the schemas are that Avro events name; empty for nowhere.
        arrived: The lake's column that says when an event became known (rule 12); empty where nobody notes it.
        checks: What its events must be like; no part of their meaning.
    """

    name: str
    lake: str
    timestamp: str
    event_id: str
    topic: str | None = None
    partition_by: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    lateness: int = 0
    known_after: int = 0
    address: str = ""
    max_skew: int = MAX_SKEW
    encoding: str = "json"
    encoding_schema: str = ""
    registry: str = ""
    arrived: str = ""
    checks: TableChecks = field(default_factory=TableChecks, compare=False)

    @property
    def topic_name(self) -> str:
        """Return what the topic is called, or would be."""
        return self.topic or self.name

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the topic's events."""
        return _schema_of(self.columns)


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """How one feature view is computed.

    Attributes:
        view: The feature view.
        kind: `stream` (rule 1) or `batch` (rule 2).
        keys: The entity's join keys.
        features: What is computed.
        table: The events.
        log: Path of the feature log, Parquet in `date=YYYY-MM-DD` partitions.
        ttl: Microseconds that a row holds; 0 for ever.
        transform: A pandas function from events to events with more columns, applied first; None for none.
        checks: What the values of keys and features must be like, by name; no part of their meaning.
        inputs: The columns that the features read, each once.
    """

    view: str
    kind: Literal["stream", "batch"]
    keys: tuple[str, ...]
    features: tuple[Feature, ...]
    table: EventTable
    log: str
    ttl: int = 0
    transform: Callable[[Any], Any] | None = None
    checks: Mapping[str, ColumnCheck] = field(default_factory=dict, compare=False)
    inputs: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inputs = tuple(dict.fromkeys(name for f in self.features for name in f.inputs))
        object.__setattr__(self, "inputs", inputs)

    @property
    def reach(self) -> int:
        """Return how far back, in microseconds, an event can still matter."""
        return max(f.window.delay + f.window.size + f.window.slide for f in self.features)

    def to_json(self) -> str:
        """Return the plan as JSON, durations written out."""
        table = {**asdict(self.table), "columns": dict(self.table.columns)}
        checks = {"table": table.pop("checks"), "view": {name: asdict(one) for name, one in self.checks.items()}}
        return json.dumps(
            {
                "view": self.view,
                "kind": self.kind,
                "keys": self.keys,
                "table": table,
                "log": self.log,
                "ttl": format_duration(self.ttl),
                "transform": getattr(self.transform, "__qualname__", None),
                "features": [_describe(feature) for feature in self.features],
                "checks": checks,
            },
            indent=2,
        )


@cache
def _schema_of(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    return pa.schema([(name, type_of_ddl(kind).arrow) for name, kind in columns])


def _describe(feature: Feature) -> dict[str, Any]:
    window = feature.window
    return {
        "name": feature.name,
        "function": feature.function,
        "column": feature.column,
        "size": format_duration(window.size),
        "slide": format_duration(window.slide),
        "delay": format_duration(window.delay),
        "session_gap": feature.gap and format_duration(feature.gap),
    }
