"""Scores a batch of checked requests: features, model, decision. Knows nothing of HTTP and Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contract.label import ServiceError
from contract.service import Service, read_service
from contract.types import UNSUPPORTED
from serving.request.schema import RequestSchema, Row, request_schema
from serving.scoring.array_check import check_arrays
from serving.scoring.decision import DecisionPolicy
from serving.scoring.features import FeatureBatch, FeatureVectors
from serving.scoring.model import Model, check_fit, current_model

if TYPE_CHECKING:
    from serving.scoring.lookup import Lookup
    from workspace.workspace import Workspace

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of n requests.

    Attributes:
        scores: One per request.
        decisions: One per request; None where nothing is decided.
        features: The vectors behind them.
    """

    scores: Sequence[float]
    decisions: Sequence[str] | None
    features: FeatureBatch


class Scorer:
    """One feature service with its model and policy.

    Attributes:
        service: The feature service.
        schema: What a request must contain.
        model: The model; it fits the service.
        policy: How it decides; None where the score is not binary.
    """

    def __init__(self, service: Service, model: Model, lookup: Lookup, policy: DecisionPolicy | None = None) -> None:
        """Refuse what cannot be served as declared; a policy is for binary scores, and passed over for others.

        Raises:
            ServiceError: A view or feature cannot be served.
            ModelError: The model does not fit.
        """
        require_servable(service)
        check_arrays(service)
        check_fit(model, service)
        self.service = service
        self.schema: RequestSchema = request_schema(service)
        self.model = model
        self.policy = policy if service.predicts == "binary" else None
        self._lookup = lookup
        self._vectors = FeatureVectors(service, self.schema, lookup, model.file.columns)

    def score(self, rows: Sequence[Row]) -> Scored:
        """Score checked requests, in order; at least one."""
        features = self._vectors.build(rows)
        scores = self.model.predict(features.matrix).tolist()
        decisions = None
        if self.policy is not None:
            share = features.missing_share.tolist() if features.missing else None
            decisions = self.policy.decide_all(scores, share)
        return Scored(scores, decisions, features)

    def explain(self, scored: Scored, row: int) -> dict[str, object]:
        """Return one request's feature values, and which are missing and why, as JSON."""
        return {"features": scored.features.values_of(row), "missing": scored.features.missing_of(row)}

    def failures(self) -> list[str]:
        """Return why it cannot score with all its features now; nothing when it can."""
        failure = self._lookup.failure()
        return [failure] if failure else []

    def describe(self) -> dict[str, object]:
        """Describe model, request and policy as JSON; of cache and online store, what reads of this replica did."""
        file, cache = self.model.file, self._lookup.cache_stats()
        return {
            "name": file.service,
            "version": file.version,
            "predicts": file.predicts,
            "label": file.label,
            "trained_at": file.trained_at.isoformat(),
            "metrics": file.metrics,
            "columns": file.columns,
            "request": self.schema.describe(),
            "policy": self.policy.describe() if self.policy else [],
            **({"cache": {**asdict(cache), "hit_rate": cache.hit_rate}} if cache else {}),
            **({"store": store} if (store := self._lookup.store_stats()) else {}),
        }


def require_servable(service: Service) -> None:
    """Refuse what cannot be served as declared.

    Raises:
        ServiceError: A view is not online, a feature has a type that is not served, or an on-demand view cannot be computed.
    """
    for view in service.stored:
        if not view.view.online:
            raise ServiceError(
                f"{service.name}: {view.name} is declared online=False, so it has no values here; set online=True."
            )
        for name, kind in view.features:
            if kind == UNSUPPORTED:
                raise ServiceError(
                    f"{service.name}: {view.name}:{name} has a type that is not served; use numbers, strings, booleans,"
                    " timestamps or lists of them."
                )
    for one in service.on_demand:
        if one.problem:
            raise ServiceError(f"{service.name}: {one.name} {one.problem}")


def build_scorers(
    workspace: Workspace, services: Sequence[str], policy: DecisionPolicy | None = None, cache_mb: float = 0.0
) -> dict[str, Scorer]:
    """Open the feature store and the models of a workspace; return a scorer for each service, in the order given.

    The online store need not answer yet. The services share `cache_mb` MB of cached rows evenly.

    Raises:
        ServiceError: A service cannot be served as declared.
        ModelFileError: There is no model, or it cannot be read.
        ModelError: It does not fit.
    """
    from serving.scoring.lookup import Lookup
    from workspace.workspace import open_store

    models = {name: current_model(workspace.models, name) for name in services}
    store = open_store(workspace)
    scorers = {}
    for name, model in models.items():
        service = read_service(store, name)
        lookup = Lookup(store, service.stored, cache_bytes=int(cache_mb * 1e6) // len(models))
        scorers[name] = Scorer(service, model, lookup, policy)
    return scorers


def iso_timestamp(us: int) -> str:
    """Write UTC microseconds as ISO 8601.

    >>> iso_timestamp(1_000_000)
    '1970-01-01T00:00:01.000000Z'
    """
    return f"{(_EPOCH + timedelta(microseconds=us)).isoformat(timespec='microseconds')}Z"
