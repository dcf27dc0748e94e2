"""Describes where one feature view lives online: Feast's layout, as plain data.

In Redis, one hash per entity key; in it, for a view, the field `_ts:<view>` (event time) and one field per feature, named by a
hash of view and feature. In DynamoDB, one table per view.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import mmh3

from contract.service import NO_ENTITY
from contract.tags import Tier, read_cache, read_tags, read_tier
from contract.types import value_type_of

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView
    from feast.base_feature_view import BaseFeatureView
    from feast.repo_config import RepoConfig


class LayoutError(ValueError):
    """A feature view that cannot be laid out; the message says what to declare instead."""


JOIN_KEYS: Final = {
    "BYTES": (1, ""),
    "STRING": (2, ""),
    "INT32": (3, "<i4"),
    "INT64": (4, "<i8"),
    "UNIX_TIMESTAMP": (8, "<i8"),
}
"""Feast's `ValueType`s that can be join keys: their numbers and, for numbers, their struct format."""


def check_join_key(where: str, value_type: str) -> None:
    """Refuse a type that Feast cannot make a key of.

    Raises:
        LayoutError: It is none of `JOIN_KEYS`.
    """
    if value_type not in JOIN_KEYS:
        raise LayoutError(f"{where}: a join key cannot be {value_type}; use one of {', '.join(JOIN_KEYS)}.")


@dataclass(frozen=True, slots=True)
class ViewLayout:
    """A feature view as it is stored, free of Feast's objects.

    Attributes:
        project: Feast's project, the end of every key.
        name: The view's name in the store, with its version suffix if versions are enabled.
        join_keys: Join key names with their Feast `ValueType` names, such as `("user_id", "STRING")`.
        features: Feature names with their Feast `ValueType` names, such as `("clicks_1h", "INT64")`.
        ttl_us: How long a row holds, microseconds; 0 for ever.
        alias: What a reader calls the view; its name when empty.
        key_columns: For join keys that a reader gets under other names: (join key, its name).
        tier: Which store of a tiered one holds it.
        cache_us: How old a cached row may be, microseconds; 0 where no cache may hold it.
        cache_stale_us: How old it may be while the store does not answer, microseconds; 0 where no older than else.
    """

    project: str
    name: str
    join_keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    ttl_us: int = 0
    alias: str = ""
    key_columns: tuple[tuple[str, str], ...] = ()
    tier: Tier = "hot"
    cache_us: int = 0
    cache_stale_us: int = 0

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(name for name, _ in self.features)

    @property
    def timestamp_field(self) -> bytes:
        """The hash field that holds the event time."""
        return f"_ts:{self.name}".encode()

    def feature_field(self, feature: str) -> bytes:
        """Return the hash field that holds a feature: murmur3, 32 bits, little endian."""
        return struct.pack("<I", mmh3.hash(f"{self.name}:{feature}", signed=False))


def layout_of(feature_view: FeatureView, config: RepoConfig) -> ViewLayout:
    """Return the layout of a feature view of any kind (plain, batch or stream), or of an on-demand view that is stored.

    The registry lists a stream view's join keys among its features, and these in any order: join keys are left out, and
    nothing may depend on the order.

    Args:
        feature_view: A view from the registry, so that its entity columns are known.
        config: The feature store's configuration: project and view versions.

    Raises:
        LayoutError: The entity keys are serialized in a version other than 3, or the view's entity columns are unknown.
        TagError: A tag names no tier, or a bound of the cache that cannot be kept.
        UnknownTypeError: A feature has a type that cannot be stored.
    """
    from feast.infra.online_stores.helpers import compute_versioned_name

    if config.entity_key_serialization_version != 3:
        raise LayoutError(
            f"feature_store.yaml: entity_key_serialization_version is {config.entity_key_serialization_version}; "
            "Feast 0.67 writes version 3 only, set it to 3."
        )
    keys = tuple((field.name, value_type_of(feature_view.name, field)) for field in feature_view.entity_columns)
    if not keys and not feature_view.entities:
        keys = ((NO_ENTITY, "STRING"),)  # listing views, Feast hides the key of those without entities
    if not keys:
        raise LayoutError(
            f"{feature_view.name}: its entity columns are not known; put the join keys into schema=, "
            "or read the view from the registry after 'feast apply'."
        )
    ttl = getattr(feature_view, "ttl", None)  # an on-demand view that is stored has none
    ttl_us = ttl // timedelta(microseconds=1) if ttl else 0
    join_keys = {name for name, _ in keys}
    tags = read_tags(feature_view.name, feature_view.tags, "view")
    cache_us, cache_stale_us = read_cache(feature_view.name, tags, ttl_us)
    return ViewLayout(
        project=config.project,
        name=compute_versioned_name(feature_view, config.registry.enable_online_feature_view_versioning),
        join_keys=keys,
        features=tuple(
            (field.name, value_type_of(feature_view.name, field))
            for field in feature_view.features
            if field.name not in join_keys
        ),
        ttl_us=ttl_us,
        tier=read_tier(feature_view.name, tags),
        cache_us=cache_us,
        cache_stale_us=cache_stale_us,
    )


def check_types(views: Iterable[BaseFeatureView]) -> None:
    """Refuse views with fields or join keys that cannot be stored.

    Raises:
        UnknownTypeError: A feature, or a join key, has a type that cannot be stored.
        LayoutError: A join key has a type that Feast cannot make a key of.
    """
    for view in views:
        for field in view.features:
            value_type_of(view.name, field)
        for field in getattr(view, "entity_columns", ()):
            check_join_key(f"{view.name}.{field.name}", value_type_of(view.name, field))


def layouts_of(store: FeatureStore, views: Sequence[str]) -> dict[str, ViewLayout]:
    """Return the layout of each view.

    Raises:
        LayoutError: A view is not in the registry, or cannot be laid out.
    """
    known = {view.name: view for view in [*store.list_feature_views(), *store.list_stream_feature_views()]}
    missing = [view for view in views if view not in known]
    if missing:
        raise LayoutError(f"{', '.join(missing)}: not in the registry; run `make apply`.")
    return {view: layout_of(known[view], store.config) for view in views}
