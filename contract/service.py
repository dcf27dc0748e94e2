"""The one reading of a feature service, for training and for serving: what it looks up, computes, asks for and predicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from contract.label import Label, ServiceError, read_label
from contract.tags import read_tags, read_takes
from contract.types import kind_of_field

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView
    from feast.feature_view_projection import FeatureViewProjection
    from feast.on_demand_feature_view import OnDemandFeatureView

EVENT_TIMESTAMP: Final = "event_timestamp"
NO_ENTITY: Final = "__dummy_id"
"""Feast's key of a view without entities; its value is the empty text."""

KINDS: Final = ("binary", "regression", "ranking")


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view whose values are looked up.

    Attributes:
        name: The view's name in the registry.
        alias: What its full feature names begin with: the name, or what `with_name` made of it.
        view: Feast's object.
        keys: Its join keys: (name in the view, the entity column that carries it, kind); none for a view without
            entities.
        features: Every feature that the service or one of its on-demand views reads: (name, kind).
    """

    name: str
    alias: str
    view: FeatureView = field(repr=False, compare=False)
    keys: tuple[tuple[str, str, str], ...]
    features: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OnDemandView:
    """A view computed from the request and from stored features.

    Attributes:
        name: The view's name.
        mode: How the function is called: `pandas`, `python`, or `arrays` for one that takes both these and frames.
        udf: The declared function: a frame to a frame, a dict of lists to a dict of lists, or a mapping of NumPy arrays to one.
        source: Its text.
        inputs: The stored features it declares: (alias of the view, feature).
        outputs: The features the service takes from it: (name, kind).
        problem: Why it cannot be computed for a batch of rows; None when it can.
    """

    name: str
    mode: str
    udf: Callable[[Any], Any] = field(repr=False, compare=False)
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    problem: str | None = None
    source: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RequestData:
    """A value that on-demand views need and no store has.

    Attributes:
        name: Its name.
        kind: Its kind.
        filled_by: The entity column, request field or event column that fills it; None for one of its own name.
    """

    name: str
    kind: str
    filled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A feature service.

    Attributes:
        name: The service's name.
        features: Its features in declared order: (`alias__feature`, kind). The model's columns are some of them.
        stored: What is looked up.
        on_demand: What is computed.
        keys: The entity columns: (name, kind).
        request: What on-demand views need besides.
        predicts: `binary`, `regression` or `ranking`.
        label: What is to be predicted; None for a service that only serves features.
        group: For a ranking: the event column whose equal values are one list of candidates.
        decides_on: The topic whose events are the moments of decision; None where none is named.
        drop_known: The event column whose known positives leave the test; None for none.
        costs: What a missed positive and an alert cost, as the tag says it; None where it says nothing.
        segments: Event columns or features by whose parts a model is measured.
    """

    name: str
    features: tuple[tuple[str, str], ...]
    stored: tuple[StoredView, ...]
    on_demand: tuple[OnDemandView, ...]
    keys: tuple[tuple[str, str], ...]
    request: tuple[RequestData, ...]
    predicts: str = "binary"
    label: Label | None = None
    group: str | None = None
    decides_on: str | None = None
    drop_known: str | None = None
    costs: str | None = None
    segments: tuple[str, ...] = ()


def read_service(store: FeatureStore, name: str) -> Service:
    """Read a feature service from the registry.

    Raises:
        ServiceError: It is not there, has no features, a view or request field clashes with another, or what it predicts
            is not understood.
        TagError: A tag is unknown or wrong.
    """
    service = _find(store, name)
    views = _Views(store, name)
    features: list[tuple[str, str]] = []
    for projection in service.feature_view_projections:
        features += [(f"{_alias(projection)}__{f.name}", kind_of_field(f.dtype)) for f in projection.features]
        views.add(projection)
    if not features:
        raise ServiceError(f"{name}: no features; name at least one view in features=[...].")
    tags = read_tags(name, service.tags, "service")
    sources = {source.name: source for source in store.list_data_sources() if hasattr(source, "path")}
    stored = views.stored()
    keys = dict((column, kind) for view in stored for _, column, kind in view.keys)
    return Service(
        name=name,
        features=tuple(features),
        stored=stored,
        on_demand=tuple(views.on_demand),
        keys=tuple(keys.items()),
        request=_request(name, keys, views.sources),
        predicts=_predicts(name, tags),
        label=read_label(name, tags["label"], sources) if tags.get("label") else None,
        group=tags.get("group"),
        decides_on=tags.get("decides_on"),
        drop_known=tags.get("drop_known"),
        costs=tags.get("costs"),
        segments=tuple(tags.get("segments", "").replace(",", " ").split()),
    )


def labelled_services(services: Iterable[FeatureService]) -> list[str]:
    """Return the names of the services that have a label, numbers counted as numbers: `v2` before `v10`."""
    return sorted((one.name for one in services if read_tags(one.name, one.tags, "service").get("label")), key=_natural)


