"""The HTTP interface of the ads repo, without Ray: the ASGI app is called directly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving.config import ServingConfig
from serving.metrics.replica import ReplicaMetrics
from serving.protocols.app import build_http_app
from serving.protocols.http import HttpApp
from serving.protocols.keys import Guarded
from serving.recording.outcomes import OutcomeRecord
from serving.scoring.scorer import Scorer
from serving.telemetry.hooks import Telemetry
from workspace.workspace import Workspace, open_store

ARRIVAL_US = 1_772_366_400_000_000
Call = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def caller() -> Callable[[Any], Call]:
    """Return a function that makes of an ASGI app one that sends it requests."""

    def of(app: Any) -> Call:
        def send(method: str, path: str, **options: Any) -> httpx.Response:
            async def run() -> httpx.Response:
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
                    return await client.request(method, path, **options)

            return asyncio.run(run())

        return send

    return of


@pytest.fixture(scope="session")
def whole_app(
    workspace: Workspace,
    scorer: Scorer,
    ranker: Scorer,
    config: ServingConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> HttpApp | Guarded:
    """Return the app of a service that decides and of one that ranks, with all that it can do."""
    scorers = {"click_v1": scorer, "rank_v1": ranker}
    data = tmp_path_factory.mktemp("whole")
    outcomes = {name: OutcomeRecord.open(data, name) for name in scorers}
    told = Telemetry(ReplicaMetrics(data / "metrics"))
    store = open_store(workspace)
    return build_http_app(scorers, config.http, outcomes=outcomes, telemetry=told, data=data, store=store)


@pytest.fixture(scope="session")
def document(whole_app: HttpApp, caller: Callable[[Any], Call]) -> dict[str, Any]:
    """Return what the app says of itself."""
    answer = caller(whole_app)("GET", "/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.fixture(scope="session")
def call(scorer: Scorer, config: ServingConfig, caller: Callable[[Any], Call]) -> Call:
    """Return a function that sends requests to the app of `click_v1`; they arrive at `ARRIVAL_US`."""
    return caller(build_http_app({"click_v1": scorer}, config.http, now_us=lambda: ARRIVAL_US))
