"""Users of Redis with exactly the commands that docs/storage.md lists: all that writes and reads runs as them, and nothing is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import redis

from contract.service import StoredView
from serving.scoring.lookup import Lookup
from stores.cells.layout import layout_of
from stores.online import OnlineStoreUnavailable, ShardProgress, open_online
from workspace.redis_server import HOST, RedisServer, start_redis
from workspace.redis_topologies import RedisGroup, start_cluster

PASSWORD = "pa55"
IN_CLUSTER = "+cluster|slots +asking +readonly +command"
Build = Callable[..., Any]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """A server and its replica."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with (
        start_redis(options=at_once) as primary,
        start_redis(options=("--replicaof", HOST, str(primary.port))) as replica,
        redis.Redis(port=replica.port) as client,
    ):
        asked: Any = client
        deadline = time.monotonic() + 30
        while asked.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield primary, replica


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisGroup]:
    """A cluster."""
    with start_cluster() as group:
        yield group


def options(role: str, **more: Any) -> dict[str, Any]:
    """What feature_store.yaml says of a user."""
    return {
        "type": "stores.redis_online.MillraceRedisOnlineStore",
        "user": f"millrace-{role}",
        "password": PASSWORD,
        "clock": "stream",
        **more,
    }


def use_everything(writer: Any, reader: Any, declared: list[Any], noon: datetime) -> None:
    """Apply, write, tell progress, read in each way, and delete."""
    writer.apply(declared)
    frame = pd.DataFrame(
        {
            "user": ["a", "b"],
            "n": [1, 2],
            "rate": [0.5, None],
            "last": [[1.0], []],
            "device": ["i", "w"],
            "event_timestamp": [noon] * 2,
        }
    )
    writer.write_to_online_store("clicks", frame)
    profile = pd.DataFrame({"user": ["a"], "age": [41], "event_timestamp": [noon], "created": [noon]})
    writer.write_to_online_store("profile", profile)  # deleting clicks leaves this in the same hash
    store = open_online(writer.config)
    micros = int(noon.timestamp()) * 1_000_000
    progress = store.progress("shop")
    progress.begin({"clicks": 1})
    progress.begin({"clicks": 1, "others": 2})
    progress.announce({"clicks": micros})
    progress.tell([ShardProgress("clicks", 0, micros, micros, 2, 2, {"entities": 2})])
    assert (progress.announced(), bool(progress.identity())) == ({"clicks": micros}, True)
    progress.read()
    view = writer.get_stream_feature_view("clicks")
    layout = layout_of(view, writer.config)
    assert store.writer(layout).write(pa.Table.from_pandas(frame.assign(n=[3, 4])), "event_timestamp").written == 2
    store.ping()
    for _ in range(2):  # the second time the whole hashes, or their fields, as the first one taught
        assert reader.get_online_features(["clicks:n"], [{"user": "b"}]).to_dict()["n"] == [4]
    lookup = Lookup(reader, [stored(view)])
    assert lookup.failure() is None
    found = lookup.read({"user": ["a"]}, np.array([micros]))
    assert found["clicks"].columns["n"].as_python() == [3]
    writer.apply([], objects_to_delete=[view], partial=False)
    writer.teardown()


def stored(view: Any) -> StoredView:
    """A view as a service asks for it."""
    features = (("n", "int64"), ("rate", "float64"), ("last", "float64_list"), ("device", "string"))
    return StoredView("clicks", "clicks", view, (("user", "user", "string"),), features)


def refusals(client: redis.Redis) -> list[tuple[str, str]]:
    """What a server refused to users, and whether as a command."""
    return [(str(one["object"]), str(one["username"])) for one in client.acl_log()]


