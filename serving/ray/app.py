"""The scoring service as a Ray Serve application: stateless replicas that score together what arrives together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from serving.config import ServingConfig
from serving.protocols.api import ScoringApi
from serving.request.schema import Row
from serving.scoring.scorer import Scored, build_scorer
from workspace.workspace import Workspace

NAME = "scoring"


@serve.deployment
@serve.ingress()
class ScoringReplica:
    """One replica: opens the feature store and the model, then answers HTTP.

    Args:
        workspace: Whose features and model.
        config: What is served and how.
    """

    def __init__(self, workspace: Workspace, config: ServingConfig) -> None:
        self._scorer = build_scorer(workspace, config)
        batching: Any = self._score_together  # the decorator adds setters
        batching.set_max_batch_size(config.batch.max_size)
        batching.set_batch_wait_timeout_s(config.batch.wait_ms / 1000)

    def __serve_build_asgi_app__(self) -> ScoringApi:
        """Return the app that Ray Serve puts behind its ingress."""
        return ScoringApi(self._scorer, self._score_together)

    @serve.batch
    async def _score_together(self, requests: Sequence[Sequence[Row]]) -> list[tuple[Scored, int]]:
        rows: list[Row] = []
        starts = []
        for request in requests:
            starts.append(len(rows))
            rows.extend(request)
        scored = self._scorer.score(rows)
        return [(scored, start) for start in starts]


def build_app(workspace: Workspace, config: ServingConfig) -> Any:
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
    ).bind(workspace, config)
