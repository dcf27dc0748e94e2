"""The whole service as its users start it: a process with its own Ray, over HTTP, on a real Redis."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from contract.model_aliases import promote, rollback, set_alias
from contract.model_file import set_current
from contract.records import outcomes_folder, recorded_files
from serving.experiments.stopped import read_stopped
from workspace.files import write_whole
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace, open_store

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
EXPERIMENT = """
experiment:
  unit: user_id
  arms: {champion: 0.5, challenger: 0.5}
  guardrail: {metric: outcome_rate}
"""
TIERED = "stores.tiered_online.MillraceTieredOnlineStore"
MakeAds = Callable[[Path, str], Workspace]


@dataclass
class Served:
    url: str
    process: subprocess.Popen[str]
    redis: RedisServer
    taken_port: int
    said: str
    workspace: Workspace


def start(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "serving", *arguments],
        cwd=ROOT,
        env={**os.environ, **workspace.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Read what the service says up to the line with its address."""
    assert process.stdout is not None
    said = ""
    while "/v1/score" not in said:
        line = process.stdout.readline()
        assert line, f"it ended: {said} {process.communicate()}"
        said += line
    return said


def processes_of(session: int) -> list[str]:
    """List what still runs of a process that was started as its own session, or was left by one of its children."""
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == session and fields[0] != "Z":
                left.append((folder / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return left


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, make_ads: MakeAds) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with start_redis() as redis_server, socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        taken = int(occupied.getsockname()[1])
        workspace = make_ads(folder, redis_server.connection_string)
        process = start(workspace, "--port", str(taken), "--announce", str(folder / "url.json"))
        try:
            said = wait_until_ready(process)
            url = json.loads((folder / "url.json").read_text())["url"]
            yield Served(url, process, redis_server, taken, said, workspace)
        finally:
            process.kill()
            process.communicate()


def test_request_is_scored_over_http(served: Served, request_body: dict[str, object]) -> None:
    answer = httpx.post(f"{served.url}/v1/score", json={**request_body, "features": True}, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["degraded"] is False
    assert answer.json()["missing"] == []


def test_taken_port_is_stepped_over_and_told(served: Served) -> None:
    assert f"port {served.taken_port} is taken, using {served.url.rsplit(':', 1)[1]}" in served.said


def test_concurrent_requests_each_get_their_own_answer(served: Served, request_body: dict[str, object]) -> None:
    import asyncio

    bodies = [{**request_body, "bid": 0.5 + i, "user_id": ["ann", "bob"][i % 2], "features": True} for i in range(64)]

    async def send_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30) as client:
            return await asyncio.gather(*(client.post(f"{served.url}/v1/score", json=body) for body in bodies))

    answers = [answer.json() for answer in asyncio.run(send_all())]
    assert [answer["features"]["bid_against_ad__expected_value"] for answer in answers] == [
        pytest.approx((0.5 + i) * 0.25) for i in range(64)
    ]
    assert [answer["features"]["user_activity__clicks"] for answer in answers] == [4, 0] * 32


def test_batch_is_scored_over_http(served: Served, request_body: dict[str, object]) -> None:
    answer = httpx.post(f"{served.url}/v1/score", json={"instances": [request_body] * 3}, timeout=30)
    assert len(answer.json()["predictions"]) == 3


def test_field_that_does_not_fit_is_a_422_over_http(served: Served, request_body: dict[str, object]) -> None:
    answer = httpx.post(f"{served.url}/v1/score", json={**request_body, "bid": "much"}, timeout=30)
    assert answer.status_code == 422
    assert answer.json() == {"error": {"field": "bid", "message": 'expected a finite number, got the string "much"'}}


def test_other_protocols_are_answered_over_http(served: Served) -> None:
    described = httpx.get(f"{served.url}/openapi.json", timeout=30).json()["paths"]
    assert {"/v1/score/click_v1", "/v2/models/click_v1/infer", "/get-online-features", "/v1/outcomes"} <= set(described)
    tensors = described["/v2/models/click_v1/infer"]["post"]["requestBody"]["content"]["application/json"]["example"]
    answer = httpx.post(f"{served.url}/v2/models/click_v1/infer", json=tensors, timeout=30).json()
    assert [one["shape"] for one in answer["outputs"]] == [[1]] * 5
    asked = {"features": ["user_activity:clicks"], "entities": {"user_id": ["ann"]}}
    found = httpx.post(f"{served.url}/get-online-features", json=asked, timeout=30).json()
    assert found["results"][found["metadata"]["feature_names"].index("clicks")]["values"] == [4]
    assert httpx.get(f"{served.url}/docs", timeout=30).status_code == 200


def test_model_and_readiness_are_answered(served: Served) -> None:
    assert httpx.get(f"{served.url}/v1/model", timeout=30).json()["version"] == "v1"
    assert httpx.get(f"{served.url}/readyz", timeout=30).status_code == 200
    assert httpx.get(f"{served.url}/healthz", timeout=30).json() == {"status": "alive"}


def test_an_arm_that_does_harm_is_stopped_and_a_champion_promoted_while_requests_go_on(
    served: Served, request_body: dict[str, object], save_model: Callable[..., None]
) -> None:
    models, yaml = served.workspace.models, served.workspace.repo / "serving.yaml"
    before = yaml.read_text()
    save_model(models, version="v2")
    set_current(models, "click_v1", "v1")
    set_alias(models, "click_v1", "challenger", "v2")
    write_whole(yaml, before + EXPERIMENT)
    with httpx.Client(base_url=served.url, timeout=30) as client, Traffic(served.url, request_body) as traffic:
        until(lambda: client.post("/v1/score", json=request_body).json().get("arm") is not None)
        users = [{**request_body, "user_id": f"user {n}"} for n in range(400)]
        answers = [
            one
            for start in range(0, len(users), 8)
            for one in client.post("/v1/score", json={"instances": users[start : start + 8]}).json()["predictions"]
        ]
        arms = [one["arm"] for one in answers]
        outcomes = [{"decision_id": one["decision_id"], "outcome": one["arm"] == "champion"} for one in answers]
        for start in range(0, len(outcomes), 8):
            told = client.post("/v1/outcomes", json={"outcomes": outcomes[start : start + 8]})
            assert told.status_code == 202
        until(lambda: "challenger" in read_stopped(models, "click_v1"))
        until(lambda: client.post("/v1/score", json=users[arms.index("challenger")]).json()["arm"] == "champion")
        until(lambda: stopped_arm(client) == "challenger")
        promote(models, "click_v1", "v2", "it was only a test", datetime.now(UTC))
        until(lambda: client.post("/v1/score", json=request_body).json()["version"] == "v2")
        rollback(models, "click_v1", "it was only a test", datetime.now(UTC))
        until(lambda: client.post("/v1/score", json=request_body).json()["version"] == "v1")
    write_whole(yaml, before)
    assert 100 < arms.count("challenger") < 300
    assert set(traffic.statuses) == {200}
    assert {"v1", "v2"} <= traffic.versions


def stopped_arm(client: httpx.Client) -> str | None:
    """Return the alias of the arm that the service tells to be stopped."""
    (report,) = client.get("/v1/experiments").json()["experiments"]
    return next((arm["alias"] for arm in report["arms"] if arm["stopped"]), None)


class Traffic:
    """Requests of one user after the other as long as it is entered."""

    def __init__(self, url: str, body: dict[str, object]) -> None:
        self.statuses: list[int] = []
        self.versions: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(url, body))

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self, url: str, body: dict[str, object]) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._ended.wait(0.02):
                answer = client.post("/v1/score", json=body)
                self.statuses.append(answer.status_code)
                self.versions.add(answer.json().get("version", ""))


