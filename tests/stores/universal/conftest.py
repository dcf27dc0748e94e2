"""The three online stores, each with a Feast repo of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Options = dict[str, Any]


@pytest.fixture(params=["redis", "dynamo", "warm tier"])
def online(
    request: pytest.FixtureRequest, redis_server: Any, client: Any, feast_dynamo: Options, dynamo: Any
) -> Options:
    """Options of a store."""
    hot = {"connection_string": redis_server.connection_string}
    warm = {name: value for name, value in feast_dynamo.items() if name != "type"}
    if request.param == "redis":
        return {"type": "stores.redis_online.MillraceRedisOnlineStore", **hot}
    if request.param == "dynamo":
        return {"type": "stores.dynamo_online.MillraceDynamoOnlineStore", **warm}
    return {
        "type": "stores.tiered_online.MillraceTieredOnlineStore",
        "hot": hot,
        "warm": warm,
        "warm_timeout_ms": 5000,
    }


@pytest.fixture
def tags(online: Options) -> dict[str, str]:
    """Tags with which a view lies in the store's warm tier, if it has one."""
    return {"millrace.store": "warm"} if "warm" in online else {}


@pytest.fixture
def store(feast_store: Callable[..., Any], online: Options) -> Any:
    """A feature store with nothing applied."""
    return feast_store(online)
