"""`POST /v1/outcomes`: what is taken, what is refused, and what can be read afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from contract.records import outcomes_folder, recorded_files
from serving.config import HttpConfig
from serving.protocols.http import HttpApp
from serving.protocols.outcomes import Outcomes
from serving.recording.appender import ParquetAppender
from serving.recording.outcomes import SCHEMA, OutcomeRecord

NOW_US = 1_772_366_400_000_000
ONE = {"decision_id": "d1", "outcome": True}
Post = Callable[..., httpx.Response]


@pytest.fixture
def records(tmp_path: Path) -> dict[str, OutcomeRecord]:
    return {name: OutcomeRecord.open(tmp_path, name) for name in ("clicks", "watch_time")}


@pytest.fixture
def post(records: dict[str, OutcomeRecord]) -> Post:
    limits = HttpConfig(max_instances=3, max_body_bytes=2000)
    app = HttpApp(Outcomes(records, frozenset({"clicks"}), limits, now_us=lambda: NOW_US).routes())

    def send(body: object, path: str = "/v1/outcomes") -> httpx.Response:
        async def run() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
                return await client.post(path, json=body)

        return asyncio.run(run())

    return send


def recorded(data: Path, records: dict[str, OutcomeRecord], service: str = "clicks") -> list[dict[str, object]]:
    records[service].close()
    return [row for path in recorded_files(outcomes_folder(data, service)) for row in pq.read_table(path).to_pylist()]


def test_one_outcome_is_taken_and_recorded(post: Post, tmp_path: Path, records: dict[str, OutcomeRecord]) -> None:
    answer = post({**ONE, "value": 12, "event_timestamp": "2026-03-02T10:00:00Z"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (row,) = recorded(tmp_path, records)
    assert (row["decision_id"], row["outcome"], row["value"]) == ("d1", 1.0, 12.0)
    assert [str(row[name]) for name in ("event_timestamp", "received_at")] == [
        "2026-03-02 10:00:00+00:00",
        "2026-03-01 12:00:00+00:00",
    ]


def test_several_are_recorded_in_the_order_told(post: Post, tmp_path: Path, records: dict[str, OutcomeRecord]) -> None:
    assert post({"outcomes": [ONE, {"decision_id": "d2", "outcome": 0}]}).json() == {"accepted": 2}
    assert post({**ONE, "outcome": 0}).json() == {"accepted": 1}
    rows = recorded(tmp_path, records)
    assert [(row["decision_id"], row["outcome"], row["value"]) for row in rows] == [
        ("d1", 1.0, None),
        ("d2", 0.0, None),
        ("d1", 0.0, None),
    ]
    times = [row["received_at"] for row in rows]
    assert len(set(times)) == 3  # the last one told is the last one, though the clock stood still
    assert times == sorted(times, key=str)


def test_a_service_that_predicts_a_number_takes_numbers(
    post: Post, tmp_path: Path, records: dict[str, OutcomeRecord]
) -> None:
    assert post({**ONE, "outcome": 3.5}, "/v1/outcomes/watch_time").status_code == 202
    assert [row["outcome"] for row in recorded(tmp_path, records, "watch_time")] == [3.5]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([ONE], None, "expected a JSON object, got a list"),
        ({}, "decision_id", "is missing"),
        ({"decision_id": "d1"}, "outcome", "is missing"),
        ({**ONE, "decision_id": 7}, "decision_id", "expected the text that the decision came with, got the number 7"),
        ({**ONE, "decision_id": ""}, "decision_id", 'got the string ""'),
        ({**ONE, "decision_id": "x" * 201}, "decision_id", "expected the text"),
        ({**ONE, "outcome": 0.5}, "outcome", "expected true or false, or 1 or 0, got the number 0.5"),
        ({**ONE, "outcome": "yes"}, "outcome", 'expected true or false, or 1 or 0, got the string "yes"'),
        ({**ONE, "outcome": None}, "outcome", "got null"),
        ({**ONE, "value": "12"}, "value", 'expected a finite number, got the string "12"'),
        ({**ONE, "event_timestamp": 5}, "event_timestamp", "expected an ISO 8601 date and time"),
        ({**ONE, "valeu": 5}, "valeu", "is not known; write some of decision_id, outcome, value, event_timestamp"),
        ({"outcomes": []}, "outcomes", "expected a list of at least one object"),
        ({"outcomes": [ONE] * 4}, "outcomes", "expected at most 3 objects, got 4"),
        ({"outcomes": [ONE, 5]}, "outcomes[1]", "expected a JSON object, got the number 5"),
        ({"outcomes": [ONE, {**ONE, "value": True}]}, "outcomes[1].value", "expected a finite number, got the boolean"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field_and_nothing_is_recorded(
    post: Post, tmp_path: Path, records: dict[str, OutcomeRecord], body: object, field: str | None, message: str
) -> None:
    answer = post(body)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert message in error["message"]
    assert recorded(tmp_path, records) == []


def test_unknown_service_is_told(post: Post) -> None:
    answer = post(ONE, "/v1/outcomes/likes")
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        404,
        "service likes is not served; there are clicks, watch_time",
    )


def test_outcomes_that_find_no_room_are_to_be_sent_again(
    post: Post, tmp_path: Path, records: dict[str, OutcomeRecord]
) -> None:
    records["clicks"] = OutcomeRecord(ParquetAppender(tmp_path / "full", SCHEMA, flush_s=3600, most_rows=1))
    assert post(ONE).status_code == 202
    answer = post(ONE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (records["clicks"].counts.dropped, records["clicks"].close().written) == (1, 1)
