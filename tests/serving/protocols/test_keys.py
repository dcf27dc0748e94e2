"""Who is let in, for what, and how often."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from commands.key import main as print_key
from serving.config import HttpConfig, ServingConfig, ServingConfigError, load_config, parse_config
from serving.protocols.answer import Answer
from serving.protocols.app import build_http_app
from serving.protocols.http import HttpApp
from serving.protocols.key_file import KeyFileError, line_of, make_key, read_keys
from serving.protocols.keys import Guarded, KeyRing
from serving.protocols.request import Request
from serving.protocols.router import ADMIN, OPEN, READ, SCORE, Route
from serving.scoring.scorer import Scorer

Call = Callable[..., httpx.Response]
SHOP, CLERK, CHIEF = "mr_shop", "mr_clerk", "mr_chief"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def write(path: Path, *lines: str) -> None:
    """Write a file of keys as an editor does, as another one under the same name."""
    other = path.with_suffix(".new")
    other.write_text("\n".join(["keys:", *lines]) + "\n")
    os.replace(other, path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(
        tmp_path / "keys.yaml",
        line_of(SHOP, "shop", ["score"], per_second=2),
        line_of(CLERK, "clerk", ["read"]),
        line_of(CHIEF, "chief", ["admin"]),
    )
    return tmp_path / "keys.yaml"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def call(path: Path, clock: Clock, caller: Callable[[Any], Call]) -> Call:
    async def handle(_: Request) -> Answer:
        return Answer({"is": "done"})

    routes = [
        Route("GET", "/healthz", handle, OPEN),
        Route("POST", "/v1/score/{service}", handle, SCORE),
        Route("GET", "/v1/model", handle, READ),
        Route("POST", "/push", handle, ADMIN),
    ]
    return caller(Guarded(HttpApp(routes), KeyRing(path, clock), clock))


@pytest.mark.parametrize(
    ("key", "statuses"),
    [
        (None, [401, 401, 401]),
        ("other", [401, 401, 401]),
        (SHOP, [200, 403, 403]),
        (CLERK, [403, 200, 403]),
        (CHIEF, [200, 200, 200]),
    ],
)
def test_key_allows_its_scopes_and_no_others(call: Call, key: str | None, statuses: list[int]) -> None:
    headers = {"x-api-key": key} if key else {}
    asked = [("POST", "/v1/score/a"), ("GET", "/v1/model"), ("POST", "/push")]
    assert [call(*one, headers=headers).status_code for one in asked] == statuses
    assert call("GET", "/healthz").status_code == 200


@pytest.mark.parametrize(
    "header", [{"authorization": f"Bearer {CHIEF}"}, {"authorization": f"bearer  {CHIEF}"}, {"X-Api-Key": CHIEF}]
)
def test_key_is_sent_in_either_header(call: Call, header: dict[str, str]) -> None:
    assert call("GET", "/v1/model", headers=header).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", f"Basic {CHIEF}")],
        [("authorization", "Bearer ")],
        [("x-api-key", "")],
        [("x-api-key", CHIEF), ("x-api-key", SHOP)],
        [("authorization", f"Bearer {CHIEF}"), ("x-api-key", SHOP)],
        [("x-api-key", CHIEF + "\xff")],
        [("x-api-key", "mr_" + "a" * 10_000)],
    ],
)
def test_what_is_not_one_known_key_is_a_401_that_says_how_to_send_one(
    call: Call, headers: list[tuple[str, str]]
) -> None:
    answer = call("GET", "/v1/model", headers=[(name, value.encode("latin-1")) for name, value in headers])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "X-API-Key" in answer.json()["error"]["message"]
    assert CHIEF not in answer.text


def test_stranger_learns_no_paths(call: Call) -> None:
    assert call("GET", "/nothing").status_code == 401
    assert call("GET", "/nothing", headers={"x-api-key": CLERK}).status_code == 404


def test_rate_is_held_with_a_burst_and_told_when_to_come_again(call: Call, clock: Clock) -> None:
    def statuses(count: int) -> list[int]:
        return [call("POST", "/v1/score/a", headers={"x-api-key": SHOP}).status_code for _ in range(count)]

    assert statuses(3) == [200, 200, 429]
    assert call("POST", "/v1/score/a", headers={"x-api-key": SHOP}).headers["retry-after"] == "1"
    clock.now += 0.5
    assert statuses(2) == [200, 429]
    clock.now += 60
    assert statuses(3) == [200, 200, 429]
    assert call("GET", "/v1/model", headers={"x-api-key": CLERK}).status_code == 200


def test_file_is_read_again_when_it_changes(call: Call, path: Path, clock: Clock) -> None:
    asked = ("POST", "/v1/score/a")
    assert [call(*asked, headers={"x-api-key": SHOP}).status_code for _ in range(3)] == [200, 200, 429]
    write(path, line_of("mr_new", "new", ["score"]), line_of(SHOP, "shop", ["score"], per_second=2))
    clock.now += 0.1  # not looked at yet
    assert call(*asked, headers={"x-api-key": "mr_new"}).status_code == 401
    clock.now += 1.0
    assert call(*asked, headers={"x-api-key": "mr_new"}).status_code == 200
    assert call(*asked, headers={"x-api-key": CHIEF}).status_code == 401
    write(path, "  - {name: shop}")
    clock.now += 1.1
    assert call(*asked, headers={"x-api-key": "mr_new"}).status_code == 200  # what was goes on
    path.unlink()
    clock.now += 1.1
    assert call(*asked, headers={"x-api-key": "mr_new"}).status_code == 200


def test_bucket_stays_as_empty_as_it_was_when_the_file_is_read_again(path: Path, clock: Clock) -> None:
    ring = KeyRing(path, clock)

    def waits(count: int) -> list[bool]:
        holder = ring.find([(b"x-api-key", SHOP.encode())])
        assert holder is not None
        assert holder.bucket is not None
        return [holder.bucket.take(clock.now) > 0 for _ in range(count)]

    assert waits(3) == [False, False, True]
    clock.now += 1.0
    write(path, line_of(SHOP, "shop", ["score"], per_second=2), line_of(CLERK, "clerk", ["read"]))
    ring.look(clock.now)
    assert ring.find([(b"x-api-key", CHIEF.encode())]) is None
    assert waits(3) == [False, False, True]


SECRET = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file: .*write it as `make key` prints it"),
        ("keys: []", "keys: .*at least 1"),
        (
            "keys:\n  - {name: a, sha256: " + SECRET + ", scopes: [all]}",
            r":2: keys\[0\].scopes\[0\]: .*'score', 'read' or 'admin'",
        ),
        ("keys:\n  - {name: a, sha256: mr_" + SECRET + ", scopes: [score]}", r":2: keys\[0\].sha256"),
        ("keys:\n  - {name: a, sha256: " + SECRET + ", scopes: [score], burst: 3}", "burst without per_second"),
        ("keys:\n" + ("  - {name: a, sha256: " + SECRET + ", scopes: [score]}\n") * 2, ":3: a has the key of a"),
        ("keys: [" + SECRET, "is not YAML"),
    ],
)
def test_file_that_cannot_be_used_names_the_line_and_repeats_no_secret(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(KeyFileError, match=message) as refused:
        read_keys(tmp_path / "keys.yaml")
    assert SECRET not in str(refused.value)


def test_missing_file_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"make key NAME=\.\.\. SCOPES=score"):
        KeyRing(tmp_path / "keys.yaml")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "scoring.example"])
def test_host_that_others_can_reach_needs_keys(host: str) -> None:
    with pytest.raises(ServingConfigError, match=r"callers need keys; write 'auth: \{keys: keys.yaml\}'"):
        parse_config({"service": "click_v1", "http": {"host": host}})
    assert parse_config({"service": "a", "http": {"host": host}, "auth": {"keys": "k.yaml"}}).key_file == Path("k.yaml")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert parse_config({"service": "click_v1", "http": {"host": host}}).key_file is None


def test_file_of_keys_lies_beside_serving_yaml(tmp_path: Path) -> None:
    (tmp_path / "serving.yaml").write_text("service: a\nauth: {keys: keys.yaml}\n")
    assert load_config(tmp_path / "serving.yaml").key_file == tmp_path / "keys.yaml"


def test_command_prints_a_key_that_its_line_lets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAME", "on")  # to YAML a boolean, unless it is quoted
    monkeypatch.setenv("SCOPES", "score, read")
    monkeypatch.setenv("RATE", "5e6")
    assert print_key() == 0
    lines = capsys.readouterr().out.splitlines()
    (key,) = [line.strip() for line in lines if line.strip().startswith("mr_")]
    write(tmp_path / "keys.yaml", lines[-1])
    found = KeyRing(tmp_path / "keys.yaml").find([(b"authorization", b"Bearer " + key.encode())])
    assert found is not None
    assert (found.key.name, found.key.scopes, found.key.per_second) == ("on", ["score", "read"], 5_000_000)
    assert make_key() != make_key()


def test_whole_service_asks_for_keys_and_says_so_and_logs_none(
    path: Path,
    scorer: Scorer,
    config: ServingConfig,
    caller: Callable[[Any], Call],
    request_body: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    call = caller(build_http_app({"click_v1": scorer}, HttpConfig(), keys=KeyRing(path)))
    assert call("POST", "/v1/score", json=request_body).status_code == 401
    assert call("POST", "/v1/score", json=request_body, headers={"x-api-key": SHOP}).status_code == 200
    document = call("GET", "/openapi.json", headers={"x-api-key": CLERK}).json()
    score = document["paths"]["/v1/score"]["post"]
    assert (score["security"], score["x-scope"]) == ([{"bearer": []}, {"key": []}], "score")
    assert {"401", "403", "429"} <= set(score["responses"])
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert all(key not in caplog.text for key in (SHOP, CLERK))
