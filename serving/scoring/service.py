"""Reads from Feast's registry what serving one feature service takes: views to look up, views to compute, the request.

What cannot be served as declared is refused here, before a replica starts, with what to declare instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serving.request.schema import EVENT_TIMESTAMP, RESERVED, RequestField, RequestSchema

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView
    from feast.feature_view_projection import FeatureViewProjection
    from feast.on_demand_feature_view import OnDemandFeatureView

FILL_TAG = "millrace.fill."
"""Tag of a RequestSource: `millrace.fill.<field>` names the request field that fills `<field>`."""


class ServiceError(ValueError):
    """A feature service that cannot be served as declared; the message says what to declare instead."""


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view whose values are looked up online.

    Attributes:
        name: The view's name.
        view: Feast's object from the registry, for the online store's layout.
        features: Every feature that the service or one of its on-demand views reads: (name, kind).
    """

    name: str
    view: FeatureView = field(repr=False, compare=False)
    features: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OnDemandView:
    """A view computed from the request and from stored features.

    Attributes:
        name: The view's name.
        mode: `pandas` or `python`.
        udf: The declared function: a frame to a frame, or a dict of lists to a dict of lists.
        inputs: The stored features it declares: (view, feature).
        outputs: The features the service takes from it: (name, kind).
    """

    name: str
    mode: str
    udf: Callable[[Any], Any] = field(repr=False, compare=False)
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """A feature service as it is served.

    Attributes:
        name: The service's name.
        features: Its features in declared order: (`view__feature`, kind).
        stored: What is looked up.
        on_demand: What is computed.
        schema: What a request must contain.
    """

    name: str
    features: tuple[tuple[str, str], ...]
    stored: tuple[StoredView, ...]
    on_demand: tuple[OnDemandView, ...]
    schema: RequestSchema


def define_service(store: FeatureStore, name: str) -> ServiceDefinition:
    """Read a feature service from the registry.

    Raises:
        ServiceError: The service is not there, or uses what is not served: renamed or re-keyed views, views without an
            entity, substrait or stored or singleton on-demand views.
    """
    from feast.errors import FeatureServiceNotFoundException
    from feast.on_demand_feature_view import OnDemandFeatureView

    try:
        service = store.get_feature_service(name)
    except FeatureServiceNotFoundException:
        known = ", ".join(sorted(one.name for one in store.list_feature_services())) or "none"
        raise ServiceError(
            f"feature service {name} is not in the registry (known: {known}); name one of these, or run 'make apply'."
        ) from None
    stored: dict[str, tuple[FeatureView, dict[str, str]]] = {}
    on_demand: list[OnDemandView] = []
    sources: list[tuple[str, Any]] = []
    features: list[tuple[str, str]] = []
    for projection in service.feature_view_projections:
        _check_projection(name, projection)
        view = store.registry.get_any_feature_view(projection.name, store.project)
        features += [(f"{projection.name}__{f.name}", kind_of(f.dtype)) for f in projection.features]
        if not isinstance(view, OnDemandFeatureView):
            _read_features(name, view, projection, stored)
            continue
        on_demand.append(_on_demand(name, view, projection))
        sources += [(view.name, source) for source in view.source_request_sources.values()]
        for source_projection in view.source_feature_view_projections.values():
            _check_projection(name, source_projection)
            source_view = store.registry.get_any_feature_view(source_projection.name, store.project)
            _read_features(name, source_view, source_projection, stored)
    keys = {column.name: kind_of(column.dtype) for view, _ in stored.values() for column in view.entity_columns}
    return ServiceDefinition(
        name,
        tuple(features),
        tuple(StoredView(view.name, view, tuple(wanted.items())) for view, wanted in stored.values()),
        tuple(on_demand),
        _request_schema(name, keys, sources),
    )


def kind_of(dtype: Any) -> str:
    """Return the kind of a Feast type: `int64`, `timestamp`, `float64[]`, ...; `unsupported` for maps, sets, JSON."""
    from feast.types import Array, PrimitiveFeastType

    if isinstance(dtype, Array):
        inner = kind_of(dtype.base_type)
        return inner if inner == "unsupported" or inner.endswith("[]") else f"{inner}[]"
    kinds = {"UNIX_TIMESTAMP": "timestamp", "BYTES": "bytes"}
    names = {"INT32", "INT64", "FLOAT32", "FLOAT64", "STRING", "BOOL", *kinds}
    if isinstance(dtype, PrimitiveFeastType) and dtype.name in names:
        return kinds.get(dtype.name, dtype.name.lower())
    return "unsupported"


