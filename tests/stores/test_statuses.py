"""What Feast's clients are told of values that are missing: by default why, with `statuses: feast` what Feast's own store tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from feast import Field
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64
from pydantic import ValidationError

Build = Callable[..., Any]
Options = dict[str, Any]

REFS = ["clicks:n", "clicks:rate", "clicks:last", "profile:age", "profile:height"]
USERS = ("new", "old", "null", "never", "new")
PRESENT, NULL, ABSENT, OLD = (
    FieldStatus.PRESENT,
    FieldStatus.NULL_VALUE,
    FieldStatus.NOT_FOUND,
    FieldStatus.OUTSIDE_MAX_AGE,
)


@pytest.fixture(params=["redis", "dynamo", "tiered"])
def stores(request: pytest.FixtureRequest, redis_server: Any, client: Any) -> tuple[Options, Options]:
    """Options of a store of Feast's own, and of the plug-in that reads the same bytes."""
    redis = {"type": "redis", "connection_string": redis_server.connection_string}
    if request.param == "redis":
        return redis, {**redis, "type": "stores.redis_online.MillraceRedisOnlineStore"}
    dynamo = request.getfixturevalue("feast_dynamo")
    request.getfixturevalue("dynamo")
    if request.param == "dynamo":
        return dynamo, {**dynamo, "type": "stores.dynamo_online.MillraceDynamoOnlineStore"}
    parts = {
        name: {key: value for key, value in one.items() if key != "type"}
        for name, one in (("hot", redis), ("warm", dynamo))
    }
    return redis, {"type": "stores.tiered_online.MillraceTieredOnlineStore", "warm_timeout_ms": 2000, **parts}


@pytest.fixture
def written(stores: tuple[Options, Options], feast_store: Build, declared: list[Any]) -> tuple[Any, Options]:
    """Feast's own store with rows in it, of two of which one is past its ttl, and the options of the plug-in.

    A feature was declared after the rows of `profile` were written.
    """
    feast, ours = stores
    store = feast_store(feast)
    store.apply(declared)
    now = datetime.now(UTC).replace(microsecond=0)
    rows = {"user": ["new", "old", "null"], "n": [1, 2, 3], "rate": [0.5, 0.25, None], "last": [[1.0], [2.0], []]}
    times = [now, now - timedelta(hours=1), now]
    store.write_to_online_store("clicks", pd.DataFrame({**rows, "device": ["a"] * 3, "event_timestamp": times}))
    profile = pd.DataFrame({"user": ["new"], "age": [41], "event_timestamp": [now], "created": [now]})
    store.write_to_online_store("profile", profile)
    user, clicks, view = declared
    view.schema.append(Field(name="height", dtype=Float64))
    view.features.append(Field(name="height", dtype=Float64))
    store.apply([user, clicks, view])
    return store, ours


def ask(store: Any) -> GetOnlineFeaturesResponse:
    """The answer as Feast sends it."""
    return store.get_online_features(REFS, [{"user": user} for user in USERS]).proto


def statuses(answer: GetOnlineFeaturesResponse) -> dict[str, list[int]]:
    """The statuses by feature."""
    found = zip(answer.metadata.feature_names.val, answer.results, strict=True)
    return {name: list(vector.statuses) for name, vector in found if name != "user"}


def values(answer: GetOnlineFeaturesResponse, feature: str) -> list[int | None]:
    """The values of a feature of integers."""
    place = list(answer.metadata.feature_names.val).index(feature)
    return [one.int64_val if one.WhichOneof("val") else None for one in answer.results[place].values]


def test_by_default_every_missing_value_says_why(written: tuple[Any, Options], feast_store: Build) -> None:
    _, ours = written
    answer = ask(feast_store(ours))
    assert statuses(answer) == {
        "n": [PRESENT, OLD, PRESENT, ABSENT, PRESENT],
        "rate": [PRESENT, OLD, NULL, ABSENT, PRESENT],
        "last": [PRESENT, OLD, PRESENT, ABSENT, PRESENT],
        "age": [PRESENT, ABSENT, ABSENT, ABSENT, PRESENT],
        "height": [ABSENT] * 5,
    }
    assert values(answer, "n") == [1, None, 3, None, 1]


@pytest.mark.parametrize("how", ["get", "get_async"])
def test_as_feast_the_answer_is_that_of_feasts_own_store(
    written: tuple[Any, Options], feast_store: Build, how: str
) -> None:
    feast, ours = written
    asked = feast_store({**ours, "statuses": "feast"})
    wanted = ask(feast)
    if how == "get_async":
        answer = asyncio.run(asked.get_online_features_async(REFS, [{"user": user} for user in USERS])).proto
    else:
        answer = ask(asked)
    assert answer == wanted
    assert values(answer, "n") == [1, 2, 3, None, 1]  # the second is past its ttl
    assert statuses(answer)["n"][1] == statuses(answer)["rate"][2] == PRESENT


def test_as_feast_rows_are_those_of_feasts_own_store(written: tuple[Any, Options], feast_store: Build) -> None:
    feast, ours = written
    keys = [EntityKey(join_keys=["user"], entity_values=[Value(string_val=user)]) for user in USERS[:4]]
    rows = []
    for store in (feast, feast_store({**ours, "statuses": "feast"})):
        view = store.get_stream_feature_view("clicks")
        rows.append(store._get_provider().online_read(store.config, view, keys, ["n", "rate"]))
    assert rows[1] == rows[0]


def test_statuses_of_one_tier_alone_are_refused(feast_store: Build) -> None:
    with pytest.raises(ValidationError, match="write statuses: feast beside hot and warm, not in them"):
        feast_store(
            {
                "type": "stores.tiered_online.MillraceTieredOnlineStore",
                "hot": {"connection_string": "a:1", "statuses": "feast"},
                "warm": {},
            }
        )
