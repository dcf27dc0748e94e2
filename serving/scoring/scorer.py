"""Scores a batch of checked requests: features, model, decision. Knows nothing of HTTP and Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from serving.config import ServingConfig
from serving.request.schema import RequestSchema, Row
from serving.scoring.features import FeatureBatch, FeatureVectors
from serving.scoring.model import Model, check_fit, load_model
from serving.scoring.service import ServiceDefinition, define_service

if TYPE_CHECKING:
    from serving.scoring.lookup import Lookup
    from workspace.workspace import Workspace

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of n requests.

    Attributes:
        scores: One per request.
        decisions: One per request.
        features: The vectors behind them.
    """

    scores: Sequence[float]
    decisions: Sequence[str]
    features: FeatureBatch


class Scorer:
    """One feature service with its model and policy.

    Attributes:
        config: What is served and how it decides.
        definition: The feature service.
        model: The model; it fits the service.
    """

    def __init__(self, config: ServingConfig, definition: ServiceDefinition, model: Model, lookup: Lookup) -> None:
        check_fit(model, definition)
        self.config = config
        self.definition = definition
        self.model = model
        self._lookup = lookup
        self._vectors = FeatureVectors(definition, lookup, model.columns)

    @property
    def schema(self) -> RequestSchema:
        """What a request must contain."""
        return self.definition.schema

    def score(self, rows: Sequence[Row]) -> Scored:
        """Score checked requests, in order; at least one."""
        features = self._vectors.build(rows)
        scores = self.model.predict(features.matrix).tolist()
        return Scored(scores, self.config.policy.decide_all(scores), features)

    def explain(self, scored: Scored, row: int) -> dict[str, object]:
        """Return one request's feature values, and which are missing and why, as JSON."""
        features = scored.features
        return {"features": features.values_of(row), "missing": features.missing_of(row, self._vectors.stored)}

    def failures(self) -> list[str]:
        """Return why it cannot score with all its features now; nothing when it can."""
        failure = self._lookup.failure()
        return [failure] if failure else []

    def describe(self) -> dict[str, object]:
        """Describe model, request and policy as JSON."""
        return {
            "name": self.model.service,
            "version": self.model.version,
            "label": self.model.label,
            "trained_at": self.model.trained_at,
            "metrics": self.model.metrics,
            "columns": self.model.columns,
            "request": self.schema.describe(),
            "policy": self.config.policy.describe(),
        }


def build_scorer(workspace: Workspace, config: ServingConfig) -> Scorer:
    """Open the feature store and the model of a workspace.

    The online store need not answer yet.

    Raises:
        ServiceError: The registry's service cannot be served as declared.
        ModelError: There is no model, or it does not fit.
    """
    from serving.scoring.lookup import Lookup
    from workspace.workspace import open_store

    model = load_model(workspace.models, config.service)
    with _declarations_importable(workspace):
        store = open_store(workspace)
        definition = define_service(store, config.service)
    return Scorer(config, definition, model, Lookup(store, definition.stored))


@contextmanager
def _declarations_importable(workspace: Workspace) -> Iterator[None]:
    """Let the registry find the feature repo's modules: Feast pickles a batch view's function by its module's name."""
    repo = str(workspace.repo)
    sys.path.append(repo)
    try:
        yield
    finally:
        sys.path.remove(repo)


def iso_timestamp(us: int) -> str:
    """Write UTC microseconds as ISO 8601.

    >>> iso_timestamp(1_000_000)
    '1970-01-01T00:00:01.000000Z'
    """
    return f"{(_EPOCH + timedelta(microseconds=us)).isoformat(timespec='microseconds')}Z"
