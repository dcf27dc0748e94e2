"""Every way to reach a Redis, against real servers: our reader, writer, progress and plug-in, by what feature_store.yaml says."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import redis

from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, ShardProgress, WriteResult, find_room, open_room
from stores.redis_online import MillraceRedisOnlineStoreConfig
from workspace.redis_server import HOST, start_redis
from workspace.redis_tls import make_certificates, start_tls_redis
from workspace.redis_topologies import MASTER, start_cluster, start_sentinels

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
TYPE = "stores.redis_online.MillraceRedisOnlineStore"
PASSWORD = "pass,word:1="  # what a connection string cannot say


@contextmanager
def single(folder: Path) -> Iterator[dict[str, Any]]:
    with start_redis() as server:
        yield {"connection_string": server.connection_string}


@contextmanager
def unix_socket(folder: Path) -> Iterator[dict[str, Any]]:
    path = str(folder / "redis.sock")
    with start_redis(options=("--unixsocket", path)) as server:
        yield {"unix_socket": path}
        with redis.Redis(port=server.port) as client:
            assert int(client.info("commandstats")["cmdstat_evalsha"]["calls"]) > 0


@contextmanager
def sentinel(folder: Path) -> Iterator[dict[str, Any]]:
    with start_sentinels() as group:
        yield {"connection_string": group.connection_string, "redis_type": "redis_sentinel", "sentinel_master": MASTER}


@contextmanager
def sentinel_with_passwords(folder: Path) -> Iterator[dict[str, Any]]:
    with start_redis() as primary, start_sentinels_of(primary.port) as port:
        protect(primary.port)
        yield {
            "connection_string": f"{HOST}:{port}",
            "redis_type": "redis_sentinel",
            "password": PASSWORD,
            "sentinel_password": "another",
        }


def protect(port: int) -> None:
    """Ask for a password from now on."""
    with redis.Redis(port=port) as client:
        client.config_set("requirepass", PASSWORD)


@contextmanager
def start_sentinels_of(primary: int) -> Iterator[int]:
    """A Sentinel with a password of its own, of a server with another."""
    with start_sentinels(replicas=0) as group:
        port = int(group.connection_string.rpartition(":")[2])
        with redis.Redis(port=port) as client:
            asked: Any = client
            asked.execute_command("SENTINEL", "REMOVE", MASTER)
            asked.execute_command("SENTINEL", "MONITOR", MASTER, HOST, primary, 1)
            asked.execute_command("SENTINEL", "SET", MASTER, "auth-pass", PASSWORD)
            asked.execute_command("ACL", "SETUSER", "default", "resetpass", ">another")
        yield port


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, Any]]:
    with start_cluster() as group:
        yield {"connection_string": group.connection_string, "redis_type": "redis_cluster"}


@contextmanager
def tls(folder: Path) -> Iterator[dict[str, Any]]:
    files = make_certificates(folder)
    named = {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key)}
    with start_tls_redis(files) as server:
        yield {"connection_string": f"{HOST}:{server.port}", "tls": named}


@contextmanager
def user(folder: Path) -> Iterator[dict[str, Any]]:
    with start_redis() as server, redis.Redis(port=server.port) as admin:
        admin.acl_setuser("ann", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"])
        admin.acl_setuser("default", enabled=False)
        yield {"connection_string": server.connection_string, "user": "ann", "password": PASSWORD}


TOPOLOGIES = [single, unix_socket, sentinel, sentinel_with_passwords, cluster, tls, user]


@pytest.fixture(scope="module", params=TOPOLOGIES, ids=lambda one: one.__name__)
def options(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What feature_store.yaml says of each."""
    with request.param(tmp_path_factory.mktemp("redis")) as said:
        yield {"type": TYPE, **said}


def rows(count: int, when: int, n: int) -> pa.Table:
    """One row for each of many users."""
    return pa.table(
        {
            "user": [f"u{i}" for i in range(count)],
            "event_timestamp": pa.array([when] * count, pa.timestamp("us", tz="UTC")),
            "n": [n + i for i in range(count)],
            "rate": [0.5] * count,
            "last": [[1.0]] * count,
            "device": ["x"] * count,
        }
    )


