"""A real `FeatureStore` whose online store is this service, over real HTTP, beside one that reads Redis itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import uvicorn
from feast import FeatureStore
from feast.errors import FeatureServiceNotFoundException
from feast.infra.online_stores.remote import RemoteOnlineStoreConfig
from feast.permissions.auth_model import OidcClientAuthConfig

from serving.config import HttpConfig, ServingConfig
from serving.protocols.app import build_http_app
from serving.protocols.key_file import line_of
from serving.protocols.keys import KeyRing
from serving.scoring.scorer import Scorer
from workspace.workspace import Workspace, load_config, open_store

Call = Callable[..., httpx.Response]
AT = "2026-03-01T12:00:00+00:00"
ROWS = {
    "user_id": ["ann", "ann", "old", "nobody"],  # not bob, who has an empty list: Feast's client cannot read one
    "ad_id": [7, 8, 7, 9],
    "bid": [0.5, 1.5, 2.5, 0.0],
    "slot": [1, 2, 3, 4],
    "this_ad": [7, 8, 7, 9],
    "event_timestamp": [AT] * 4,
}
REQUESTS: list[Any] = [
    pytest.param("click_v1", ROWS, True, id="service_with_on_demand_views_full_names"),
    pytest.param("everything", {"ad_id": [7, 9], "previous_ad": [8, 7], "user_id": ["ann", "ann"]}, True, id="aliases"),
    pytest.param(["user_activity:clicks", "user_activity:last_visits"], {"user_id": ["ann", "x"]}, False, id="list"),
    pytest.param(
        ["user_activity:clicks", "ad_quality:clicks"], {"user_id": ["ann"], "ad_id": [8]}, True, id="full_names"
    ),
    pytest.param(["bid_against_user:idle_seconds", "bid_against_user:seen_before"], ROWS, False, id="on_demand"),
    pytest.param(["site_load:visitors"], {"any": [1, 2]}, False, id="no_entity"),
]


@pytest.fixture(scope="module")
def direct(workspace: Workspace) -> FeatureStore:
    return open_store(workspace)


@pytest.fixture(scope="module")
def call(direct: FeatureStore, scorer: Scorer, config: ServingConfig, caller: Callable[[Any], Call]) -> Call:
    return caller(build_http_app({"click_v1": scorer}, config.http, store=direct))


@pytest.fixture(scope="module")
def url(direct: FeatureStore, scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve over HTTP, to those with the key `mr_reader`."""
    keys = tmp_path_factory.mktemp("keys") / "keys.yaml"
    keys.write_text("keys:\n" + line_of("mr_reader", "reader", ["read"]) + "\n")
    app = build_http_app({"click_v1": scorer}, HttpConfig(), store=direct, keys=KeyRing(keys))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def remote(workspace: Workspace, url: str) -> FeatureStore:
    """Open the feature store of the same registry as a client does: nothing in it knows Redis."""
    config = load_config(workspace)
    config.online_config = {"type": "remote", "path": url}
    config._online_store = RemoteOnlineStoreConfig(path=url)
    config._auth = OidcClientAuthConfig(type="oidc", token="mr_reader")
    return FeatureStore(repo_path=str(workspace.repo), config=config)


def features_of(store: FeatureStore, asked: str | list[str]) -> Any:
    return store.get_feature_service(asked) if isinstance(asked, str) else asked


@pytest.mark.parametrize(("asked", "entities", "full"), REQUESTS)
def test_remote_store_gives_what_the_store_itself_gives(
    remote: FeatureStore, direct: FeatureStore, asked: str | list[str], entities: dict[str, Any], full: bool
) -> None:
    def times(rows: dict[str, Any]) -> dict[str, Any]:
        return {n: [datetime.fromisoformat(one) for one in v] if n == "event_timestamp" else v for n, v in rows.items()}

    got = remote.get_online_features(features_of(remote, asked), entities, full_feature_names=full).to_dict()
    wanted = direct.get_online_features(features_of(direct, asked), times(entities), full_feature_names=full).to_dict()
    for given in ("event_timestamp", "any"):  # given as text, so repeated as text
        got.pop(given, None), wanted.pop(given, None)
    assert got == plain(wanted)
    assert any(value is not None for values in got.values() for value in values)


