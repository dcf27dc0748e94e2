"""Scores a batch of checked requests: features, model, decision. Knows nothing of HTTP and Ray."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from time import time_ns
from typing import TYPE_CHECKING

from contract.label import ServiceError
from contract.model_aliases import CHAMPION
from contract.service import Service
from contract.types import UNSUPPORTED
from serving.request.columns import RequestColumns
from serving.request.schema import RequestSchema, Row, request_schema
from serving.scoring.arms import Arms
from serving.scoring.array_check import check_arrays
from serving.scoring.decision import BoundPolicy, Decisions
from serving.scoring.features import FeatureBatch, FeatureVectors
from serving.scoring.freshness import Freshness
from serving.scoring.model import Model
from serving.scoring.prediction_cache import PredictionCache

if TYPE_CHECKING:
    from serving.scoring.lookup import Lookup

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Setup:
    """By what a service scores and decides from one moment on; replaced as a whole.

    Attributes:
        arms: The models.
        policy: How it decides; None where the score is not binary.
    """

    arms: Arms
    policy: BoundPolicy | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of n requests.

    Attributes:
        scores: One per request.
        decisions: What is decided; None where nothing is.
        features: The vectors behind them.
        setup: By what they were scored.
        ids: By request, by what this decision can be named later.
        arms: By request, the index of the model in `setup.arms.models`; None where all are the champion's.
        predicted_ns: When the scores were there: Unix nanoseconds.
    """

    scores: Sequence[float]
    decisions: Decisions | None
    features: FeatureBatch
    setup: Setup
    ids: Sequence[str]
    arms: Sequence[int] | None = None
    predicted_ns: int = 0

    def stages(self) -> list[tuple[str, int, int]]:
        """Return what took how long: name, begin and end in Unix nanoseconds, in order."""
        began, looked_up, computed = self.features.stages_ns
        return [
            ("lookup", began, looked_up),
            ("on-demand", looked_up, computed),
            ("predict", computed, self.predicted_ns),
        ]

    def arm_of(self, row: int) -> str:
        """Return the alias of the model that scored a request."""
        return CHAMPION if self.arms is None else list(self.setup.arms.models)[self.arms[row]]

    def model_of(self, row: int) -> Model:
        """Return the model that scored a request."""
        return self.setup.arms.models[self.arm_of(row)]


class Scorer:
    """One feature service with its models and policy.

    Attributes:
        service: The feature service.
        schema: What a request must contain.
        setup: Its models and policy; they fit the service. Set anew while it scores, a batch is scored by one setup.
        lookup: Where its stored features are.
        freshness: Tells which of them are too old; None where they may be of any age.
    """

    def __init__(
        self,
        service: Service,
        lookup: Lookup,
        setup: Callable[[Service, RequestSchema], Setup],
        cached_predictions: int = 0,
        freshness: Freshness | None = None,
    ) -> None:
        """Refuse what cannot be served as declared.

        Raises:
            ServiceError: A view or feature cannot be served.
            ModelError: The model does not fit.
            PolicyError: The policy does not.
        """
        require_servable(service)
        check_arrays(service)
        self.service = service
        self.schema: RequestSchema = request_schema(service)
        self.setup = setup(service, self.schema)
        self.lookup = lookup
        self.freshness = freshness
        self._predictions = PredictionCache(cached_predictions) if cached_predictions else None
        self._vectors = FeatureVectors(service, lookup, freshness)
        self._process = f"{uuid.uuid4().hex[:16]}-"
        self._numbers = count(1)

    def score(self, rows: Sequence[Row]) -> Scored:
        """Score checked requests, in order; at least one."""
        return self.score_columns(RequestColumns.of_rows(self.schema, rows))

    def score_columns(self, requests: RequestColumns) -> Scored:
        """Score requests that are columns already, in order; at least one."""
        setup = self.setup
        features = self._vectors.build(requests)
        scores, arms = setup.arms.predict(features, self._predictions)
        predicted = time_ns()
        decisions = None
        if setup.policy is not None:
            share = features.missing_share if features.missing else None
            decisions = setup.policy.decide(scores, {**features.request, **features.columns}, share, features.degraded)
        ids = [f"{self._process}{number:x}" for number in islice(self._numbers, features.size)]
        return Scored(scores, decisions, features, setup, ids, arms, predicted)

    def explain(self, scored: Scored, row: int) -> dict[str, object]:
        """Return one request's feature values, and which are missing and why, as JSON."""
        return {"features": scored.features.values_of(row), "missing": scored.features.missing_of(row)}

    def failure(self) -> str | None:
        """Return why it cannot score with all its features now; None when it can."""
        return self.lookup.failure()

    def describe(self) -> dict[str, object]:
        """Describe models, request and policy as JSON; of caches and online store, what reads of this replica did."""
        arms, policy = self.setup.arms, self.setup.policy
        file, cache = arms.champion.file, self.lookup.cache_stats()
        return {
            "name": file.service,
            "version": file.version,
            "predicts": file.predicts,
            "label": file.label,
            "trained_at": file.trained_at.isoformat(),
            "metrics": file.metrics,
            "columns": file.columns,
            "arms": {alias: model.file.version for alias, model in arms.models.items()},
            "shadows": {alias: model.file.version for alias, model in (arms.shadows or {}).items()},
            "request": self.schema.describe(),
            "policy": policy.policy.describe() if policy else [],
            "rules": policy.policy.describe_rules() if policy else [],
            **({"cache": {**asdict(cache), "hit_rate": cache.hit_rate}} if cache else {}),
            **({"predictions": asdict(self._predictions.stats())} if self._predictions else {}),
            **({"store": store} if (store := self.lookup.store_stats()) else {}),
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


def iso_timestamp(us: int) -> str:
    """Write UTC microseconds as ISO 8601.

    >>> iso_timestamp(1_000_000)
    '1970-01-01T00:00:01.000000Z'
    """
    return f"{(_EPOCH + timedelta(microseconds=us)).isoformat(timespec='microseconds')}Z"
