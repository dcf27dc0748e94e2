"""What is told of single requests: ids, lines of JSON, traces."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.config import ServingConfig, ServingConfigError, parse_config
from serving.protocols.app import build_http_app
from serving.protocols.router import OPEN, Route
from serving.scoring.batcher import Batcher
from serving.scoring.scorer import Scorer
from serving.telemetry import traces as traces_module
from serving.telemetry.hooks import Telemetry
from serving.telemetry.json_lines import JsonLog
from serving.telemetry.traces import ENDPOINT, Traces, open_traces

pytestmark = pytest.mark.slow
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
Send = Callable[..., list[httpx.Response]]


@pytest.fixture
def send(scorer: Scorer, config: ServingConfig) -> Send:
    """Send requests at once to an app that tells somebody; each is given as method, path and options."""

    def send_all(told: Telemetry, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        async def run() -> list[httpx.Response]:
            batcher = Batcher(lambda _, rows, __: scorer.score(rows))
            app = build_http_app({"click_v1": scorer}, config.http, batcher.submit, telemetry=told)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await asyncio.gather(*(client.request(m, path, **more) for m, path, more in requests))

        return asyncio.run(run())

    return send_all


@pytest.fixture
def log(tmp_path: Path) -> Iterator[JsonLog]:
    one = JsonLog(tmp_path)
    yield one
    one.stop()


def lines(log: JsonLog) -> list[dict[str, Any]]:
    log.flush()
    return [json.loads(line) for line in log.path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("given", "kept"), [("order-17", True), ("", False), ("two words", False), ("x" * 129, False), ("x" * 128, True)]
)
def test_a_request_keeps_its_callers_id_or_gets_one(send: Send, given: str, kept: bool) -> None:
    (answer,) = send(Telemetry(), ("GET", "/healthz", {"headers": {"x-request-id": given}}))
    (found,) = answer.headers.get_list("x-request-id")
    assert (found == given) is kept
    assert found


def test_ids_of_our_own_differ(send: Send) -> None:
    answers = send(Telemetry(), *[("GET", "/healthz", {})] * 3)
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


def test_each_request_is_a_line_of_json(send: Send, log: JsonLog, request_body: dict[str, object]) -> None:
    send(
        Telemetry(log=log),
        ("POST", "/v1/score", {"json": request_body, "headers": {"x-request-id": "order-17"}}),
        ("BREW", "/coffee/4711", {}),
    )
    scored, unknown = sorted(lines(log), key=lambda line: line["status"])
    assert scored["time"].endswith("Z")
    assert (scored["level"], scored["event"], scored["request_id"]) == ("info", "request", "order-17")
    assert (scored["method"], scored["route"], scored["status"]) == ("POST", "/v1/score", 200)
    assert 0 < scored["duration_ms"] < 60_000
    assert (unknown["method"], unknown["route"], unknown["status"]) == ("", "(none)", 404)
    assert "4711" not in log.path.read_text()


def test_what_is_logged_elsewhere_is_there_too_with_its_fields_and_where_it_failed(log: JsonLog) -> None:
    log.start()
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("somewhere").exception("it failed for %s", "a", extra={"view": "clicks"})
    (line,) = [one for one in lines(log) if one["logger"] == "somewhere"]
    assert (line["event"], line["view"], line["level"]) == ("it failed for a", "clicks", "error")
    assert "ValueError: no such thing" in line["exception"]


def test_what_waits_is_bounded_and_what_is_lost_is_counted(log: JsonLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.telemetry.json_lines.MOST_WAITING", 2)
    for number in range(5):
        log.request("GET", "/healthz", 200, 0.001, b"%d" % number, None)
    assert [line["request_id"] for line in lines(log)] == ["3", "4"]
    assert log.lost == 3


def test_a_trace_holds_the_request_and_what_its_batch_did_in_order(send: Send, request_body: dict[str, object]) -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "order-17"}
    send(
        Telemetry(traces=traces),
        ("POST", "/v1/score", {"json": request_body, "headers": headers}),
        ("POST", "/v1/score", {"json": {**request_body, "bid": None}}),
    )
    traces.provider.force_flush()
    spans = exporter.get_finished_spans()
    traces.stop()
    mine = [span for span in spans if f"{span.context.trace_id:032x}" == TRACE]
    (root,) = [span for span in mine if span.name == "POST /v1/score"]
    stages = sorted((span for span in mine if span is not root), key=lambda span: span.start_time)
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["millrace.request_id"] == "order-17"
    assert [span.name for span in stages] == ["lookup", "on-demand", "predict"]
    assert all(span.parent.span_id == root.context.span_id for span in stages)
    times = [root.start_time, *(at for span in stages for at in (span.start_time, span.end_time)), root.end_time]
    assert times == sorted(times)
    (refused,) = [span for span in spans if span not in mine]
    assert refused.attributes["http.response.status_code"] == 422


def test_who_asks_not_to_be_traced_is_not_and_a_share_of_none_traces_none(
    send: Send, request_body: dict[str, object]
) -> None:
    for share, headers in ((1.0, {"traceparent": f"00-{TRACE}-{PARENT}-00"}), (0.0, {})):
        exporter = InMemorySpanExporter()
        traces = Traces(exporter, share)
        send(Telemetry(traces=traces), ("POST", "/v1/score", {"json": request_body, "headers": headers}))
        traces.stop()
        assert exporter.get_finished_spans() == ()


def test_without_a_collector_traces_are_lines_of_json_in_a_file(
    send: Send, request_body: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    traces = open_traces(tmp_path, 1.0)
    send(Telemetry(traces=traces), ("POST", "/v1/score", {"json": request_body}))
    traces.stop()
    (file,) = (tmp_path / "logs").glob("traces-*.jsonl")
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    assert {span["name"] for span in spans} == {"POST /v1/score", "lookup", "on-demand", "predict"}


def test_a_collector_without_its_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    open_traces(tmp_path, 1.0).stop()
    assert f"run `pip install {traces_module.EXPORTER}`" in caplog.text


def test_a_request_that_fails_is_an_error_in_log_and_trace(log: JsonLog) -> None:
    from serving.protocols.http import HttpApp

    async def fail(_: object) -> Any:
        raise RuntimeError("broken")

    exporter = InMemorySpanExporter()
    told = Telemetry(log=log, traces=Traces(exporter))

    async def run() -> httpx.Response:
        app = HttpApp([Route("GET", "/broken", fail, OPEN)], told)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get("/broken")

    log.start()
    answer = asyncio.run(run())
    assert answer.status_code == 500
    (failed,) = [one for one in lines(log) if one["logger"] == "serving.protocols.http"]
    assert failed["request_id"] == answer.headers["x-request-id"]
    assert "RuntimeError: broken" in failed["exception"]
    (line,) = [one for one in lines(log) if one["event"] == "request"]
    assert told.traces is not None
    told.traces.stop()
    (span,) = exporter.get_finished_spans()
    assert (line["level"], line["trace_id"]) == ("error", f"{span.context.trace_id:032x}")
    assert span.status.status_code.name == "ERROR"


def test_logs_are_text_or_json_and_shares_are_between_none_and_all() -> None:
    config = parse_config({"service": "a", "logs": "json", "traces": {"share": 0.01}})
    assert config.logs == "json"
    assert config.traces is not None
    assert config.traces.share == 0.01
    with pytest.raises(ServingConfigError, match=r"logs: Input should be 'text' or 'json', got 'xml'"):
        parse_config({"service": "a", "logs": "xml"})
    with pytest.raises(ServingConfigError, match=r"traces.share: Input should be less than or equal to 1"):
        parse_config({"service": "a", "traces": {"share": 1.5}})