def plain(rows: dict[str, Any]) -> dict[str, Any]:
    """Write times as JSON carries them in Feast's form: seconds since 1970."""

    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(item) for item in value]
        return int(value.timestamp()) if isinstance(value, datetime) else value

    return {name: one(values) for name, values in rows.items()}


def test_rows_may_be_given_as_a_list_and_one_alone(remote: FeatureStore) -> None:
    rows = [{"user_id": "ann"}, {"user_id": "bob"}]
    assert remote.get_online_features(["user_activity:clicks"], rows).to_dict()["clicks"] == [4, 0]


def test_errors_of_feast_are_raised_again_by_its_client(url: str, remote: FeatureStore) -> None:
    session = {"Authorization": "Bearer mr_reader"}
    answer = requests.post(
        f"{url}/get-online-features",
        json={"feature_service": "none", "entities": {"a": [1]}},
        headers=session,
        timeout=30,
    )
    assert answer.status_code == 404
    raised = FeatureServiceNotFoundException.from_error_detail(answer.json())
    assert isinstance(raised, FeatureServiceNotFoundException)
    with pytest.raises(RuntimeError, match=r"entities\.user_id.*is missing"):
        remote.get_online_features(["user_activity:clicks"], {"ad_id": [1]})


def test_writing_through_the_remote_store_is_refused_with_what_to_do(url: str, tmp_path: Path) -> None:
    assert requests.post(f"{url}/materialize", json={}, timeout=30).status_code == 401
    key = {"x-api-key": "mr_reader"}
    assert requests.post(f"{url}/push", json={}, headers=key, timeout=30).status_code == 403


@pytest.mark.parametrize("path", ["/write-to-online-store", "/materialize", "/materialize-incremental/"])
def test_what_is_not_served_says_what_to_do(call: Call, path: str) -> None:
    answer = call("POST", path, json={})
    assert answer.status_code == 403
    assert "make" in answer.json()["error"]["message"]


def mood(*rows: tuple[str, str, int, list[float], str]) -> dict[str, Any]:
    names = ("user_id", "mood", "since", "swings", "event_timestamp")
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    return {"push_source_name": "moods", "df": columns, "to": "online"}


def test_pushed_rows_are_stored_and_older_ones_never_over_newer_ones(call: Call, direct: FeatureStore) -> None:
    def moods(*users: str) -> list[Any]:
        asked = ["user_mood:mood", "user_mood:since", "user_mood:swings"]
        found = direct.get_online_features(asked, {"user_id": list(users)}).to_dict()
        return list(zip(found["mood"], found["since"], found["swings"], strict=True))

    first = call("POST", "/push", json=mood(("ann", "glad", 60, [0.5], AT), ("bob", "calm", 0, [], AT)))
    assert (first.status_code, first.json()) == (200, {"written": 2, "stale": 0, "superseded": 0})
    earlier = "2026-03-01T11:59:59Z"
    second = call(
        "POST", "/push", json=mood(("ann", "sad", 0, [], earlier), ("eve", "new", 0, [], "2026-03-01T12:00:01"))
    )
    assert second.json() == {"written": 1, "stale": 1, "superseded": 0}
    (ann, eve) = moods("ann", "eve")
    assert (ann[0], ann[1].timestamp(), ann[2]) == ("glad", 60, [0.5])
    assert eve[0] == "new"


