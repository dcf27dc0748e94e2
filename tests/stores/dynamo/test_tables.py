"""Many items at a time: full batches, keys that DynamoDB leaves unprocessed, and requests that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stores.dynamo.connection import DynamoSettings
from stores.dynamo.items import entity_id, event_micros, event_text, item_of, row_of
from stores.dynamo.schema import create_table, drop_table
from stores.dynamo.tables import ATTEMPTS, NAMES_AT_MOST, DynamoTables
from stores.online import OnlineStoreUnavailable

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that were waited."""
    return []


@pytest.fixture
def tables(aws: str, dynamo: Any, pauses: list[float]) -> DynamoTables:
    """Tables `one` and `two`, 150 items each; waiting takes no time."""
    opened = DynamoTables(DynamoSettings(endpoint_url=aws), sleep=pauses.append, jitter=lambda: 0.5)
    for table in ("one", "two"):
        create_table(dynamo, table)
        items = [item_of(f"{n}", T, [("n", b"%d" % n), ("m", b"m")]) for n in range(150)]
        for first in range(0, len(items), 25):  # a put asks for each item by itself
            some = [{"PutRequest": {"Item": item}} for item in items[first : first + 25]]
            dynamo.batch_write_item(RequestItems={table: some})
    return opened


class Throttle:
    """Lets moto process only the first keys of a batch: what is behind them comes back unprocessed."""

    def __init__(self, tables: DynamoTables, keys: int) -> None:
        self.keys = keys
        self.asked: list[int] = []
        self._left: list[dict[str, Any]] = []
        events = tables.client.meta.events
        events.register("before-call.dynamodb.BatchGetItem", self._cut)
        events.register("after-call.dynamodb.BatchGetItem", self._give_back)

    def _cut(self, params: dict[str, Any], **_: Any) -> None:
        body = json.loads(params["body"])
        wanted = body["RequestItems"]
        self.asked.append(sum(len(one["Keys"]) for one in wanted.values()))
        left, room = {}, self.keys
        for table, one in list(wanted.items()):
            if one["Keys"][room:]:
                left[table] = {**one, "Keys": one["Keys"][room:]}
            one["Keys"] = one["Keys"][:room]
            room -= len(one["Keys"])
            if not one["Keys"]:
                del wanted[table]
        self._left.append(left)
        params["body"] = json.dumps(body).encode()

    def _give_back(self, parsed: dict[str, Any], **_: Any) -> None:
        parsed["UnprocessedKeys"] = self._left.pop()


def test_batches_are_full_across_tables(tables: DynamoTables) -> None:
    counts: list[dict[str, int]] = []

    def count(params: dict[str, Any], **_: Any) -> None:
        counts.append({t: len(one["Keys"]) for t, one in json.loads(params["body"])["RequestItems"].items()})

    tables.client.meta.events.register("before-call.dynamodb.BatchGetItem", count)
    asked = [str(n) for n in range(150)]
    found = tables.get({"one": asked, "two": [*asked, "absent"]}, {"one": ["n"], "two": ["m"]})
    assert sorted(map(str, counts)) == sorted(
        map(str, [{"one": 100}, {"one": 50, "two": 50}, {"two": 100}, {"two": 1}])
    )
    assert len(found) == 300
    assert row_of(found["one", "7"], ["n", "m"])[:2] == [b"7", None]  # only what was asked for comes back
    assert row_of(found["two", "7"], ["m"])[0] == b"m"


def test_unprocessed_keys_are_asked_for_again_with_growing_pauses(tables: DynamoTables, pauses: list[float]) -> None:
    throttle = Throttle(tables, 20)
    asked = [str(n) for n in range(45)]
    found = tables.get({"one": asked, "two": asked}, {"one": ["n"], "two": ["n"]})
    assert throttle.asked == [90, 70, 50, 30, 10]
    assert sorted(found) == sorted((table, n) for table in ("one", "two") for n in asked)
    assert pauses == [0.01, 0.02, 0.04, 0.08]


def test_table_that_stays_throttled_is_unavailable(tables: DynamoTables, pauses: list[float]) -> None:
    Throttle(tables, 1)
    with pytest.raises(
        OnlineStoreUnavailable, match=rf"{92 - ATTEMPTS} keys are still unprocessed after {ATTEMPTS} requests"
    ):
        tables.get({"one": [str(n) for n in range(92)]}, {"one": ["n"]})
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.25]


def test_more_features_than_a_request_can_name_are_read(tables: DynamoTables) -> None:
    names = [f"feature_with_a_long_name_{n}" for n in range(NAMES_AT_MOST + 300)]
    tables.put("one", [item_of("wide", T, [(name, name.encode()) for name in names])])
    for some in (names, names[:NAMES_AT_MOST]):
        (found,) = tables.get({"one": ["wide"]}, {"one": some}).values()
        assert row_of(found, some)[:-1] == [name.encode() for name in some]


def test_only_newer_or_equal_items_are_put(tables: DynamoTables) -> None:
    items = [item_of(str(n), T + n - 75, [("n", b"new")]) for n in range(150)]
    assert tables.put("one", items) == 75
    found = tables.get({"one": ["74", "75"]}, {"one": ["n", "m"]})
    assert [row_of(found["one", n], ["n", "m"])[:2] for n in ("74", "75")] == [[b"74", b"m"], [b"new", None]]


def test_absent_table_says_what_to_do(tables: DynamoTables) -> None:
    with pytest.raises(OnlineStoreUnavailable, match=r"lacks a view's table .*; run `make apply`"):
        tables.get({"absent": ["1"]}, {"absent": ["n"]})
    with pytest.raises(OnlineStoreUnavailable, match=r"lacks a view's table .*; run `make apply`"):
        tables.put("absent", [item_of("1", T, [])])


def test_refusal_that_will_not_pass_is_raised(tables: DynamoTables) -> None:
    with pytest.raises(ClientError, match="exceeded"):
        tables.put("one", [item_of("big", T, [("n", b"x" * 500_000)])])


def test_table_is_made_and_dropped_once(tables: DynamoTables, dynamo: Any) -> None:
    create_table(dynamo, "one", {"team": "ads"})
    assert len(tables.get({"one": ["1"]}, {"one": ["n"]})) == 1
    for _ in range(2):
        drop_table(dynamo, "one")
    create_table(dynamo, "one", {"team": "ads"})
    arn = dynamo.describe_table(TableName="one")["Table"]["TableArn"]
    assert dynamo.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "ads"}]
    assert tables.get({"one": ["1"]}, {"one": ["n"]}) == {}


@pytest.mark.parametrize("at", [0, 1, -1, 999_999, T, T + 1, 253_402_300_799_999_999, -62_135_596_800_000_000])
def test_texts_of_times_come_back_and_are_ordered_as_they(at: int) -> None:
    assert event_micros(event_text(at)) == at
    if at > -62_135_596_800_000_000:
        assert event_text(at - 1) < event_text(at)


def test_time_that_feast_wrote_in_another_zone_is_the_same_instant() -> None:
    assert event_micros("2026-03-01 14:00:00+02:00") == event_micros("2026-03-01 12:00:00") == T


def test_entity_id_is_feasts() -> None:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.infra.online_stores.helpers import compute_entity_id
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["user"], entity_values=[Value(string_val="ann")])
    assert entity_id(serialize_entity_key(key, entity_key_serialization_version=3)) == compute_entity_id(key, 3)
