"""Keeps in DynamoDB how far the stream is: a small table a project, an item a shard.

| entity_id | holds |
|---|---|
| `mark` | what tells this table from one that was emptied or made anew |
| `shards` | the streamed views with their numbers of shards |
| `shard:<view>/<number>` | how far the shard is, and what its state holds |
| `view:<view>` | events and rows, all told |
| `announced:<view>` | up to which instant rows may be stored |
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from stores.dynamo.connection import answered
from stores.dynamo.schema import create_table
from stores.dynamo.tables import DynamoTables
from stores.online import Progress, ShardProgress, ViewProgress

TABLE: Final = "millrace_progress"
"""What stands for a view's name in the name of the table."""


class DynamoProgress:
    """The progress of one project's stream."""

    def __init__(self, tables: DynamoTables, project: str) -> None:
        """Note where it lies."""
        self._client = tables.client
        self._table = tables.settings.table_name(project, TABLE)

    def begin(self, shards: Mapping[str, int]) -> None:
        """Say which views are streamed, in how many shards each; others are forgotten.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        create_table(self._client, self._table)
        keep = {f"shard:{view}/{shard}" for view, count in shards.items() for shard in range(count)}
        with answered(self._client):
            for name in self._items():
                if name.startswith("shard:") and name not in keep:
                    self._client.delete_item(TableName=self._table, Key=_key(name))
            self._client.put_item(
                TableName=self._table, Item={**_key("shards"), "shards": {"S": json.dumps(dict(shards))}}
            )
            self._client.update_item(
                TableName=self._table,
                Key=_key("mark"),
                UpdateExpression="SET mark = if_not_exists(mark, :mark)",
                ExpressionAttributeValues={":mark": {"S": uuid.uuid4().hex}},
            )

    def identity(self) -> str:
        """Return what tells this table, with what it holds, from another; empty where nothing was begun.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        with answered(self._client):
            try:
                reply = self._client.get_item(TableName=self._table, Key=_key("mark"), ConsistentRead=True)
            except self._client.exceptions.ResourceNotFoundException:
                return ""
        return str(reply["Item"]["mark"]["S"]) if "Item" in reply else ""

    def announce(self, furthest: Mapping[str, int]) -> None:
        """Note of views, before rows are stored, up to which instant these may be, microseconds; it never moves back.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        for view, t in furthest.items():
            with answered(self._client), suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(f"announced:{view}"),
                    UpdateExpression="SET furthest = :t",
                    ConditionExpression="attribute_not_exists(furthest) OR furthest < :t",
                    ExpressionAttributeValues={":t": {"N": str(t)}},
                )

    def announced(self) -> dict[str, int]:
        """Return of each view the instant up to which rows may be stored, by whatever run of the stream.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        with answered(self._client):
            items = self._items()
        parts = {name.partition(":")[::2]: item for name, item in items.items()}
        return {view: int(item["furthest"]["N"]) for (kind, view), item in parts.items() if kind == "announced"}

    def tell(self, shards: Sequence[ShardProgress]) -> None:
        """Note how far some shards are, once their rows are stored: who reads this finds the rows.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        for one in shards:
            change = "SET complete = :complete, furthest = :furthest"
            values = {":complete": {"N": str(one.complete)}, ":furthest": {"N": str(one.furthest)}}
            if one.held:
                change += ", held = :held"
                values[":held"] = {"S": json.dumps(dict(one.held))}
            self._update(f"shard:{one.view}/{one.shard}", change, values)
            if one.events or one.rows:
                counts = {":events": {"N": str(one.events)}, ":rows": {"N": str(one.rows)}}
                self._update(f"view:{one.view}", "ADD event_count :events, row_count :rows", counts)

    def read(self) -> Progress:
        """Return how far the stream is.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        with answered(self._client):
            items = self._items()
        shards = json.loads(items["shards"]["shards"]["S"]) if "shards" in items else {}
        views = {view: _view(items, view, count) for view, count in shards.items()}
        reached = [one.complete for one in views.values() if one.complete is not None]
        return Progress(views, min(reached) if views and len(reached) == len(views) else None)

    def _update(self, name: str, change: str, values: Mapping[str, Any]) -> None:
        with answered(self._client):
            self._client.update_item(
                TableName=self._table, Key=_key(name), UpdateExpression=change, ExpressionAttributeValues=values
            )

    def _items(self) -> dict[str, dict[str, Any]]:
        """Return all items by their key; none where there is no table yet."""
        try:
            return {item["entity_id"]["S"]: item for item in self._scan()}
        except self._client.exceptions.ResourceNotFoundException:
            return {}

    def _scan(self) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
            yield from page["Items"]


def _key(name: str) -> dict[str, dict[str, str]]:
    return {"entity_id": {"S": name}}


def _view(items: Mapping[str, Mapping[str, Any]], view: str, count: int) -> ViewProgress:
    names = [f"shard:{view}/{shard}" for shard in range(count)]
    spoken = [items[name] for name in names if name in items]
    held: dict[str, int] = {}
    for one in spoken:
        for name, number in json.loads(one["held"]["S"]).items() if "held" in one else ():
            held[name] = held.get(name, 0) + number
    counts = items.get(f"view:{view}", {})
    return ViewProgress(
        count,
        min(int(one["complete"]["N"]) for one in spoken) if spoken and len(spoken) == count else None,
        max((int(one["furthest"]["N"]) for one in spoken), default=None),
        int(counts["event_count"]["N"]) if counts else 0,
        int(counts["row_count"]["N"]) if counts else 0,
        held,
    )