def changed(body: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {**body, "df": {**body["df"], **columns}}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({**mood(("a", "b", 0, [], AT)), "push_source_name": "none"}, 404, "push_source_name"),
        ({**mood(("a", "b", 0, [], AT)), "to": "offline"}, 422, "to"),
        ({"push_source_name": "moods"}, 422, "df"),
        (changed(mood(("a", "b", 0, [], AT)), user_id=[None]), 422, "df.user_id[0]"),
        (changed(mood(("a", "b", 0, [], AT)), user_id=["a", "b"]), 422, "df.mood"),
        (changed(mood(("a", "b", 0, [], AT)), event_timestamp=["soon"]), 422, "df.event_timestamp[0]"),
        (changed(mood(("a", "b", 0, [], AT)), swings=[["much"]]), 422, "df.swings[0]"),
        ({**mood(("a", "b", 0, [], AT)), "df": {"user_id": ["a"]}}, 422, None),
        ([], 422, None),
    ],
)
def test_push_that_does_not_fit_names_the_field(call: Call, body: Any, status: int, field: str | None) -> None:
    answer = call("POST", "/push", json=body)
    assert answer.status_code == status
    assert field is None or answer.json()["error"]["field"] == field


def test_page_of_a_foreign_site_cannot_push(call: Call) -> None:
    assert call("POST", "/push", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"features": ["user_activity:clicks"]}, 422, "entities"),
        ({"features": ["user_activity:clicks"], "entities": {"user_id": [1]}}, 422, "entities.user_id[0]"),
        ({"features": ["user_activity:clicks"], "entities": {"user_id": [None]}}, 422, "entities.user_id[0]"),
        ({"features": ["user_activity:clicks"], "entities": {"user_id": []}}, 422, "entities"),
        ({"features": ["user_activity:clicks"], "entities": {"user_id": ["a"] * 9}}, 422, "entities"),
        ({"features": ["user_activity:clicks"], "entities": {"user_id": "a"}}, 422, "entities.user_id"),
        ({"features": ["user_activity"], "entities": {"user_id": ["a"]}}, 422, "features[0]"),
        ({"features": ["user_activity:none"], "entities": {"user_id": ["a"]}}, 404, "features"),
        ({"features": [], "entities": {"user_id": ["a"]}}, 422, "features"),
        ({"feature_service": 3, "entities": {"user_id": ["a"]}}, 422, "feature_service"),
        (
            {"features": ["user_activity:clicks"], "entities": {"user_id": ["a"]}, "full_feature_names": 1},
            422,
            "full_feature_names",
        ),
        (
            {"features": ["bid_against_user:idle_seconds"], "entities": {"user_id": ["a"], "ad_id": [1]}},
            422,
            "entities.bid",
        ),
        ({"features": ["no_view:clicks"], "entities": {"user_id": ["a"]}}, 404, None),
        (
            {"features": ["user_activity:clicks", "ad_quality:clicks"], "entities": {"user_id": ["a"], "ad_id": [1]}},
            422,
            None,
        ),
    ],
)
def test_read_that_does_not_fit_names_the_field(call: Call, body: Any, status: int, field: str | None) -> None:
    answer = call("POST", "/get-online-features", json=body)
    assert (answer.status_code, answer.text if field is None else answer.json()["error"]["field"]) == (
        status,
        answer.text if field is None else field,
    )


def test_health_is_200_without_a_body(call: Call) -> None:
    assert (call("GET", "/health").status_code, call("GET", "/health").content) == (200, b"")


def test_store_that_is_away_is_a_503_that_may_be_tried_again(
    workspace: Workspace, scorer: Scorer, caller: Callable[[Any], Call]
) -> None:
    config = load_config(workspace)
    config.online_store.connection_string = "127.0.0.1:1"
    away = FeatureStore(repo_path=str(workspace.repo), config=config)
    call = caller(build_http_app({"click_v1": scorer}, HttpConfig(), store=away))
    asked = {"features": ["user_activity:clicks"], "entities": {"user_id": ["ann"]}}
    for path, body in (("/get-online-features", asked), ("/push", mood(("a", "b", 0, [], AT)))):
        answer = call("POST", path, json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "online store does not answer" in answer.json()["error"]["message"]
