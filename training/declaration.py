"""Reads from the registry what a feature service needs to be trained on: its features, its label, its request fields.

Everything is declared with Feast's own objects and these tags:

| on | tag | says |
|---|---|---|
| feature service | `millrace.label` | `<file source>:<column>`: where label events are, and which column is 0 or 1 |
| feature service | `millrace.drop_known` | an event column; keys known to be positive leave the test (optional) |
| label's source | `millrace.event_id` | the column that identifies an event |
| label's source | `millrace.known_after` | how long after its event a label is known, such as `7d` (default: at once) |
| request source | `millrace.fill.<field>` | the event column that fills a request field of another name |
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

LABEL_TAG, DROP_KNOWN_TAG = "millrace.label", "millrace.drop_known"
EVENT_ID_TAG, KNOWN_AFTER_TAG, FILL_TAG = "millrace.event_id", "millrace.known_after", "millrace.fill."
NUMBERS = {"Int32", "Int64", "Float32", "Float64", "Bool"}
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class TrainingDeclaration:
    """What a training run needs to know of one feature service.

    Attributes:
        service: The feature service's name.
        label: The label events' column that is 1 for a positive, 0 for a negative, null while unknown.
        source: The name of the label events' file source.
        path: The folder (or address) of the label events, Parquet in `date=YYYY-MM-DD` partitions.
        timestamp: The column with the event's time.
        event_id: The column that identifies an event.
        known_after: How long after its event a label is known.
        drop_known: The column whose known positives leave the test; None removes none.
        keys: The join keys the service's views need, sorted.
        request: Request field to the event column that fills it, in the order of declaration.
        features: Full feature names (`view__feature`) in the service's order: the model's columns.
    """

    service: str
    label: str
    source: str
    path: str
    timestamp: str
    event_id: str
    known_after: timedelta
    drop_known: str | None
    keys: tuple[str, ...]
    request: tuple[tuple[str, str], ...]
    features: tuple[str, ...]


def read_declaration(store: FeatureStore, service_name: str) -> TrainingDeclaration:
    """Read one service's declaration and check that a model can be trained on it.

    Raises:
        TrainingError: The service is unknown or has no label, the label's source is unknown or says no event id, or a
            feature is not a number.
    """
    service = _service(store, service_name)
    source_name, label = _label_tag(service)
    sources: dict[str, Any] = {source.name: source for source in store.list_data_sources() if hasattr(source, "path")}
    if source_name not in sources:
        files = sorted(sources)
        raise TrainingError(
            f"{service_name}: tag {LABEL_TAG} names {source_name!r}, which is no file source in the registry; "
            f"use one of {', '.join(files) or 'none so far'}, or declare it and run feast apply."
        )
    source = sources[source_name]
    if EVENT_ID_TAG not in source.tags:
        raise TrainingError(
            f"{source_name}: no event id; write tags={{{EVENT_ID_TAG!r}: '<column>'}} on this file source."
        )
    keys, request = _needs(store, service)
    return TrainingDeclaration(
        service=service_name,
        label=label,
        source=source_name,
        path=source.path,
        timestamp=source.timestamp_field,
        event_id=source.tags[EVENT_ID_TAG],
        known_after=parse_delay(source.tags.get(KNOWN_AFTER_TAG, "0s")),
        drop_known=service.tags.get(DROP_KNOWN_TAG) or None,
        keys=keys,
        request=_filled(service_name, request, label, source.timestamp_field),
        features=_columns(service),
    )


def default_service(store: FeatureStore) -> str:
    """Name the last labelled service, numbers counted as numbers: of `fraud_v2` and `fraud_v10`, the latter.

    Raises:
        TrainingError: No service carries a label.
    """
    labelled = [service.name for service in store.list_feature_services() if LABEL_TAG in service.tags]
    if not labelled:
        raise TrainingError(
            f"no feature service has a label; write tags={{{LABEL_TAG!r}: '<file source>:<column>'}} on one."
        )
    return max(labelled, key=_natural)


def parse_delay(text: str) -> timedelta:
    """Read a span of time such as `7d`, `12h`, `30min`, `45s` or `2w`.

    >>> parse_delay("36h")
    datetime.timedelta(days=1, seconds=43200)

    Raises:
        TrainingError: The text is no whole number with a unit.
    """
    found = re.fullmatch(r"(\d+)\s*(s|min|h|d|w)", text.strip())
    if found is None:
        raise TrainingError(f"{KNOWN_AFTER_TAG} {text!r} is not a span of time; write it as 7d, 12h, 30min or 45s.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _service(store: FeatureStore, name: str) -> FeatureService:
    known = {service.name: service for service in store.list_feature_services()}
    if name not in known:
        raise TrainingError(
            f"feature service {name!r} is not in the registry; use one of {', '.join(sorted(known)) or 'none so far'}, "
            "or declare it and run feast apply."
        )
    return known[name]


def _label_tag(service: FeatureService) -> tuple[str, str]:
    text = service.tags.get(LABEL_TAG, "")
    source, colon, column = text.partition(":")
    if not (source and colon and column):
        raise TrainingError(
            f"{service.name}: {'no label' if not text else f'label {text!r} is not understood'}; write "
            f"tags={{{LABEL_TAG!r}: '<file source>:<column>'}} on the feature service."
        )
    return source, column


def _columns(service: FeatureService) -> tuple[str, ...]:
    columns = []
    view: Any  # a projection; Feast's class is partly untyped
    for view in service.feature_view_projections:
        for feature in view.features:
            if str(feature.dtype) not in NUMBERS:
                raise TrainingError(
                    f"{service.name}: feature {view.name}:{feature.name} is {feature.dtype}, and a model reads "
                    "numbers; compute one from it in an on-demand feature view, and name that in the service instead."
                )
            columns.append(f"{view.name_to_use()}__{feature.name}")
    if not columns:
        raise TrainingError(f"{service.name}: no features; name at least one view in features=[...].")
    return tuple(columns)


def _needs(store: FeatureStore, service: FeatureService) -> tuple[tuple[str, ...], list[tuple[str, str | None]]]:
    """Collect the join keys, and each request field with the column its tag names."""
    on_demand = {view.name: view for view in store.list_on_demand_feature_views()}
    keys: set[str] = set()
    request: dict[str, str | None] = {}

    def add_keys(projections: Iterable[Any]) -> None:
        for projection in projections:
            view: Any = store.registry.get_any_feature_view(projection.name, store.project)
            keys.update(projection.join_key_map.get(column.name, column.name) for column in view.entity_columns)

    for projection in service.feature_view_projections:
        if projection.name not in on_demand:
            add_keys([projection])
            continue
        view = on_demand[projection.name]
        add_keys(view.source_feature_view_projections.values())
        for source in view.source_request_sources.values():
            for field in source.schema:
                fill = source.tags.get(f"{FILL_TAG}{field.name}")
                if request.setdefault(field.name, fill) != fill:
                    raise TrainingError(
                        f"{service.name}: request field {field.name!r} is filled from {request[field.name]!r} and from "
                        f"{fill!r}; give one of them another name, or the same {FILL_TAG}{field.name} tag."
                    )
    keys.discard("__dummy_id")  # Feast's key of a view without entities
    return tuple(sorted(keys)), list(request.items())


def _filled(
    service: str, request: list[tuple[str, str | None]], label: str, timestamp: str
) -> tuple[tuple[str, str], ...]:
    filled = []
    for field, column in request:
        # Feast asks for the time under this name, whatever the source calls it.
        source = column or (timestamp if field == "event_timestamp" else field)
        if source == label:
            raise TrainingError(
                f"{service}: request field {field!r} would be filled from the label {label!r}, which no request can "
                "know; take the field out of the request source."
            )
        filled.append((field, source))
    return tuple(filled)


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Split a name into text and numbers that sort as numbers."""
    return [(1, int(part)) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