def test_rows_are_written_and_read_and_progress_is_kept(options: dict[str, Any], clicks: ViewLayout) -> None:
    room = pickle.loads(pickle.dumps(find_room(MillraceRedisOnlineStoreConfig(**options))))  # as a Spark task gets it
    store = open_room(*room, 5.0, True)
    writer = store.writer(clicks)
    assert writer.write(rows(200, T, 0), "event_timestamp") == WriteResult(200, 0)
    assert writer.write(rows(200, T - 1, 9), "event_timestamp") == WriteResult(0, 200)
    view = store.reader([clicks]).read({"user": [f"u{i}" for i in range(200)]}).views["clicks"]
    assert list(view.columns["n"].as_python()) == list(range(200))
    progress = store.progress("shop")
    progress.begin({"clicks": 1})
    progress.announce({"clicks": T})
    progress.tell([ShardProgress("clicks", 0, T, T + 1, 5, 6, {"entities": 7})])
    assert (progress.read().complete, progress.announced(), bool(progress.identity())) == (T, {"clicks": T}, True)
    store.ping()
    assert store.stats()["reads"] == 1
    assert store.stats()["failed"] == 0


def test_plug_in_writes_reads_and_deletes(
    options: dict[str, Any], feast_store: Callable[..., Any], declared: list[Any], noon: datetime
) -> None:
    store = feast_store({**options, "clock": "stream"})
    store.apply(declared)
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
    store.write_to_online_store("clicks", frame)
    assert store.get_online_features(["clicks:n"], [{"user": "b"}, {"user": "a"}]).to_dict()["n"] == [2, 1]
    store.apply([], objects_to_delete=[declared[1]], partial=False)
    store.apply(declared)
    assert store.get_online_features(["clicks:n"], [{"user": "a"}]).to_dict()["n"] == [None]


def test_no_secret_is_in_what_is_printed(options: dict[str, Any]) -> None:
    config = MillraceRedisOnlineStoreConfig(**options)
    room, settings = find_room(config)
    store: Any = open_room(room, settings, 5.0, True)
    shown = [config, settings, store, store._client, store._reads._client, config.model_dump()]
    for secret in (PASSWORD, "another"):
        assert not [one for one in shown if secret in repr(one) or secret in str(one)]


def test_server_without_the_clients_certificate_lets_nobody_in(tmp_path: Path) -> None:
    files, other = make_certificates(tmp_path), make_certificates(tmp_path, "stranger")
    with start_tls_redis(files) as server:
        address = {"type": TYPE, "connection_string": f"{HOST}:{server.port}"}
        ours = {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key)}
        assert opened({**address, "tls": ours})
        for wrong in (
            {"ca": str(files.ca)},  # no certificate
            {
                **ours,
                "certificate": str(other.certificate),
                "key": str(other.key),
            },  # one that the server does not trust
            {**ours, "ca": str(other.ca)},  # a server that the client does not trust
        ):
            with pytest.raises(OnlineStoreUnavailable, match=f"Redis at {HOST}:{server.port}"):
                opened({**address, "tls": wrong})
        with pytest.raises(OnlineStoreUnavailable):
            opened(address)  # in the clear


@pytest.mark.parametrize("said", [{}, {"user": "ann", "password": "wrong"}, {"password": "wrong"}], ids=str)
def test_user_that_is_refused_is_told_what_to_set(said: dict[str, str]) -> None:
    with start_redis() as server:
        protect(server.port)
        address = {"type": TYPE, "connection_string": server.connection_string}
        assert opened({**address, "password": PASSWORD})
        with pytest.raises(
            OnlineStoreUnavailable, match=r"refuses the user .* set online_store\.user and password"
        ) as told:
            opened({**address, **said})
        assert "wrong" not in str(told.value)
        assert PASSWORD not in str(told.value)


