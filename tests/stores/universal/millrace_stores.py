"""Millrace's stores for Feast's own test suite, which reads this by FULL_REPO_CONFIGS_MODULE; docs/feast-suite.md says how to run it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from feast.repo_config import FeastConfigBaseModel
from tests.universal.feature_repos.universal.data_sources.file import FileDataSourceCreator
from tests.universal.feature_repos.universal.online_store_creator import OnlineStoreCreator

from stores.asof_offline import AsofOfflineStoreConfig
from workspace.redis_server import start_redis

STATUSES = os.environ.get("STATUSES", "millrace")


class AsofDataSourceCreator(FileDataSourceCreator):
    """Feast's files, read by the offline store."""

    def create_offline_store_config(self) -> FeastConfigBaseModel:
        """Return the store's options."""
        return AsofOfflineStoreConfig()


class RedisCreator(OnlineStoreCreator):
    """A Redis of its own."""

    def __init__(self, project_name: str, **_: Any) -> None:
        """Start nothing yet."""
        super().__init__(project_name)
        self._running = ExitStack()

    def create_online_store(self) -> dict[str, Any]:
        """Start it."""
        return {"type": "stores.redis_online.MillraceRedisOnlineStore", "statuses": STATUSES, **self.redis()}

    def redis(self) -> dict[str, Any]:
        """Start a server."""
        return {"connection_string": self._running.enter_context(start_redis()).connection_string}

    def dynamo(self) -> dict[str, Any]:
        """Start a server."""
        from moto.server import ThreadedMotoServer

        os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_EC2_METADATA_DISABLED="true")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self._running.callback(server.stop)
        host, port = server.get_host_and_port()
        return {"region": "us-east-1", "endpoint_url": f"http://{host}:{port}"}

    def teardown(self) -> None:
        """Stop what was started."""
        self._running.close()


class DynamoCreator(RedisCreator):
    """A DynamoDB of its own."""

    def create_online_store(self) -> dict[str, Any]:
        """Start it."""
        return {"type": "stores.dynamo_online.MillraceDynamoOnlineStore", "statuses": STATUSES, **self.dynamo()}


class TieredCreator(RedisCreator):
    """Both, as tiers."""

    def create_online_store(self) -> dict[str, Any]:
        """Start them."""
        return {
            "type": "stores.tiered_online.MillraceTieredOnlineStore",
            "statuses": STATUSES,
            "hot": self.redis(),
            "warm": self.dynamo(),
        }


AVAILABLE_OFFLINE_STORES = [("local", AsofDataSourceCreator)]
AVAILABLE_ONLINE_STORES: dict[str, tuple[dict[str, Any], type[OnlineStoreCreator]]] = {
    "redis": ({}, RedisCreator),
    "dynamodb": ({}, DynamoCreator),
    "sqlite": ({}, TieredCreator),  # the suite's tests of types ask for this name
}
