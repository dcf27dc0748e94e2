"""What a service is to predict: which column of which table, and when it becomes known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from contract.checks import TableChecks, table_checks
from contract.source_address import source_address
from contract.tags import DeclarationError, read_duration, read_tags


class ServiceError(DeclarationError):
    """A feature service that cannot be used as declared; the message says what to declare instead."""


@dataclass(frozen=True, slots=True)
class Label:
    """The label events of a service.

    Attributes:
        source: The name of their file source.
        column: The column to predict; null while unknown.
        path: Their folder (or address), Parquet in `date=YYYY-MM-DD` partitions.
        timestamp: The column with the event's time.
        event_id: The column that identifies an event.
        known_after: Microseconds after its event at which a label is known.
        arrived: The column that says when it became known (rule 12); empty where nobody notes it.
        checks: What the label events must be like.
    """

    source: str
    column: str
    path: str
    timestamp: str
    event_id: str
    known_after: int
    arrived: str = ""
    checks: TableChecks = field(default_factory=TableChecks, compare=False)

    @property
    def delay(self) -> timedelta:
        """Return how long after its event a label is known."""
        return timedelta(microseconds=self.known_after)

    def __str__(self) -> str:
        """Return `<file source>:<column>`, as the tag says it."""
        return f"{self.source}:{self.column}"


def read_label(service: str, text: str, sources: Mapping[str, Any]) -> Label:
    """Read a service's tag `millrace.label`.

    Args:
        service: The service's name.
        text: The tag's text.
        sources: All file sources by name.

    Raises:
        ServiceError: The text is not understood, or the source is unknown or says no event id.
        TagError: A tag of the source is wrong.
    """
    name, colon, column = text.partition(":")
    if not (name and colon and column):
        raise ServiceError(
            f"{service}: label {text!r} is not understood; write tags={{'millrace.label': '<file source>:<column>'}} on"
            " the feature service."
        )
    if name not in sources:
        known = ", ".join(sorted(sources)) or "none so far"
        raise ServiceError(
            f"{service}: tag millrace.label names {name!r}, which is not a file source; use one of {known}, or declare it"
            " and run `make apply`."
        )
    source = sources[name]
    tags = read_tags(name, source.tags, "source")
    if "event_id" not in tags:
        raise ServiceError(f"{name}: no event id; write tags={{'millrace.event_id': '<column>'}} on this file source.")
    known_after = read_duration(name, tags, "known_after")
    return Label(
        name,
        column,
        source_address(source),
        source.timestamp_field,
        tags["event_id"],
        known_after,
        tags.get("arrived", ""),
        table_checks(source),
    )


def declared_labels(declared: Any) -> list[Label]:
    """Return the labels of all services that a repo declares, in the order of declaration.

    Raises:
        ServiceError: A label is not understood, or its source is unknown or says no event id.
        TagError: A tag is wrong.
    """
    sources = {source.name: source for source in declared.data_sources if hasattr(source, "path")}
    tags = {service.name: read_tags(service.name, service.tags, "service") for service in declared.feature_services}
    return [read_label(name, said["label"], sources) for name, said in tags.items() if said.get("label")]
