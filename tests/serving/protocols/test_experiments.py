"""`GET /v1/experiments`: what the monitor has written last."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from serving.experiments.report import report_path
from serving.protocols.experiments import Experiments
from serving.protocols.http import HttpApp
from workspace.files import write_whole


def get(data: Path, path: str) -> httpx.Response:
    app = HttpApp(Experiments(data, ("clicks", "views")).routes())

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get(path)

    return asyncio.run(run())


def test_reports_of_served_services_are_told(tmp_path: Path) -> None:
    report = {"service": "views", "arms": []}
    write_whole(report_path(tmp_path, "views"), json.dumps(report))
    write_whole(report_path(tmp_path, "others"), json.dumps(report))
    assert get(tmp_path, "/v1/experiments").json() == {"experiments": [report]}
    assert get(tmp_path, "/v1/experiments/views").json() == report


def test_service_without_an_experiment_is_told(tmp_path: Path) -> None:
    assert get(tmp_path, "/v1/experiments").json() == {"experiments": []}
    for service in ("clicks", "others"):
        answer = get(tmp_path, f"/v1/experiments/{service}")
        assert answer.status_code == 404
        assert "has no experiment; declare one in serving.yaml" in answer.json()["error"]["message"]
