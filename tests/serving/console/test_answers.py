"""What the console asks for: an entity's features, recent decisions, the stream, and the page's own files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from stage import SERVICE, Served, logged, write_log

from serving.console.decisions import newest_decisions
from serving.console.stream import StreamHealth
from stores.online import OnlineStoreUnavailable, Progress

pytestmark = pytest.mark.slow
AT = datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)


def test_features_come_by_view_with_the_age_of_their_rows(served: Served) -> None:
    told = served.http.get("/v1/features", params={"user_id": "ann", "ad_id": 7}).json()
    views = {view["view"]: view for view in told["views"]}
    assert {"name": "rate", "value": 0.25, "status": "present"} in views["ad_quality"]["features"]
    assert views["ad_quality"]["event_timestamp"] == "2026-03-01T11:00:00.000000Z"
    assert views["ad_quality"]["age_seconds"] > 86_400
    assert views["user_activity"]["status"] == "expired"
    assert told["left_out"] == []


def test_views_whose_keys_are_not_all_given_are_left_out(served: Served) -> None:
    told = served.http.get("/v1/features", params={"service": SERVICE, "ad_id": 404}).json()
    views = {view["view"]: view for view in told["views"]}
    assert views["ad_quality"]["status"] == "not_found"
    assert {"view": "user_activity", "keys": ["user_id"]} in told["left_out"]


@pytest.mark.parametrize(
    ("given", "status", "field", "message"),
    [
        ({"ad_id": "seven"}, 422, "ad_id", "expected a 64-bit integer"),
        ({"ad": 7}, 422, "ad", "its keys are user_id, ad_id"),
        ({"service": "other"}, 404, None, "there are click_v1"),
    ],
)
def test_a_question_that_has_no_answer_is_told_what_to_ask(
    served: Served, given: dict[str, object], status: int, field: str | None, message: str
) -> None:
    answer = served.http.get("/v1/features", params=given)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert message in answer.json()["error"]["message"]


def test_decisions_come_newest_first(served: Served) -> None:
    told = served.http.get("/v1/decisions", params={"limit": 3}).json()["decisions"]
    assert [one["decision_id"] for one in told] == ["d00008", "d00007", "d00006"]
    assert told[0]["reasons"] == ["bid over 0.4"]
    assert told[0]["missing"] == {"ad_quality": "not_found"}
    assert told[0]["request"] == {"user_id": "ann", "ad_id": 99, "bid": 0.5}
    assert told[0]["age_seconds"] == {"user_activity": 3600.0}
    assert told[0]["latency_ms"] == 1.5
    only = served.http.get("/v1/decisions", params={"decision": "show"}).json()["decisions"]
    assert [one["decision_id"] for one in only] == ["d00008"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many"])
def test_a_limit_out_of_bounds_is_a_422(served: Served, limit: str) -> None:
    assert served.http.get("/v1/decisions", params={"limit": limit}).status_code == 422


def test_decisions_of_several_replicas_and_days_are_one_list(tmp_path: Path) -> None:
    for number in range(12):  # a file a second, past midnight, turn by turn by two replicas
        rows = [logged(number, AT + timedelta(seconds=2 * number))]
        write_log(tmp_path, f"r{number % 2}-{number}", rows)
    (tmp_path / "2026-03-02" / ".r9-1.parquet.unfinished").write_bytes(b"half")
    found = newest_decisions(tmp_path, 9)
    assert [one["decision_id"] for one in found] == [f"d{number:05}" for number in range(11, 2, -1)]


def test_a_service_without_decisions_has_none(tmp_path: Path) -> None:
    assert newest_decisions(tmp_path / "nothing", 5) == []


def test_the_stream_says_how_far_each_view_is(served: Served) -> None:
    told = served.http.get("/v1/stream").json()
    (view,) = [one for one in told["views"] if one["view"] == "user_activity"]
    assert (view["events"], view["rows"], view["held"]) == (1200, 900, {"bytes": 2400, "entities": 3})
    assert view["behind_seconds"] >= 2
    assert told["dead_letters"]["count"] == 2
    assert told["troubles"] == []


def test_a_stream_that_cannot_be_asked_is_a_trouble_and_the_rest_is_told(tmp_path: Path) -> None:
    def away() -> Progress:
        raise OnlineStoreUnavailable("Redis at 127.0.0.1:1 does not answer")

    (tmp_path / "log" / "clicks" / "date=2026-01-01").mkdir(parents=True)
    (tmp_path / "recovery").mkdir()
    (tmp_path / "recovery" / "part").write_bytes(b"state")
    told = StreamHealth(tmp_path, away).tell()
    assert told["troubles"] == ["Redis at 127.0.0.1:1 does not answer"]
    assert told["views"] == [
        {"view": "clicks", "log": {"first": "2026-01-01", "last": "2026-01-01"}, "streamed": False}
    ]
    assert told["snapshots"]["bytes"] == 5


def test_dead_letters_are_counted_on_from_where_the_last_look_ended(tmp_path: Path) -> None:
    health, folder = StreamHealth(tmp_path, Progress), tmp_path / "dead_letters"
    folder.mkdir()
    counts = []
    for added in ("{}\n", "{}\n{}\n", "{", "}\n"):
        with (folder / "a.jsonl").open("a") as letters:
            letters.write(added)
        counts.append(health.tell()["dead_letters"]["count"])
    (folder / "a.jsonl").write_text("{}\n")
    assert [*counts, health.tell()["dead_letters"]["count"]] == [1, 3, 3, 4, 1]


def test_the_page_may_load_only_its_own_files_and_is_asked_for_once(served: Served) -> None:
    page = served.http.get("/console")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    again = served.http.get("/console", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("console.css", "console.js"):
        assert f"/console/{name}" in page.text
        assert served.http.get(f"/console/{name}").status_code == 200
    assert served.http.get("/console/..%2fassets.py").status_code == 404
