"""`/metrics` and `/v1/activity` of a service that scored, over real HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from stage import SERVICE, Served

from serving.metrics.families import FAMILIES

pytestmark = pytest.mark.slow


def samples(http: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample of /metrics by name and labels."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    """Return a sample's value; 0 where there is none."""
    return found.get((name, tuple(sorted(labels.items()))), 0)


def test_requests_rows_and_decisions_are_counted(served: Served, request_body: dict[str, object]) -> None:
    before = samples(served.http)
    assert served.http.post("/v1/score", json=request_body).status_code == 200
    batch = served.http.post("/v1/score", json={"instances": [request_body] * 3}).json()
    served.http.post("/v1/score", json={**request_body, "bid": "much"})
    served.http.get("/nowhere/at/all")
    now = samples(served.http)

    def more(name: str, **labels: str) -> float:
        return value(now, name, **labels) - value(before, name, **labels)

    decision = batch["predictions"][0]["decision"]
    assert more("http_requests_total", method="POST", route="/v1/score", status="200") == 2
    assert more("http_requests_total", method="POST", route="/v1/score", status="422") == 1
    assert more("http_requests_total", method="", route="(none)", status="404") == 1
    assert more("http_request_duration_seconds_count", method="POST", route="/v1/score") == 3
    assert more("millrace_decisions_total", service=SERVICE, decision=decision, arm="champion") == 4
    assert more("millrace_batch_rows_sum", service=SERVICE) == 4
    assert more("millrace_scores_count", service=SERVICE) == 4
    assert more("millrace_store_calls_total", service=SERVICE, tier="", result="reads") >= 2
    assert value(now, "millrace_model_info", service=SERVICE, alias="champion", version="v1") == 1
    assert value(now, "millrace_breaker_open", service=SERVICE, breaker="left_alone") == 0
    assert value(now, "millrace_replicas") == 1
    assert value(now, "millrace_view_complete_timestamp_seconds", view="user_activity") > 1.7e9


def test_every_metric_is_shown_by_a_running_service(served: Served) -> None:
    text = served.http.get("/metrics").text
    assert [name for name, family in FAMILIES.items() if f"# TYPE {name} {family.kind}" not in text] == []


def test_missing_features_and_ages_are_counted(served: Served, request_body: dict[str, object]) -> None:
    before = samples(served.http)
    served.http.post("/v1/score", json={**request_body, "ad_id": 123456})
    now = samples(served.http)
    labels = {"service": SERVICE, "reason": "not_found"}
    assert value(now, "millrace_missing_features_total", **labels) > value(
        before, "millrace_missing_features_total", **labels
    )
    assert value(now, "millrace_feature_age_seconds_count", view="user_activity") >= 1


def test_head_has_the_length_and_no_body(served: Served) -> None:
    answer = served.http.head("/metrics")
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 1000
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_activity_tells_of_replicas_models_and_room(served: Served) -> None:
    told = served.http.get("/v1/activity").json()
    assert told["replicas"] == 1
    assert told["models"] == {SERVICE: {"champion": "v1"}}
    assert told["admission_limit"] == 64
