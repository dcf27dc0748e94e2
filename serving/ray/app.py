"""The scoring service as a Ray Serve application: stateless replicas that score together what arrives together."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.schema import LoggingConfig

from contract.model_file import CURRENT
from serving.config import ServingConfig
from serving.metrics.replica import ReplicaMetrics
from serving.metrics.sources import drift_source, frontier_source, record_source, scorer_source
from serving.protocols.admission import Admission
from serving.protocols.app import build_http_app
from serving.protocols.http import HttpApp
from serving.protocols.keys import Guarded, KeyRing
from serving.protocols.metrics import admission_source
from serving.ray.autoscaling import IN_FLIGHT, POLICY
from serving.ray.environment import METRICS_FOLDER
from serving.ray.ingress import answer_by
from serving.ray.kept_answers import RedisAnswers
from serving.recording.outcomes import OutcomeRecord
from serving.reload import Reloader
from serving.request.schema import Row
from serving.scoring.batcher import Batcher
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.decision_record import DecisionRecord
from serving.scoring.scorer import Scored, Scorer
from serving.telemetry.hooks import Telemetry
from serving.telemetry.json_lines import JsonLog
from serving.telemetry.traces import open_traces
from workspace.workspace import Workspace, open_store

NAME = "scoring"

STORE_SHARE = 0.5
"""Which part of the latency budget a read of the online store may take."""

KEPT_SHARE = 0.2
"""Which part of it each call to where answers are kept may take."""

MOST_ONGOING = 100_000
"""Ray Serve's own bound is out of the way: it would queue what `serving.protocols.admission` refuses."""


@serve.deployment
@serve.ingress()
class ScoringReplica:
    """One replica: opens the feature store and the models, then answers HTTP.

    Args:
        workspace: Whose features and models.
        config: What is served and how.
        wait: Whether to wait for models that are not trained yet.
    """

    def __init__(self, workspace: Workspace, config: ServingConfig, wait: bool = False) -> None:
        """Open everything; with `wait`, all that does not depend on the models first."""
        if wait:
            import xgboost  # noqa: F401 - costs seconds, which pass while there is nothing to score with

            open_store(workspace)
            wait_for_models(workspace, config)
        setup = SetupReader(workspace.models, config.policy, config.experiments)
        self._scorers = open_scorers(workspace, config, setup)
        first = next(iter(self._scorers.values()))
        if first.freshness:
            first.freshness.frontier.start()  # the services share it
        Reloader(self._scorers, setup, config).start()
        self._decisions = {
            name: DecisionRecord(workspace.data, one.service, one.schema) for name, one in self._scorers.items()
        }
        self._outcomes = {name: OutcomeRecord.open(workspace.data, name) for name in config.services}
        self._keys = KeyRing(config.key_file) if config.key_file else None
        kept = None
        if config.idempotency:
            url = os.path.expandvars(config.idempotency.redis)
            kept = RedisAnswers(url, config.idempotency.keep_s, config.http.budget_ms / 1000 * KEPT_SHARE)
        batcher = Batcher(self._score, config.batch.max_size, config.batch.wait_ms / 1000)
        self._admission = Admission(config.http.budget_ms / 1000)
        self._telemetry, self._metrics = open_telemetry(workspace.data, config, self._scorers, self._admission)
        for name, record in self._decisions.items():
            self._metrics.add_source(record_source(name, record))
            self._metrics.add_source(drift_source(name, workspace.data))
        self._app = build_http_app(
            self._scorers,
            config.http,
            batcher.submit,
            outcomes=self._outcomes,
            keys=self._keys,
            kept=kept,
            telemetry=self._telemetry,
            data=workspace.data,
            store=open_store(workspace),
        )
        answer_by(self._app, self._admission)

    def __serve_build_asgi_app__(self) -> HttpApp | Guarded:
        """Return the app that Ray Serve puts behind its ingress."""
        return self._app

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Report what `serving.ray.autoscaling` decides by; called by Ray Serve."""
        return {IN_FLIGHT: float(self._admission.in_flight)}

    def __del__(self) -> None:
        """Write what still waits to be recorded or told; Ray Serve calls it when a replica ends in peace."""
        for records in (getattr(self, "_decisions", {}), getattr(self, "_outcomes", {})):
            for record in records.values():
                record.close()
        if telemetry := getattr(self, "_telemetry", None):
            telemetry.stop()

    def _score(self, service: str, rows: Sequence[Row], arrived: Sequence[float]) -> Scored:
        scored = self._scorers[service].score(rows)
        now = time.monotonic()
        self._decisions[service].append(scored, time.time_ns() // 1000, [int((now - one) * 1e6) for one in arrived])
        self._metrics.batch(service, scored)
        return scored


def open_telemetry(
    data: Path, config: ServingConfig, scorers: Mapping[str, Scorer], admission: Admission
) -> tuple[Telemetry, ReplicaMetrics]:
    """Return what this process tells of itself, begun; its metrics lie in the folder that the replicas of a machine share."""
    metrics = ReplicaMetrics(Path(os.environ.get(METRICS_FOLDER) or tempfile.mkdtemp(prefix="millrace-metrics-")))
    metrics.add_source(admission_source(admission))
    for service, scorer in scorers.items():
        metrics.add_source(scorer_source(service, scorer))
        if scorer.freshness:
            metrics.add_source(frontier_source(scorer.freshness.frontier))
    log = JsonLog(data) if config.logs == "json" else None
    traces = open_traces(data, config.traces.share) if config.traces else None
    telemetry = Telemetry(metrics, log, traces)
    telemetry.start()
    return telemetry, metrics


def open_scorers(workspace: Workspace, config: ServingConfig, setup: SetupReader) -> dict[str, Scorer]:
    """Build the scorers that a configuration asks for; raises what `build_scorers` does."""
    timeout_s = config.http.budget_ms / 1000 * STORE_SHARE
    replicas = config.replicas
    return build_scorers(
        workspace,
        config.services,
        setup,
        replicas.cache_mb,
        replicas.cached_predictions,
        timeout_s=timeout_s,
        max_age_us=config.max_feature_age,
    )


def wait_for_models(workspace: Workspace, config: ServingConfig) -> None:
    """Wait until each service has a current model."""
    paths = [workspace.models / service / CURRENT for service in config.services]
    while not all(path.is_file() for path in paths):
        time.sleep(0.05)


def build_app(workspace: Workspace, config: ServingConfig, wait: bool = False) -> Any:
    """Bind the service to a workspace; deploy the result with `serve.run`."""
    replicas = config.replicas
    policy: Any = AutoscalingPolicy(policy_function=POLICY)  # type: ignore[no-untyped-call]
    deployment: Any = ScoringReplica  # the decorator makes a deployment of the class
    return deployment.options(
        name=NAME,
        autoscaling_config=AutoscalingConfig(
            min_replicas=replicas.min,
            max_replicas=replicas.max,
            target_ongoing_requests=replicas.target_ongoing_requests,
            policy=policy,
        ),
        max_ongoing_requests=MOST_ONGOING,
        ray_actor_options={"num_cpus": replicas.num_cpus},
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    ).bind(workspace, config, wait)
