"""`make stream` as a process of its own, beside a broker that takes anything, goes away and comes back empty."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis
import yaml
from feast import FeatureStore

from pipelines.plan import EventTable
from pipelines.stream.dead_letters import read_letters
from pipelines.stream.transport.redis_streams import RedisStreams
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace, open_store

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ADS = ROOT / "tests" / "domains" / "ads" / "feature_repo"
PATIENCE = 120.0


def wait(until: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def online() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def environment(online: RedisServer, tmp_path: Path) -> dict[str, str]:
    """The ads repo, applied, with an online store of its own."""
    data = tmp_path / "data"
    data.mkdir()
    settings = yaml.safe_load((ADS / "feature_store.yaml").read_text())
    settings["registry"] = str(data / "registry.db")
    settings["online_store"]["connection_string"] = online.connection_string
    (data / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    env = os.environ | {
        "REPO": str(ADS),
        "MILLRACE_DATA": str(data),
        "COLD": "1",
        "PARTITIONS": "2",
        "PYTHONWARNINGS": "ignore",
    }
    env.pop("MILLRACE_YAML", None)
    subprocess.run([sys.executable, "-m", "commands", "apply"], cwd=ROOT, env=env, check=True, capture_output=True)
    return env


def click(number: int, **fields: Any) -> dict[str, Any]:
    at = time.time_ns() // 1000
    return {"click_id": f"c{number}", "clicked_at": at, "user_id": "u", "ad_id": f"ad {number}"} | fields


def publish(broker: RedisServer, clicks: list[dict[str, Any]]) -> None:
    kinds = {str: "string", int: "bigint"}
    columns = tuple(
        (name, "timestamp" if name == "clicked_at" else kinds[type(one)]) for name, one in clicks[0].items()
    )
    table = EventTable("clicks", "", "clicked_at", "click_id", "clicks", "ad_id", columns)
    RedisStreams(broker.url).publish(table, pa.Table.from_pylist(clicks, schema=table.schema()))


def counted(online: RedisServer) -> int:
    """Events that the view of users has taken."""
    keys = list(redis.Redis.from_url(online.url).scan_iter("millrace:*:events"))
    return sum(int(redis.Redis.from_url(online.url).hget(key, "user_activity") or 0) for key in keys)


def start(env: dict[str, str], log: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """Start one stream of several processes."""
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            ports.append(held.enter_context(socket.socket()))
            ports[-1].bind(("127.0.0.1", 0))
        addresses = " ".join(f"127.0.0.1:{one.getsockname()[1]}" for one in ports)
    running = []
    for number in range(count):
        of_one = env | {"ADDRESSES": addresses, "PROCESS": str(number)}
        with log.with_name(f"{log.name}-{number}").open("ab") as told:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "commands", "stream"], cwd=ROOT, env=of_one, stdout=told, stderr=told
                )
            )
    return running


def test_processes_share_a_stream_whose_view_has_another_key_than_the_topic_and_all_of_them_may_be_killed(
    online: RedisServer, environment: dict[str, str], tmp_path: Path
) -> None:
    with start_redis() as broker:
        env = environment | {
            "MILLRACE_BROKER": broker.url,
            "EPOCH_SECONDS": "0.5",
            "FRESH": "1",
            "SHARDS": "4",
            "PARTITIONS": "4",
        }
        store = open_store(Workspace.from_env(environment))
        clicks = [click(n, user_id=f"u{n % 7}", ad_id=f"ad {n % 11}") for n in range(600)]
        running: list[subprocess.Popen[bytes]] = []
        try:
            for part in (0, 200, 400):
                running = start(env, tmp_path / "log", 2)
                publish(broker, clicks[part : part + 100])
                wait(lambda: any(one.poll() is not None for one in running) or complete(store, clicks[: part + 100]))  # noqa: B023
                publish(broker, clicks[part + 100 : part + 200])
                assert [one.poll() for one in running] == [None, None], (tmp_path / "log-0").read_text()
                env["FRESH"] = "0"
                if part < 400:
                    for one in running:
                        one.kill()
                        one.wait()
            wait(lambda: any(one.poll() is not None for one in running) or complete(store, clicks))
            assert complete(store, clicks)
        finally:
            for one in running:
                one.kill()
                one.wait()


def complete(store: FeatureStore, clicks: list[dict[str, Any]]) -> bool:
    """Say whether the view of users has all clicks: by another key than that by which the topic is partitioned."""
    ads: dict[str, list[str]] = {}
    for one in clicks:
        ads.setdefault(one["user_id"], []).append(one["ad_id"])
    asked = ["user_activity:ads_1d", "user_activity:clicks_5m"]
    seen = store.get_online_features(asked, [{"user_id": user} for user in ads]).to_dict()
    return seen["ads_1d"] == [len(set(a)) for a in ads.values()] and seen["clicks_5m"] == [len(a) for a in ads.values()]


def test_garbage_and_an_absent_broker_do_not_end_a_stream_and_an_emptied_one_does_with_what_to_do(
    online: RedisServer, environment: dict[str, str], tmp_path: Path
) -> None:
    with start_redis() as broker:
        env = environment | {"MILLRACE_BROKER": broker.url, "EPOCH_SECONDS": "1"}
        with (tmp_path / "log").open("w") as log:
            stream = subprocess.Popen(
                [sys.executable, "-m", "commands", "stream"], cwd=ROOT, env=env, stdout=log, stderr=log
            )
        try:
            client = redis.Redis.from_url(broker.url)
            wait(lambda: stream.poll() is not None or client.hlen("events:clicks:taken") == 2)
            publish(broker, [click(1), click(2)])
            far = json.dumps(click(3, clicked_at="2099-01-01T00:00:00Z"))
            for garbage in (
                {"event": b"null"},
                {"event": b"\xff"},
                {"event": far.encode()},
                {"tick": b"x"},
                {"y": b"z"},
            ):
                client.xadd("events:clicks:0", garbage)  # type: ignore[arg-type]
            publish(broker, [click(4)])
            wait(lambda: stream.poll() is not None or counted(online) == 3)
            os.kill(broker.pid, signal.SIGSTOP)
            wait(lambda: stream.poll() is not None or "does not answer" in (tmp_path / "log").read_text())
            os.kill(broker.pid, signal.SIGCONT)
            publish(broker, [click(5)])
            wait(lambda: stream.poll() is not None or counted(online) == 4)
            assert stream.poll() is None, (tmp_path / "log").read_text()
            letters = list(read_letters(Path(environment["MILLRACE_DATA"]) / "dead_letters"))
            assert sorted(one.code for one in letters) == ["bad_tick", "future", "no_event", "not_json", "not_json"]
            assert all(one.offset for one in letters)
            page = subprocess.run(
                [sys.executable, "-m", "commands", "status"],
                cwd=ROOT,
                env=env,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            assert "events/s into views" in page
            assert "snapshots: " in page
            assert {tuple(row.split()[:3]) for row in page.splitlines() if row.startswith("clicks ")} >= {
                ("clicks", "bad_tick", "1"),
                ("clicks", "not_json", "2"),
            }
            client.flushall()
            wait(lambda: stream.poll() is not None)
        finally:
            stream.kill()
            stream.wait()
    told = (tmp_path / "log").read_text().splitlines()
    assert stream.returncode == 1
    assert any(line.startswith("broker: back after") for line in told)
    assert told[-1].startswith("stream: topic clicks, partition ")
    assert told[-1].endswith("then run `make backfill`, and start the stream with FRESH=1.")
    assert not any(line.startswith("Traceback") for line in told)
