"""The service without Ray, over real HTTP: counted, with a console, a decision log and a stream that says how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from serving.config import ServingConfig
from serving.metrics.replica import ReplicaMetrics
from serving.metrics.sources import frontier_source, scorer_source
from serving.protocols.admission import Admission
from serving.protocols.app import build_http_app
from serving.protocols.metrics import admission_source
from serving.scoring.batcher import Batcher
from serving.scoring.freshness import Frontier
from serving.scoring.scorer import Scorer
from serving.telemetry.hooks import Telemetry
from stores.online import ShardProgress, open_online
from workspace.workspace import Workspace, open_store

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "browser")]  # the modules there
from stage import SERVICE, Served, answering, logged, write_log


@pytest.fixture(scope="session")
def served(
    workspace: Workspace, scorer: Scorer, config: ServingConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("console")
    now = datetime.now(UTC)
    rows = [logged(n, now - timedelta(seconds=60 - n)) for n in range(8)]
    rows += [
        logged(8, now, decision="show", score=0.91, reasons=["bid over 0.4"], missing__ad_quality="not_found", ad_id=99)
    ]
    write_log(data / "decisions" / SERVICE, "r1-1", rows)
    (data / "dead_letters").mkdir()
    (data / "dead_letters" / "events.jsonl").write_text("{}\n{}\n")
    store = open_store(workspace)
    us = int((now - timedelta(seconds=2)).timestamp() * 1e6)
    progress = open_online(store.config).progress(store.config.project)
    progress.begin({"user_activity": 1})
    progress.tell([ShardProgress("user_activity", 0, us, us + 1, 1200, 900, {"entities": 3, "bytes": 2400})])
    frontier = Frontier(scorer.lookup.progress)
    frontier.look()
    metrics = ReplicaMetrics(data / "metrics")
    for source in (
        admission_source(Admission(0.5)),
        scorer_source(SERVICE, scorer),
        frontier_source(frontier),
    ):
        metrics.add_source(source)

    def score(service: str, given: object, _: object) -> object:
        scored = scorer.score(given)  # type: ignore[arg-type]
        metrics.batch(service, scored)
        return scored

    batcher = Batcher(score)  # type: ignore[arg-type]
    app = build_http_app({SERVICE: scorer}, config.http, batcher.submit, telemetry=Telemetry(metrics), data=data)
    with answering(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        yield Served(url, data, http, frontier, metrics)
    progress.begin({})
