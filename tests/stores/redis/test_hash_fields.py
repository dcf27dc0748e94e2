"""Fields of hashes are the same however they are asked for, whatever else lies in a hash and in whatever order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import redis

from stores.redis.connection import connect
from stores.redis.exchange import exchange
from stores.redis.hash_fields import LONG, MOST_OTHERS, WHOLE_FROM, HashFields
from workspace.redis_server import RedisServer


def names(count: int, prefix: str = "f") -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def read(server: RedisServer, fields: HashFields, keys: list[bytes], **options: Any) -> list[list[bytes | None]]:
    asked = fields.ask(keys)
    client = connect(server.connection_string) if not options else redis.Redis(port=server.port, **options)
    return [list(cells) for cells in fields.cells(exchange(client, keys, asked.packed), asked)]


@pytest.mark.parametrize("count", [1, WHOLE_FROM - 1, WHOLE_FROM, 40, 600])
def test_every_field_is_found_wherever_it_lies_and_none_where_it_is_not(
    client: redis.Redis, redis_server: RedisServer, count: int
) -> None:
    random = np.random.default_rng(count)
    wanted = names(count)
    held: list[dict[bytes, bytes]] = [{}]
    for row in range(30):
        there = [*wanted[: random.integers(0, count + 1)], *names(int(random.integers(0, 3)), "other")]
        held.append({name: b"%d" % row for name in random.permutation(np.array(there, object)).tolist()})
    keys = [b"k%d" % row for row in range(len(held))]
    for key, values in zip(keys, held, strict=True):
        if values:
            client.hset(key.decode(), mapping=values)  # type: ignore[arg-type]
    fields = HashFields(wanted)
    for _ in range(2):
        assert read(redis_server, fields, keys) == [[values.get(name) for name in wanted] for values in held]


def test_many_fields_are_taken_whole_and_few_by_name() -> None:
    assert b"HGETALL" in HashFields(names(WHOLE_FROM)).ask([b"k"]).packed[0]
    assert b"HMGET" in HashFields(names(WHOLE_FROM - 1)).ask([b"k"]).packed[0]


def test_hashes_that_are_mostly_of_others_are_asked_by_name_from_then_on(
    client: redis.Redis, redis_server: RedisServer
) -> None:
    wanted, others = names(WHOLE_FROM), names(MOST_OTHERS * WHOLE_FROM, "other")
    client.hset("k", mapping={name: b"1" for name in [*wanted, *others]})  # type: ignore[arg-type]
    fields = HashFields(wanted)
    assert read(redis_server, fields, [b"k"]) == [[b"1"] * WHOLE_FROM]
    assert b"HMGET" in fields.ask([b"k"]).packed[0]
    assert read(redis_server, fields, [b"k"]) == [[b"1"] * WHOLE_FROM]


@pytest.mark.parametrize("protocol", [2, 3])
def test_hashes_with_a_long_value_are_asked_by_name_from_then_on(
    client: redis.Redis, redis_server: RedisServer, protocol: int
) -> None:
    wanted = names(WHOLE_FROM)
    for size in (LONG, LONG + 1):
        client.hset("k", mapping={name: b"1" * size for name in wanted})  # type: ignore[arg-type]
        assert (client.object("encoding", "k") == b"hashtable") == (size > LONG)
        fields = HashFields(wanted)
        read(redis_server, fields, [b"k"], protocol=protocol)
        assert (b"HMGET" in fields.ask([b"k"]).packed[0]) == (size > LONG)


def test_what_the_third_protocol_gives_is_read_too(client: redis.Redis, redis_server: RedisServer) -> None:
    wanted = names(WHOLE_FROM)
    client.hset("k", mapping={name: b"1" for name in wanted[1:]})  # type: ignore[arg-type]
    assert read(redis_server, HashFields(wanted), [b"k"], protocol=3) == [[None, *[b"1"] * (WHOLE_FROM - 1)]]
