"""The HTTP interface, without Ray: the ASGI app is called directly."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from serving.scoring.scorer import Scorer

Call = Callable[..., httpx.Response]


def test_request_gets_score_decision_and_model(call: Call, request_body: dict[str, object]) -> None:
    answer = call("POST", "/v1/score", json=request_body)
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"decision_id", "score", "decision", "model", "version", "event_timestamp", "degraded"}
    assert body["decision"] == ("skip" if body["score"] < 0.5 else "show")
    assert (body["model"], body["version"], body["degraded"]) == ("click_v1", "v1", False)
    assert body["event_timestamp"] == "2026-03-01T12:00:00.000000Z"


def test_event_timestamp_left_out_is_the_time_of_arrival(call: Call, request_body: dict[str, object]) -> None:
    body = {name: value for name, value in request_body.items() if name != "event_timestamp"}
    assert call("POST", "/v1/score", json=body).json()["event_timestamp"] == "2026-03-01T12:00:00.000000Z"


def test_features_come_with_the_score_if_asked(call: Call, request_body: dict[str, object]) -> None:
    body = call("POST", "/v1/score", json={**request_body, "ad_id": 99, "features": True}).json()
    assert body["features"]["user_activity__clicks"] == 4
    assert body["features"]["user_activity__last_ads"] == [7, 8]
    assert body["features"]["user_activity__last_seen"] == "2026-03-01T11:00:00Z"
    assert body["features"]["user_activity__last_visits"] == ["2026-01-30T12:00:00Z", "2026-03-01T11:00:00Z"]
    assert {"feature": "ad_quality__rate", "reason": "not_found"} in body["missing"]


def test_batch_gets_a_prediction_for_each_instance(call: Call, request_body: dict[str, object]) -> None:
    alone = call("POST", "/v1/score", json=request_body).json()
    other = {**request_body, "user_id": "bob"}
    body = call("POST", "/v1/score", json={"instances": [other, request_body]}).json()
    assert set(body) == {"model", "version", "degraded", "predictions"}
    assert body["predictions"][1]["score"] == alone["score"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"ad_id": "7"}, "ad_id"), ({"bid": None}, "bid"), ({"event_timestamp": 5}, "event_timestamp")],
)
def test_value_that_does_not_fit_is_a_422_that_names_the_field(
    call: Call, request_body: dict[str, object], change: dict[str, object], field: str
) -> None:
    answer = call("POST", "/v1/score", json={**request_body, **change})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert "expected" in answer.json()["error"]["message"]


def test_batch_longer_than_configured_is_a_422(call: Call, request_body: dict[str, object]) -> None:
    answer = call("POST", "/v1/score", json={"instances": [request_body] * 9})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "instances")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the body is not JSON", id="empty"),
        pytest.param(b"{", "the body is not JSON", id="cut"),
        pytest.param(b'{"bid": NaN}', "NaN is not a JSON number", id="nan"),
        pytest.param(b'{"bid": -Infinity}', "-Infinity is not a JSON number", id="infinity"),
        pytest.param(b"\xff", "the body is not JSON", id="no_utf8"),
        pytest.param(b"[" * 100_000, "the body is not JSON", id="deep"),
    ],
)
def test_body_that_is_not_json_is_a_400(call: Call, content: bytes, message: str) -> None:
    answer = call("POST", "/v1/score", content=content)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


def test_body_larger_than_configured_is_a_413(call: Call) -> None:
    assert call("POST", "/v1/score", content=b" " * 1_000_001).status_code == 413


def test_unknown_path_is_told_which_there_are(call: Call) -> None:
    answer = call("GET", "/score")
    assert answer.status_code == 404
    assert "/v1/score" in answer.json()["error"]["message"]


def test_wrong_method_is_told_the_right_one(call: Call) -> None:
    answer = call("GET", "/v1/score")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_slash_at_the_end_is_passed_over_and_a_service_may_be_named(
    call: Call, request_body: dict[str, object]
) -> None:
    answers = [
        call("POST", path, json=request_body).json() for path in ("/v1/score", "/v1/score/", "/v1/score/click_v1")
    ]
    assert len({answer.pop("decision_id") for answer in answers}) == 3
    assert answers[0] == answers[1] == answers[2]
    answer = call("POST", "/v1/score/other", json=request_body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        404,
        "service other is not served; there are click_v1",
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/model", "/healthz/"])
def test_head_is_get_without_a_body(call: Call, path: str) -> None:
    answer, whole = call("HEAD", path), call("GET", path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(whole.content))
    assert call("POST", path).headers["allow"] == "GET, HEAD"


def test_features_without_a_row_are_counted_by_reason_without_being_asked(
    call: Call, request_body: dict[str, object]
) -> None:
    assert "missing_counts" not in call("POST", "/v1/score", json=request_body).json()
    stranger = call("POST", "/v1/score", json={**request_body, "user_id": "nobody"}).json()
    assert stranger["missing_counts"] == {"not_found": 8}
    old = call("POST", "/v1/score", json={**request_body, "user_id": "old"}).json()
    assert old["missing_counts"] == {"expired": 7, "not_found": 1}


def test_model_is_described_with_request_and_policy(call: Call) -> None:
    body = call("GET", "/v1/model").json()
    assert (body["name"], body["version"], body["metrics"]) == ("click_v1", "v1", {"auroc": 0.9})
    assert body["policy"] == [{"decide": "skip", "below": 0.5}, {"decide": "show"}]
    assert body["request"][0] == {"name": "user_id", "type": "string", "required": True, "role": "join key"}


def test_service_is_ready_while_its_store_answers(call: Call) -> None:
    assert call("GET", "/readyz").json() == {"status": "ready"}
    assert call("GET", "/healthz").status_code == 200


def test_fault_of_the_service_is_a_500_without_its_details(
    call: Call, scorer: Scorer, request_body: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorer, "score", lambda *_: 1 / 0)
    answer = call("POST", "/v1/score", json=request_body)
    assert answer.status_code == 500
    assert answer.json() == {"error": {"field": None, "message": "the service failed; its log says why"}}


def test_contributions_come_with_each_score_if_asked(call: Call, request_body: dict[str, object]) -> None:
    body = {"instances": [request_body, {**request_body, "user_id": "bob"}], "contributions": True}
    for one in call("POST", "/v1/score", json=body).json()["predictions"]:
        assert set(one["contributions"]) == {"base", "features"}
    alone = call("POST", "/v1/score", json={**request_body, "contributions": True}).json()["contributions"]
    assert alone["features"][0].keys() == {"feature", "contribution"}
    answer = call("POST", "/v1/score", json={**request_body, "contributions": 1})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "contributions")