def until(true: Callable[[], bool]) -> None:
    """Wait for what the service does by itself."""
    pause = threading.Event()
    for _ in range(300):
        if true():
            return
        pause.wait(0.2)
    raise AssertionError("it did not come")


def test_what_goes_on_is_counted_and_shown(served: Served, request_body: dict[str, object]) -> None:
    named = {"x-request-id": "order-17"}
    answer = httpx.post(f"{served.url}/v1/score", json=request_body, headers=named, timeout=30)
    assert answer.headers.get_list("x-request-id") == ["order-17"]
    shown = httpx.get(f"{served.url}/metrics", timeout=30).text
    assert "\nmillrace_replicas 1.0\n" in shown
    assert re.search(r'^http_requests_total\{method="POST",route="/v1/score",status="200"\} [1-9]', shown, re.MULTILINE)
    assert httpx.head(f"{served.url}/metrics", timeout=30).status_code == 200
    assert httpx.get(f"{served.url}/console", timeout=30).headers["content-type"].startswith("text/html")
    told = httpx.get(f"{served.url}/v1/features", params={"ad_id": 7}, timeout=30).json()
    assert told["views"][0]["status"] == "present"


def test_without_redis_it_answers_degraded_and_stays_ready(served: Served, request_body: dict[str, object]) -> None:
    served.redis.stop()
    answer = httpx.post(f"{served.url}/v1/score", json={**request_body, "features": True}, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["degraded"] is True
    assert {"feature": "ad_quality__rate", "reason": "store_unavailable"} in answer.json()["missing"]
    readiness = httpx.get(f"{served.url}/readyz", timeout=30)
    assert readiness.status_code == 200
    assert "the online store does not answer" in readiness.json()["degraded"][0]
    assert httpx.get(f"{served.url}/healthz", timeout=30).status_code == 200


def test_sigterm_leaves_no_process_behind_and_loses_no_outcome(served: Served) -> None:
    outcome = {"decision_id": "d1", "outcome": True}
    assert httpx.post(f"{served.url}/v1/outcomes", json=outcome, timeout=30).status_code == 202
    served.process.terminate()
    served.process.communicate()
    assert served.process.returncode == 0
    assert processes_of(served.process.pid) == []
    files = recorded_files(outcomes_folder(served.workspace.data, "click_v1"))
    assert "d1" in [one for path in files for one in pq.read_table(path)["decision_id"].to_pylist()]


@pytest.fixture(scope="module")
def tiered(
    tmp_path_factory: pytest.TempPathFactory, make_ads: MakeAds, redis_server: RedisServer, aws: str
) -> Iterator[Served]:
    """The service before a hot and a warm store, with a cache of both."""
    folder = tmp_path_factory.mktemp("tiered")
    workspace = make_ads(folder, redis_server.connection_string)
    settings, serving = workspace.data / "feature_store.yaml", workspace.repo / "serving.yaml"
    told = yaml.safe_load(settings.read_text())
    hot = {"connection_string": redis_server.connection_string}
    told["online_store"] = {"type": TIERED, "hot": hot, "warm": {"endpoint_url": aws}, "warm_timeout_ms": 5000}
    settings.write_text(yaml.safe_dump(told))
    serving.write_text(f"{serving.read_text()}\nreplicas: {{cache_mb: 4}}\n")
    store = open_store(workspace)
    for name, tier in (("user_activity", "hot"), ("ad_quality", "warm")):
        view = store.get_feature_view(name)
        view.tags = {"millrace.store": tier, "millrace.cache": "1min"}
        store.apply(view)
    at = [datetime(2026, 3, 1, 11, tzinfo=UTC)]
    warm = pd.DataFrame({"ad_id": [7], "clicks": [10], "rate": [0.25], "event_timestamp": at})
    store.write_to_online_store("ad_quality", warm)
    process = start(workspace, "--port", "0", "--announce", str(folder / "url.json"))
    try:
        said = wait_until_ready(process)
        url = json.loads((folder / "url.json").read_text())["url"]
        yield Served(url, process, redis_server, 0, said, workspace)
    finally:
        process.kill()
        process.communicate()


def test_cache_before_both_tiers_is_seen_in_the_description(tiered: Served, request_body: dict[str, object]) -> None:
    for _ in range(4):
        answer = httpx.post(f"{tiered.url}/v1/score", json={**request_body, "features": True}, timeout=30).json()
        assert (answer["degraded"], answer["missing"]) == (False, [])
        assert (answer["features"]["user_activity__clicks"], answer["features"]["ad_quality__rate"]) == (4, 0.25)
    told = httpx.get(f"{tiered.url}/v1/model", timeout=30).json()
    assert (told["cache"]["misses"], told["cache"]["hits"], told["cache"]["hit_rate"]) == (2, 6, 0.75)
    assert told["store"]["hot"]["reads"] == 4, "the view that is not cached"
    assert told["store"]["warm"]["calls"]["failures"] == 0


def test_ctrl_c_in_a_terminal_leaves_no_process_behind(tiered: Served) -> None:
    os.killpg(tiered.process.pid, signal.SIGINT)  # a terminal signals the whole group
    tiered.process.communicate()
    assert tiered.process.returncode == 0
    assert processes_of(tiered.process.pid) == []


def test_model_that_does_not_fit_is_told_in_one_line(
    tmp_path: Path, make_ads: MakeAds, redis_server: RedisServer, save_model: Callable[..., None]
) -> None:
    workspace = make_ads(tmp_path, redis_server.connection_string)
    save_model(workspace.models, columns=("user_activity__gone",))
    process = start(workspace, "--port", "0")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "serving: model click_v1 version v1 wants user_activity__gone" in errors
    assert "Traceback" not in errors