class _Views:
    """Collects the views that a service's projections need, each once."""

    def __init__(self, store: FeatureStore, service: str) -> None:
        self._store = store
        self._service = service
        self._stored: dict[str, tuple[FeatureView, dict[str, str], dict[str, str]]] = {}
        self.on_demand: list[OnDemandView] = []
        self.sources: list[tuple[str, Any]] = []

    def add(self, projection: FeatureViewProjection) -> None:
        """Add a projection's view, and behind an on-demand view those that it reads."""
        from feast.on_demand_feature_view import OnDemandFeatureView

        view: Any = self._store.registry.get_any_feature_view(projection.name, self._store.project)
        if not isinstance(view, OnDemandFeatureView):
            self._add_stored(view, projection)
            return
        self.on_demand.append(_on_demand(view, projection))
        self.sources += [(view.name, source) for source in view.source_request_sources.values()]
        for source in view.source_feature_view_projections.values():
            self._add_stored(self._store.registry.get_any_feature_view(source.name, self._store.project), source)

    def stored(self) -> tuple[StoredView, ...]:
        """Return the views to look up."""
        return tuple(
            StoredView(
                view.name,
                alias,
                view,
                tuple(
                    (one.name, mapped.get(one.name, one.name), kind_of_field(one.dtype))
                    for one in view.entity_columns
                    if one.name != NO_ENTITY
                ),
                tuple(wanted.items()),
            )
            for alias, (view, mapped, wanted) in self._stored.items()
        )

    def _add_stored(self, view: Any, projection: FeatureViewProjection) -> None:
        alias, mapped = _alias(projection), dict(projection.join_key_map)
        known, other, wanted = self._stored.setdefault(alias, (view, mapped, {}))
        if known.name != view.name or other != mapped:
            raise ServiceError(
                f"{self._service}: {alias} stands for {known.name} by {other or 'its own keys'} and for {view.name} by"
                f" {mapped or 'its own keys'}; give one of them another name with .with_name(...)."
            )
        wanted.update({one.name: kind_of_field(one.dtype) for one in projection.features})


def _find(store: FeatureStore, name: str) -> FeatureService:
    known = {service.name: service for service in store.list_feature_services()}
    if name not in known:
        names = ", ".join(sorted(known, key=_natural)) or "none so far"
        raise ServiceError(
            f"feature service {name} is not in the registry (known: {names}); name one of these, or declare it and run"
            " `make apply`."
        )
    return known[name]


def _on_demand(view: OnDemandFeatureView, projection: FeatureViewProjection) -> OnDemandView:
    problem = None
    if view.mode not in ("pandas", "python"):
        problem = f"is of mode {view.mode}; write it with mode='pandas' or mode='python'."
    elif view.singleton:
        problem = "is a singleton, which Feast computes wrongly for more than one row; take lists."
    elif view.write_to_online_store:
        problem = "is stored online; declare it with write_to_online_store=False, it is computed at request time."
    elif view.aggregations or view.feature_transformation is None:
        problem = "has aggregations or no function; aggregate in a stream or batch view instead."
    inputs = [(_alias(p), f.name) for p in view.source_feature_view_projections.values() for f in p.features]
    outputs = [(f.name, kind_of_field(f.dtype)) for f in projection.features]
    udf: Any = getattr(view.feature_transformation, "udf", None)
    source = getattr(view.feature_transformation, "udf_string", None) or ""
    mode = read_takes(view.name, read_tags(view.name, view.tags, "on demand"), view.mode)
    return OnDemandView(view.name, mode, udf, tuple(inputs), tuple(outputs), problem, source)


def _request(service: str, keys: dict[str, str], sources: list[tuple[str, Any]]) -> tuple[RequestData, ...]:
    """Collect the request data of all on-demand views; one name has one kind and one filling."""
    known: dict[str, RequestData] = {}
    kinds = dict(keys)
    for view, source in sources:
        tags = read_tags(source.name, source.tags, "request")
        for one in source.schema:
            at, kind = f"{service}: {view} asks for {one.name}", kind_of_field(one.dtype)
            if one.name in keys:
                raise ServiceError(
                    f"{at}, a join key, and Feast cannot feed both; name the copy this_{one.name} and tag the"
                    f" RequestSource millrace.fill.this_{one.name}: {one.name}."
                )
            if one.name == EVENT_TIMESTAMP and kind != "timestamp":
                raise ServiceError(f"{at} as {kind}; it holds the event timestamp, declare it as UnixTimestamp.")
            filled_by = tags.get(f"fill.{one.name}")
            other = kinds.setdefault(filled_by or one.name, kind)
            if other != kind:
                raise ServiceError(f"{at} as {kind}, but {filled_by or one.name} is {other}; declare one type.")
            given = known.setdefault(one.name, RequestData(one.name, kind, filled_by))
            if given.filled_by != filled_by:
                raise ServiceError(
                    f"{service}: request field {one.name!r} is filled from {given.filled_by!r} and from {filled_by!r};"
                    f" give one of them another name, or the same millrace.fill.{one.name} tag."
                )
    return tuple(known.values())


def _predicts(service: str, tags: dict[str, str]) -> str:
    predicts = tags.get("predicts", "binary")
    if predicts not in KINDS:
        raise ServiceError(f"{service}: tag millrace.predicts is {predicts!r}; write one of {', '.join(KINDS)}.")
    if (predicts == "ranking") != ("group" in tags):
        raise ServiceError(
            f"{service}: a ranking, and only a ranking, has lists of candidates; write millrace.predicts: ranking together"
            " with millrace.group: <event column whose equal values are one list>."
        )
    if "drop_known" in tags and predicts != "binary":
        raise ServiceError(f"{service}: millrace.drop_known is for what predicts binary; take it away.")
    return predicts


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Split a name into text and numbers that sort as numbers."""
    return [(1, int(part)) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _alias(projection: Any) -> str:
    """Return what Feast puts before a feature's name: the view's name, or what `with_name` made of it."""
    return str(projection.name_to_use())
