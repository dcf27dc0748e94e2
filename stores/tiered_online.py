"""Feast plug-in: a hot store, Redis, and a warm one, DynamoDB, as one online store; a view's tag says which holds it.

In `feature_store.yaml`:

    online_store:
      type: stores.tiered_online.MillraceTieredOnlineStore
      hot: {connection_string: 127.0.0.1:6379}
      warm: {region: eu-central-1}
      warm_timeout_ms: 50

and on a view `tags={"millrace.store": "warm"}`: `hot` (the default), `warm`, or `both`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.repo_config import FeastConfigBaseModel
from pydantic import PositiveFloat, PositiveInt, model_validator

from contract.tags import Tier, read_tags, read_tier
from stores.breaker import OPEN_S
from stores.cells.feast_row import FeastRow
from stores.cells.feature_vectors import Row, row_statuses
from stores.cells.layout import ViewLayout, check_types
from stores.cells.reading import Status
from stores.dynamo_online import MillraceDynamoOnlineStore, MillraceDynamoOnlineStoreConfig
from stores.feast_plugin import AskedRows, FoundRows, MillraceOnlineStore, Progress, Statuses
from stores.online import OnlineStoreUnavailable
from stores.redis_online import MillraceRedisOnlineStore, MillraceRedisOnlineStoreConfig
from stores.tiered.warm_calls import FAILURES, WarmCalls

if TYPE_CHECKING:
    from feast.infra.infra_object import InfraObject

_Type = Literal["stores.tiered_online.MillraceTieredOnlineStore"]


class MillraceTieredOnlineStoreConfig(FeastConfigBaseModel):
    """Options of the store."""

    type: _Type = "stores.tiered_online.MillraceTieredOnlineStore"
    hot: MillraceRedisOnlineStoreConfig
    """Options of the Redis store; its `clock` is what any ttl is measured against."""
    warm: MillraceDynamoOnlineStoreConfig
    """Options of the DynamoDB store."""
    warm_timeout_ms: PositiveFloat = 50.0
    """How long a read waits for the warm store; its features are unavailable then, the others as they are."""
    warm_failures: PositiveInt = FAILURES
    """How many reads in a row that the warm store does not answer in time make it be skipped for a while."""
    warm_skip_ms: PositiveFloat = OPEN_S * 1000
    """That while; its features are unavailable in it."""
    statuses: Statuses = "millrace"
    """Whose statuses Feast's clients get; with `feast` those of Feast's store of the tier, and no ttl is applied."""

    @model_validator(mode="after")
    def _check_statuses(self) -> MillraceTieredOnlineStoreConfig:
        if "feast" in (self.hot.statuses, self.warm.statuses):
            raise ValueError("online_store: write statuses: feast beside hot and warm, not in them.")
        return self


class MillraceTieredOnlineStore(MillraceOnlineStore):
    """Two stores, by view."""

    def __init__(self) -> None:
        """Open neither yet."""
        super().__init__()
        self._hot = MillraceRedisOnlineStore()
        self._warm = MillraceDynamoOnlineStore()
        self._parts: tuple[RepoConfig, RepoConfig, RepoConfig] | None = None
        self._calls: WarmCalls | None = None
        self._clock_us: int | None = None

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: Sequence[FeastRow], progress: Progress | None
    ) -> None:
        """Write rows of a view to its store, or to both, the hot one first; older ones never over newer ones.

        Raises:
            OnlineStoreUnavailable: A store that is needed does not answer.
        """
        hot, warm = self._configs(config)
        tier = _tier(table)
        if tier != "warm":
            self._hot.online_write_batch(hot, table, data, None)
        if tier != "hot":
            self._warm.online_write_batch(warm, table, data, None)
        if progress:
            progress(len(data))

    def find_rows(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views, from both stores at the same time.

        Rows of a warm view that does not answer in time are UNAVAILABLE. Of a view in both, the warm store is asked for the
        rows that the hot one does not have, or has too old; while that does not answer, for all of them. Rows of hot views are
        UNAVAILABLE then, and a clock of the stream stands where it was last seen.

        Raises:
            OnlineStoreUnavailable: The hot store does not answer, and the warm one has no answer either.
        """
        hot, warm = self._configs(config)
        calls = self._warm_calls(config)
        in_warm = [one for one in asked if one.layout.tier == "warm"]
        in_hot = [one for one in asked if one.layout.tier != "warm"]
        if any(one.layout.tier != "hot" for one in asked):
            self._warm.open(warm)  # not in the time of the call
        first = calls.start(self._warm.fetch, warm, in_warm) if in_warm else None
        timed, away = any(one.layout.ttl_us for one in asked), None
        rows: Sequence[list[Row] | None]
        try:
            rows, as_of_us = self._hot.fetch(hot, in_hot, timed=timed)
            self._clock_us = as_of_us if timed else self._clock_us
        except OnlineStoreUnavailable as error:
            if all(one.layout.tier == "hot" for one in asked):
                raise
            by_stream = hot.online_store.clock == "stream"
            rows, away, as_of_us = [None] * len(in_hot), error, self._clock_us if by_stream else self._hot.now_us()
        found = {id(one): _judged(one, some, as_of_us) for one, some in zip(in_hot, rows, strict=True)}
        second = []
        for one in in_hot:
            lost = [row for row, status in enumerate(found[id(one)].statuses) if status != Status.PRESENT]
            if one.layout.tier == "both" and lost:
                ask = replace(one, keys=[one.keys[row] for row in lost])
                second.append((one, lost, ask, calls.start(self._warm.fetch, warm, [ask])))
        if first is not None:
            answer = first.answer()
            for place, one in enumerate(in_warm):
                found[id(one)] = _judged(one, answer[place] if answer else None, as_of_us)
        for one, lost, ask, call in second:
            answer = call.answer()
            _fill(found[id(one)], lost, _judged(ask, answer[0] if answer else None, as_of_us))
        if away is not None and all(status == Status.UNAVAILABLE for one in found.values() for status in one.statuses):
            raise away
        return [found[id(one)] for one in asked]

    def absent_in_feast(self, layout: ViewLayout) -> Status:
        """Return what Feast's store of the view's tier gives; of the hot one for what is in both."""
        return (self._warm if layout.tier == "warm" else self._hot).absent_in_feast(layout)

    def stats(self) -> Mapping[str, Any]:
        """Return what reads did since the first, as JSON can hold it."""
        return {"hot": self._hot.stats(), "warm": {"calls": self._calls.stats() if self._calls else {}}}

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make room for views in the stores that their tags name; what is gone leaves both.

        Raises:
            TagError: A view's tag names no tier; nothing is changed.
            UnknownTypeError: A view that is to stay has a feature of a type that cannot be stored; nothing is changed.
            LayoutError: Or a join key of one.
        """
        check_types(tables_to_keep)
        hot, warm = self._configs(config)
        tiers = [_tier(view) for view in tables_to_keep]
        for store, own, other in ((self._hot, hot, "warm"), (self._warm, warm, "hot")):
            kept = [view for view, tier in zip(tables_to_keep, tiers, strict=True) if tier != other]
            store.update(own, tables_to_delete, kept, entities_to_delete, entities_to_keep, partial)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Empty both stores."""
        hot, warm = self._configs(config)
        self._hot.teardown(hot, tables, entities)
        self._warm.teardown(warm, tables, entities)

    def plan(self, config: RepoConfig, desired_registry_proto: Any) -> list[InfraObject]:
        """Return nothing: `update` looks for itself."""
        return []

    def _configs(self, config: RepoConfig) -> tuple[RepoConfig, RepoConfig]:
        """Return the configurations of the hot and the warm store: this one with their options."""
        if self._parts is None or self._parts[0] is not config:
            parts = []
            for options in (config.online_store.hot, config.online_store.warm):
                part = config.model_copy()
                part._online_store = options
                parts.append(part)
            self._parts = config, parts[0], parts[1]
        return self._parts[1:]

    def _warm_calls(self, config: RepoConfig) -> WarmCalls:
        if self._calls is None:
            options = config.online_store
            self._calls = WarmCalls(options.warm_timeout_ms / 1000, options.warm_failures, options.warm_skip_ms / 1000)
        return self._calls


def _tier(view: FeatureView) -> Tier:
    return read_tier(view.name, read_tags(view.name, view.tags, "view"))


def _judged(asked: AskedRows, rows: list[Row] | None, as_of_us: int | None) -> FoundRows:
    """Return rows with their statuses; None for rows that did not come in time."""
    if rows is None:
        size = len(asked.keys)
        return FoundRows([[None] * (len(asked.names) + 1)] * size, [Status.UNAVAILABLE] * size)
    return FoundRows(rows, row_statuses([row[-1] for row in rows], asked.layout.ttl_us, as_of_us))


def _fill(found: FoundRows, lost: Sequence[int], warm: FoundRows) -> None:
    """Put the warm store's rows in the places of those that the hot one lost, where it has one or did not answer."""
    for place, row, status in zip(lost, warm.rows, warm.statuses, strict=True):
        if status != Status.NOT_FOUND:  # what neither has is not there, unless the hot one could not say
            found.rows[place], found.statuses[place] = row, status
