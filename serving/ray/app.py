"""The scoring service as a Ray Serve application: stateless replicas that score together what arrives together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from contract.model_file import CURRENT
from serving.config import ServingConfig
from serving.protocols.app import build_http_app
from serving.protocols.http import HttpApp
from serving.request.schema import Row
from serving.scoring.scorer import Scored, build_scorers
from workspace.workspace import Workspace, open_store

NAME = "scoring"


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
        self._scorers = build_scorers(workspace, config.services, config.policy, config.replicas.cache_mb)
        self._limits = config.http
        batching: Any = self._score_together  # the decorator adds setters
        batching.set_max_batch_size(config.batch.max_size)
        batching.set_batch_wait_timeout_s(config.batch.wait_ms / 1000)

    def __serve_build_asgi_app__(self) -> HttpApp:
        """Return the app that Ray Serve puts behind its ingress."""
        return build_http_app(self._scorers, self._limits, self._score)

    async def _score(self, service: str, rows: Sequence[Row]) -> tuple[Scored, int]:
        scored: tuple[Scored, int] = await self._score_together((service, rows))
        return scored

    @serve.batch
    async def _score_together(self, requests: Sequence[tuple[str, Sequence[Row]]]) -> list[tuple[Scored, int]]:
        together: dict[str, list[Row]] = {}
        starts = []
        for service, rows in requests:
            mine = together.setdefault(service, [])
            starts.append(len(mine))
            mine.extend(rows)
        scored = {service: self._scorers[service].score(rows) for service, rows in together.items()}
        return [(scored[service], start) for (service, _), start in zip(requests, starts, strict=True)]


def wait_for_models(workspace: Workspace, config: ServingConfig) -> None:
    """Wait until each service has a current model."""
    paths = [workspace.models / service / CURRENT for service in config.services]
    while not all(path.is_file() for path in paths):
        time.sleep(0.05)


def build_app(workspace: Workspace, config: ServingConfig, wait: bool = False) -> Any:
    """Bind the service to a workspace; deploy the result with `serve.run`."""
    replicas = config.replicas
    # Must exceed the batch size, or a batch never fills.
    most = max(2 * config.batch.max_size, int(2 * replicas.target_ongoing_requests))
    deployment: Any = ScoringReplica  # the decorator makes a deployment of the class
    return deployment.options(
        name=NAME,
        autoscaling_config=AutoscalingConfig(
            min_replicas=replicas.min,
            max_replicas=replicas.max,
            target_ongoing_requests=replicas.target_ongoing_requests,
        ),
        max_ongoing_requests=most,
        ray_actor_options={"num_cpus": replicas.num_cpus},
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    ).bind(workspace, config, wait)
