"""What a training run needs to know of one feature service: its label, its features, and what fills its request fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from contract.label import ServiceError
from contract.service import EVENT_TIMESTAMP, Service, labelled_services, read_service
from contract.tags import DeclarationError
from contract.types import is_number
from training.errors import TrainingError
from training.measures.costs import Costs

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One service, as training sees it.

    Attributes:
        service: The feature service's name.
        label: The label events' column that is to be predicted; null while unknown.
        source: The name of the label events' file source.
        path: The folder (or address) of the label events, Parquet in `date=YYYY-MM-DD` partitions.
        timestamp: The column with the event's time.
        event_id: The column that identifies an event.
        known_after: How long after its event a label is known.
        drop_known: The column whose known positives leave the test; None removes none.
        keys: The entity columns that the service's views need, sorted.
        request: Request field to the event column that fills it, in the order of declaration.
        features: Full feature names (`view__feature`) in the service's order: the model's columns.
        predicts: `binary` (1 or 0), `regression` (a number) or `ranking` (a relevance, 0, 1, 2, ...).
        group: For a ranking: the event column whose equal values are one list of candidates.
        arrived: The column that says when a label became known (rule 12); empty where nobody notes it.
        costs: What a missed positive and an alert cost; None where nobody says.
        segments: Event columns or features by whose parts the model is measured.
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
    predicts: str = "binary"
    group: str | None = None
    arrived: str = ""
    costs: Costs | None = None
    segments: tuple[str, ...] = ()


def read_task(store: FeatureStore, name: str) -> TrainingTask:
    """Read one service and check that a model can be trained on it.

    Raises:
        TrainingError: The service is unknown or has no label, the label's source is unknown or says no event id, or a
            feature is not a number.
    """
    try:
        return task_of(read_service(store, name))
    except DeclarationError as error:
        raise TrainingError(str(error)) from None


def task_of(service: Service) -> TrainingTask:
    """Return the task of a service.

    Raises:
        ServiceError: It has no label, a feature is not a number, or a request field is the label.
    """
    label = service.label
    if label is None:
        raise ServiceError(
            f"{service.name}: no label; write tags={{'millrace.label': '<file source>:<column>'}} on the feature service."
        )
    for feature, kind in service.features:
        if not is_number(kind):
            raise ServiceError(
                f"{service.name}: feature {feature.replace('__', ':', 1)} is {kind}, and a model reads numbers; compute"
                " one from it in an on-demand feature view, and name that in the service instead."
            )
    request = []
    for field in service.request:
        # Feast asks for the time under this name, whatever the source calls it.
        column = field.filled_by or (label.timestamp if field.name == EVENT_TIMESTAMP else field.name)
        if column == label.column:
            raise ServiceError(
                f"{service.name}: request field {field.name!r} would be filled from the label {label.column!r}, which no"
                " request can know; take the field out of the request source."
            )
        request.append((field.name, column))
    return TrainingTask(
        service=service.name,
        label=label.column,
        source=label.source,
        path=label.path,
        timestamp=label.timestamp,
        event_id=label.event_id,
        known_after=label.delay,
        drop_known=service.drop_known,
        keys=tuple(sorted(name for name, _ in service.keys)),
        request=tuple(request),
        features=tuple(name for name, _ in service.features),
        predicts=service.predicts,
        group=service.group,
        arrived=label.arrived,
        costs=Costs.parse(service.costs) if service.costs else None,
        segments=service.segments,
    )


def default_service(store: FeatureStore) -> str:
    """Name the last labelled service, numbers counted as numbers: of `v2` and `v10`, the latter.

    Raises:
        TrainingError: No service carries a label.
    """
    services = store.list_feature_services()
    if not services:
        raise TrainingError("no feature service is registered; declare one, and run `make apply`.")
    labelled = labelled_services(services)
    if not labelled:
        raise TrainingError(
            "no feature service has a label; write tags={'millrace.label': '<file source>:<column>'} on one."
        )
    return labelled[-1]