def opened(options: dict[str, Any]) -> Any:
    """Open a store by options, which asks for an answer."""
    return open_room(*find_room(MillraceRedisOnlineStoreConfig(**options)), 5.0, True)


def test_password_of_the_environment_is_read_as_feast_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from feast.repo_config import load_repo_config

    (tmp_path / "feature_store.yaml").write_text(
        f"project: shop\nprovider: local\nregistry: r.db\nentity_key_serialization_version: 3\nonline_store:\n"
        f"  type: {TYPE}\n  connection_string: 127.0.0.1:1\n  user: ann\n  password: ${{REDIS_PASSWORD}}\n"
    )
    monkeypatch.setenv("REDIS_PASSWORD", "p4ss")
    config = load_repo_config(tmp_path, tmp_path / "feature_store.yaml")
    assert config.online_store.password.get_secret_value() == "p4ss"
    assert "p4ss" not in repr(config.online_store)
    monkeypatch.delenv("REDIS_PASSWORD")
    with pytest.raises(Exception, match="REDIS_PASSWORD is not in the environment; set it before you start"):
        _ = load_repo_config(tmp_path, tmp_path / "feature_store.yaml").online_store


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"unix_socket": "/s", "redis_type": "redis_cluster"}, "unix_socket leads to one server"),
        ({"unix_socket": "/s", "tls": {}}, "take one of the two away"),
        ({"user": "ann"}, "user has no password; add password"),
        ({"sentinel_password": "x"}, "sentinel_password is for redis_type: redis_sentinel"),
        ({"tls": {"certificate": "c"}}, "certificate and key belong together"),
        ({"tls": {"cert": "c"}}, "cert"),
        ({"read_from": "replica"}, "needs replicas: host:port"),
        ({"replicas": "a:1"}, "add read_from: replica"),
        ({"replicas": "a:x", "read_from": "replica"}, "port 'x' is no number"),
        ({"replicas": "a:1,db=1", "read_from": "replica"}, "replicas take hosts only"),
        ({"replicas": "a:1", "read_from": "replica", "redis_type": "redis_cluster"}, "the replicas are found"),
        ({"read_from": "secondary"}, "'primary' or 'replica'"),
        ({"max_replica_lag_ms": 0}, "greater than 0"),
        ({"wait_replicas": 1, "wait_timeout_ms": 20_000}, "must stay below 8000"),
        ({"replica_connection_string": "a:1"}, "replica_connection_string"),
    ],
    ids=str,
)
def test_options_that_cannot_be_kept_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MillraceRedisOnlineStoreConfig(**said)


def test_sentinel_that_is_away_holds_nobody_up(clicks: ViewLayout) -> None:
    with start_sentinels(replicas=0) as group:
        began = time.monotonic()
        address = f"127.0.0.1:1,127.0.0.1:2,{group.connection_string}"
        store = opened({"connection_string": address, "redis_type": "redis_sentinel"})
        assert store.writer(clicks).write(rows(1, T, 0), "event_timestamp").written == 1
        assert time.monotonic() - began < 0.9


def test_file_of_tls_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"online_store\.tls\.ca: there is no file .*nowhere\.pem; name a PEM file"):
        opened({"connection_string": "127.0.0.1:1", "tls": {"ca": str(tmp_path / "nowhere.pem")}})


def test_connection_string_without_a_host_shows_no_password() -> None:
    with pytest.raises(ValueError, match=r"names no host \(''\); write it as 127\.0\.0\.1:6379") as told:
        opened({"connection_string": f"password={PASSWORD}"})
    assert "pass" not in str(told.value)


def test_reads_that_find_nobody_take_no_longer_than_their_time(clicks: ViewLayout) -> None:
    store = open_room(*find_room(MillraceRedisOnlineStoreConfig(connection_string="127.0.0.1:1")), 0.2, False)
    began = time.monotonic()
    with pytest.raises(OnlineStoreUnavailable, match=r"Redis at 127\.0\.0\.1:1 does not answer"):
        store.reader([clicks]).read({"user": ["a"]})
    assert time.monotonic() - began < 0.5
