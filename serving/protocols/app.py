"""All protocols as one ASGI app. A new protocol is a file beside this one, and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.config import HttpConfig
from serving.protocols.console import Console
from serving.protocols.docs_page import DocsPage
from serving.protocols.experiments import Experiments
from serving.protocols.feast_server import FeastServer
from serving.protocols.health import Health
from serving.protocols.http import HttpApp
from serving.protocols.idempotency import KeptAnswers, idempotent
from serving.protocols.keys import Guarded, KeyRing
from serving.protocols.metrics import MetricsRoutes
from serving.protocols.open_inference import OpenInference
from serving.protocols.openapi import OpenApi
from serving.protocols.outcomes import Outcomes
from serving.protocols.v1 import V1, ScoreRows
from serving.recording.outcomes import OutcomeRecord
from serving.scoring.scorer import Scorer
from serving.telemetry.hooks import Telemetry

if TYPE_CHECKING:
    from feast import FeatureStore


def build_http_app(
    scorers: Mapping[str, Scorer],
    limits: HttpConfig,
    score_rows: ScoreRows | None = None,
    now_us: Callable[[], int] | None = None,
    outcomes: Mapping[str, OutcomeRecord] | None = None,
    keys: KeyRing | None = None,
    kept: KeptAnswers | None = None,
    telemetry: Telemetry | None = None,
    data: Path | None = None,
    store: FeatureStore | None = None,
) -> HttpApp | Guarded:
    """Return the app that answers with these scorers, the default first, to all or to those with a key.

    See `serving.protocols.v1.V1`. Without records of outcomes, none are taken; without kept answers, no request is repeated;
    without a data folder, nothing is told of experiments, and there is no console; without a feature store, Feast's clients find
    nothing. It tells `telemetry` of what it answers, and shows metrics where there are.
    """
    clock: dict[str, Any] = {} if now_us is None else {"now_us": now_us}
    v1 = V1(scorers, limits, score_rows, **clock)
    inference = OpenInference(scorers, limits, v1.score_rows, **clock)
    scoring = [*idempotent(v1.routes(), kept, limits), *inference.routes()]
    routes = [*scoring, *Health(scorers).routes(), *DocsPage().routes()]
    if outcomes:
        binary = frozenset(name for name, one in scorers.items() if one.service.predicts == "binary")
        routes += Outcomes(outcomes, binary, limits, **clock).routes()
    if telemetry and telemetry.metrics:
        routes += MetricsRoutes(telemetry.metrics).routes()
    if data is not None:
        routes += [*Experiments(data, tuple(scorers)).routes(), *Console(scorers, data).routes()]
    if store is not None:
        routes += FeastServer(store, limits, next(iter(scorers.values())).service).routes()
    described = OpenApi(routes, version("millrace"), with_keys=keys is not None)
    app = HttpApp([*routes, *described.routes()], telemetry)
    return app if keys is None else Guarded(app, keys)