def _check_projection(service: str, projection: FeatureViewProjection) -> None:
    if (projection.name_alias and projection.name_alias != projection.name) or projection.version_tag is not None:
        raise ServiceError(f"{service}: {projection.name} is renamed or versioned, which is not served; use its name.")
    if projection.join_key_map:
        raise ServiceError(
            f"{service}: {projection.name} is joined by other keys ({projection.join_key_map}), which is not served;"
            " declare a view of its own for that entity."
        )


def _read_features(
    service: str,
    view: Any,
    projection: FeatureViewProjection,
    stored: dict[str, tuple[FeatureView, dict[str, str]]],
) -> None:
    if not view.entity_columns or view.entities == ["__dummy"]:
        raise ServiceError(f"{service}: {view.name} has no entity, so no key to look it up by; give it an entity.")
    if not view.online:
        raise ServiceError(
            f"{service}: {view.name} is declared online=False, so it has no values here; set online=True."
        )
    _, wanted = stored.setdefault(view.name, (view, {}))
    for one in projection.features:
        kind = kind_of(one.dtype)
        if kind == "unsupported":
            raise ServiceError(f"{service}: {view.name}:{one.name} is a {one.dtype}, which is not served; use numbers,"
                               " strings, booleans, timestamps or lists of them.")  # fmt: skip
        wanted[one.name] = kind


def _on_demand(service: str, view: OnDemandFeatureView, projection: FeatureViewProjection) -> OnDemandView:
    at = f"{service}: {view.name}"
    if view.mode not in ("pandas", "python"):
        raise ServiceError(f"{at} is of mode {view.mode}; write it with mode='pandas' or mode='python'.")
    if view.singleton:
        raise ServiceError(f"{at} is a singleton, which Feast computes wrongly for more than one row; take lists.")
    if view.write_to_online_store:
        raise ServiceError(f"{at} is stored online; declare it with write_to_online_store=False, it is computed here.")
    if view.aggregations or view.feature_transformation is None:
        raise ServiceError(f"{at} has aggregations or no function; aggregate in a stream or batch view instead.")
    inputs = [(p.name, f.name) for p in view.source_feature_view_projections.values() for f in p.features]
    outputs = [(f.name, kind_of(f.dtype)) for f in projection.features]
    udf = view.feature_transformation.udf
    return OnDemandView(view.name, view.mode, udf, tuple(inputs), tuple(outputs))


def _request_schema(service: str, keys: dict[str, str], sources: list[tuple[str, Any]]) -> RequestSchema:
    asked: dict[str, str] = {}
    fills: dict[str, str] = {}
    for view, source in sources:
        for one in source.schema:
            at, kind = f"{service}: {view} asks for {one.name}", kind_of(one.dtype)
            if one.name in keys:
                raise ServiceError(
                    f"{at}, a join key, and Feast cannot feed both; name the copy this_{one.name} and tag the"
                    f" RequestSource {FILL_TAG}this_{one.name}: {one.name}."
                )
            filled_by = EVENT_TIMESTAMP if one.name == EVENT_TIMESTAMP else source.tags.get(FILL_TAG + one.name)
            if filled_by == EVENT_TIMESTAMP and kind != "timestamp":
                raise ServiceError(f"{at} as {kind}; it holds the event timestamp, declare it as UnixTimestamp.")
            known = asked.setdefault(filled_by or one.name, kind) if filled_by not in keys else keys[str(filled_by)]
            if kind != known:
                raise ServiceError(f"{at} as {kind}, but {filled_by or one.name} is {known}; declare one type.")
            if filled_by:
                fills[one.name] = filled_by
    asked.pop(EVENT_TIMESTAMP, None)
    for name, kind in {**keys, **asked}.items():
        if name in RESERVED:
            raise ServiceError(f"{service}: {name} has a meaning of its own in a request; name the field otherwise.")
        if kind in ("unsupported", "bytes", "bytes[]"):
            raise ServiceError(f"{service}: {name} cannot be sent as JSON; declare it as a number, string or boolean.")
    fields = [RequestField(name, kind, is_key=True) for name, kind in keys.items()]
    fields += [RequestField(name, kind, is_key=False) for name, kind in asked.items()]
    return RequestSchema(tuple(fields), tuple(fills.items()))