def test_everything_runs_as_the_documented_users_of_a_server(
    pair: tuple[RedisServer, RedisServer],
    documented_user: Callable[..., None],
    feast_store: Build,
    declared: list[Any],
    noon: datetime,
) -> None:
    primary, replica = pair
    admins = [redis.Redis(port=server.port, decode_responses=True) for server in pair]
    for admin in admins:
        for role in ("writer", "reader"):
            documented_user(admin, role, PASSWORD)
        admin.acl_log_reset()
    address = {"connection_string": primary.connection_string}
    writer = feast_store(options("writer", wait_replicas=1, key_ttl_seconds=600, **address))
    use_everything(writer, feast_store(options("reader", **address)), declared, noon)
    from_replica = options("reader", **address, read_from="replica", replicas=replica.connection_string)
    use_everything(writer, feast_store(from_replica), declared, noon)
    for admin in admins:
        # redis-py tells its name and version to who wants to know; a server that does not want to is asked no more
        assert [one for one in refusals(admin) if not one[0].startswith("client")] == []
        admin.close()


def test_everything_runs_as_the_documented_users_of_a_cluster(
    cluster: RedisGroup,
    documented_user: Callable[..., None],
    feast_store: Build,
    declared: list[Any],
    noon: datetime,
) -> None:
    admins = [redis.Redis(port=server.port, decode_responses=True) for server in cluster.servers]
    for admin in admins:
        for role in ("writer", "reader"):
            documented_user(admin, role, PASSWORD, IN_CLUSTER)
        admin.acl_log_reset()
    address = {"connection_string": cluster.connection_string, "redis_type": "redis_cluster"}
    writer = feast_store(options("writer", **address))
    for more in ({}, {"read_from": "replica"}):
        use_everything(writer, feast_store(options("reader", **address, **more)), declared, noon)
    for admin in admins:
        assert [one for one in refusals(admin) if not one[0].startswith("client")] == []
        admin.close()
    text = (Path(__file__).parents[3] / "docs/storage.md").read_text()
    assert IN_CLUSTER in text


def test_reader_can_write_nothing(
    pair: tuple[RedisServer, RedisServer],
    documented_user: Callable[..., None],
    feast_store: Build,
    declared: list[Any],
    noon: datetime,
) -> None:
    with redis.Redis(port=pair[0].port) as admin:
        documented_user(admin, "reader", PASSWORD)
    store = feast_store(options("reader", connection_string=pair[0].connection_string))
    store.apply(declared)
    frame = pd.DataFrame({"user": ["a"], "age": [1], "event_timestamp": [noon], "created": [noon]})
    with pytest.raises(redis.exceptions.NoPermissionError, match="evalsha"):
        store.write_to_online_store("profile", frame)


def test_user_without_the_commands_to_read_is_told_where_they_are_listed(
    pair: tuple[RedisServer, RedisServer], feast_store: Build, declared: list[Any]
) -> None:
    with redis.Redis(port=pair[0].port) as admin:
        client: Any = admin
        client.execute_command("ACL", "SETUSER", "millrace-nobody", "on", f">{PASSWORD}", "~*", "-@all", "+ping")
    store = feast_store(options("nobody", connection_string=pair[0].connection_string, clock="wall"))
    store.apply(declared)
    with pytest.raises(OnlineStoreUnavailable, match=r"refuses the user .*hmget.* docs/storage\.md lists"):
        store.get_online_features(["profile:age"], [{"user": "a"}])


def test_each_command_of_the_list_is_needed(
    pair: tuple[RedisServer, RedisServer],
    documented_user: Callable[..., None],
    feast_store: Build,
    declared: list[Any],
    noon: datetime,
) -> None:
    primary, replica = pair
    with redis.Redis(port=primary.port) as admin, redis.Redis(port=replica.port) as second:
        for client in (admin, second):
            documented_user(client, "writer", PASSWORD)
            documented_user(client, "reader", PASSWORD)
            client.config_resetstat()
        admin.script_flush()
        address = {"connection_string": primary.connection_string}
        writer = feast_store(options("writer", wait_replicas=1, key_ttl_seconds=600, **address))
        use_everything(writer, feast_store(options("reader", **address)), declared, noon)
        used = {name.removeprefix("cmdstat_") for name in admin.info("commandstats")}
    text = (Path(__file__).parents[3] / "docs/storage.md").read_text()
    (listed,) = re.findall(r"^ACL SETUSER millrace-writer .*-@all (.*)$", text, re.MULTILINE)
    assert {one.removeprefix("+").split("|")[0] for one in listed.split()} <= {name.split("|")[0] for name in used}
