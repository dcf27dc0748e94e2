"""Reads features as Feast's feature server does: with Feast itself, from a request that was checked before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from contract.service import NO_ENTITY
from contract.types import kind_of_field, kind_of_value_type
from serving.protocols.answer import AnswerError
from serving.protocols.feast_values import as_feast, check_column, read_columns
from serving.request.fields import describe
from serving.request.schema import RequestError

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore

_FLAGS: Final = ("full_feature_names", "include_feature_view_version_metadata")


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request.

    Attributes:
        features: What is read.
        entities: The values by column.
        flags: The rest of what Feast's call takes.
    """

    features: list[str] | FeatureService
    entities: dict[str, list[Any]]
    flags: dict[str, bool]


def read_features(store: FeatureStore, body: object, most: int) -> dict[str, Any]:
    """Answer one request; blocks.

    Raises:
        RequestError: The request does not fit.
        AnswerError: What it asks for is not there.
        feast.errors.FeastError: Feast refuses it.
    """
    from feast.feature_server_utils import convert_response_to_dict

    asked = _check(store, body, most)
    answer = store.get_online_features(asked.features, asked.entities, **asked.flags)
    return convert_response_to_dict(answer.proto)


def _check(store: FeatureStore, body: object, most: int) -> Asked:
    if type(body) is not dict:
        raise RequestError(None, f"expected a JSON object, got {describe(body)}")
    entities = read_columns(body.get("entities"), "entities", most)
    flags = {name: _flag(body, name) for name in _FLAGS}
    features = _features(store, body)
    keys, requested, others = _wanted(store, features, flags["full_feature_names"])
    kinds = {**keys, **requested}
    absent = [name for name in kinds if name not in entities]
    if absent:
        raise RequestError(f"entities.{absent[0]}", f"is missing; expected a list of values of type {kinds[absent[0]]}")
    given = {
        name: as_feast(check_column(entities[name], kind, f"entities.{name}", name in requested), kind)
        for name, kind in {**others, **kinds}.items()
        if name in entities
    }
    if not given:  # views without entities: any column says how many rows are wanted
        given = {next(iter(entities)): [""] * len(next(iter(entities.values())))}
    return Asked(features, given, flags)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if type(value) is not bool:
        raise RequestError(name, f"expected true or false, got {describe(value)}")
    return value


def _features(store: FeatureStore, body: dict[str, Any]) -> list[str] | FeatureService:
    name, given = body.get("feature_service"), body.get("features")
    if name is not None:
        if type(name) is not str:
            raise RequestError("feature_service", f"expected the name of a feature service, got {describe(name)}")
        return store.get_feature_service(name, allow_cache=True)
    if type(given) is not list or not given:
        raise RequestError("features", 'expected a list such as ["view:feature"], or a feature_service beside it')
    for index, one in enumerate(given):
        if type(one) is not str or one.count(":") != 1 or not all(one.split(":")):
            raise RequestError(f"features[{index}]", f'expected "view:feature", got {describe(one)}')
    return given


def _wanted(
    store: FeatureStore, features: list[str] | FeatureService, full_feature_names: bool
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the join keys and the request data that features need, with their kinds, and all keys, which Feast repeats."""
    from feast import utils

    _check_names(store, features)
    context = utils._get_cached_request_context(store.registry, store.project, features, full_feature_names)
    on_demand, grouped = context[1], context[5]
    keys = {
        view.projection.join_key_map.get(one.name, one.name): kind_of_field(one.dtype)
        for view, _ in grouped
        for one in view.entity_columns
        if one.name != NO_ENTITY
    }
    requested = {
        field.name: kind_of_field(field.dtype)
        for view in on_demand
        for source in view.source_request_sources.values()
        for field in source.schema
    }
    entities = store.list_entities(allow_cache=True)
    others = {one.join_key: kind_of_value_type(one.value_type.name) for one in entities if one.join_key in context[4]}
    return keys, requested, others


def _check_names(store: FeatureStore, features: list[str] | FeatureService) -> None:
    """Refuse features that their views do not have, which Feast finds out while it reads."""
    if not isinstance(features, list):
        return
    for reference in features:
        view, _, feature = reference.partition(":")
        found = store.registry.get_any_feature_view(view.split("@")[0], store.project, allow_cache=True)
        names = [one.name for one in found.features]
        if feature not in names:
            raise AnswerError(404, f"{view} has no feature {feature}; it has {', '.join(names)}", field="features")
