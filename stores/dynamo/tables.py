"""Gets and puts many items at a time: full batches, a bounded number of requests under way, older items never over newer ones."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from botocore.exceptions import ClientError

from stores.dynamo.connection import Client, DynamoSettings, answered, connect, unavailable
from stores.dynamo.items import Item

KEYS_AT_ONCE: Final = 100
"""What a BatchGetItem may ask for, of all tables together."""

NAMES_AT_MOST: Final = 200
"""More features are not named in a request, whose expressions may have 4 kB; whole items come back then."""

ATTEMPTS: Final = 8
"""How often keys are asked for that DynamoDB leaves unprocessed; with full jitter, 0.7 s in the mean."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5
_NOT_OLDER: Final = "attribute_not_exists(event_ts) OR event_ts <= :event_ts"


class DynamoTables:
    """The tables of a DynamoDB; thread-safe.

    Args:
        settings: The settings.
        timeout_s: See `connect`.
        sleep: Waits seconds.
        jitter: Returns a random number of [0, 1).
    """

    def __init__(
        self,
        settings: DynamoSettings,
        timeout_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.client: Client = connect(settings, timeout_s)
        self._sleep = sleep
        self._jitter = jitter
        self._pool = ThreadPoolExecutor(settings.max_pool_connections, thread_name_prefix="dynamo")

    def get(
        self, asked: Mapping[str, Sequence[str]], names: Mapping[str, Sequence[str]]
    ) -> dict[tuple[str, str], Item]:
        """Return the items that are there, by table and entity id.

        Args:
            asked: By table, distinct entity ids.
            names: By table, the features that are wanted.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer, has no such table, or leaves keys unprocessed too often.
        """
        requests = list(self._requests(asked, names))
        if len(requests) == 1:
            return self._get(requests[0])
        found: dict[tuple[str, str], Item] = {}
        for part in self._pool.map(self._get, requests):
            found |= part
        return found

    def put(self, table: str, items: Sequence[Item], replaced: str = "") -> int:
        """Put items of distinct entities, each unless a newer one is there; an equal event time is written.

        Args:
            table: Its name.
            items: The items.
            replaced: The event time up to which items are replaced even by older ones; empty for none.

        Returns:
            How many were refused because a newer one is there.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer; items up to then may be there, putting again is safe.
        """
        if len(items) == 1:
            return self._put_each(table, items, replaced)
        at_once = self.settings.max_pool_connections
        parts = [part for first in range(at_once) if (part := items[first::at_once])]
        return sum(self._pool.map(lambda part: self._put_each(table, part, replaced), parts))

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            OnlineStoreUnavailable: There is none.
        """
        with answered(self.client):
            self.client.list_tables(Limit=1)

    def _requests(
        self, asked: Mapping[str, Sequence[str]], names: Mapping[str, Sequence[str]]
    ) -> Iterator[dict[str, Any]]:
        """Yield full batches of keys, of several tables where they fit."""
        request: dict[str, Any] = {}
        room = KEYS_AT_ONCE
        for table, entities in asked.items():
            start = 0
            while start < len(entities):
                some = entities[start : start + room]
                keys = [{"entity_id": {"S": entity}} for entity in some]
                request[table] = {
                    "Keys": keys,
                    "ConsistentRead": self.settings.consistent_reads,
                    **_projection(names[table]),
                }
                start += len(some)
                room -= len(some)
                if not room:
                    yield request
                    request, room = {}, KEYS_AT_ONCE
        if request:
            yield request

    def _get(self, request: dict[str, Any]) -> dict[tuple[str, str], Item]:
        found: dict[tuple[str, str], Item] = {}
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(self._jitter() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt))
            with answered(self.client):
                reply = self.client.batch_get_item(RequestItems=request)
            for table, items in reply.get("Responses", {}).items():
                found |= {(table, item["entity_id"]["S"]): item for item in items}
            request = reply.get("UnprocessedKeys") or {}
            if not request:
                return found
        left = sum(len(one["Keys"]) for one in request.values())
        raise unavailable(
            self.client.meta.endpoint_url,
            f"{left} keys are still unprocessed after {ATTEMPTS} requests: it is throttled",
        )

    def _put_each(self, table: str, items: Sequence[Item], replaced: str) -> int:
        stale = 0
        for item in items:
            try:
                with answered(self.client):
                    self.client.put_item(
                        TableName=table,
                        Item=item,
                        ConditionExpression=_NOT_OLDER,
                        ExpressionAttributeValues={":event_ts": {"S": max(item["event_ts"]["S"], replaced)}},
                    )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                stale += 1
        return stale


def _projection(names: Sequence[str]) -> dict[str, Any]:
    if not 0 < len(names) <= NAMES_AT_MOST:
        return {}
    aliases = {f"#{number}": name for number, name in enumerate(names)}
    return {
        "ProjectionExpression": ",".join(["entity_id", "event_ts", *(f"#v.{alias}" for alias in aliases)]),
        "ExpressionAttributeNames": {"#v": "values", **aliases},
    }
