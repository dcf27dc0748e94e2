"""Makes scorers from a workspace, and what they score by; the second again whenever models or policy change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contract.model_aliases import ALIASES, CHAMPION, read_aliases
from contract.model_file import CURRENT, FILE, ModelFileError, current_version
from contract.service import Service, read_service
from serving.experiments.config import ExperimentConfig, check_experiment
from serving.experiments.stopped import STOPPED, read_stopped
from serving.request.schema import RequestSchema
from serving.scoring.arms import Arms, Assignment
from serving.scoring.decision import BoundPolicy
from serving.scoring.freshness import Freshness, Frontier, check_max_ages
from serving.scoring.model import Model, check_fit, read_model
from serving.scoring.policy import DecisionPolicy
from serving.scoring.scorer import Scorer, Setup

if TYPE_CHECKING:
    from workspace.workspace import Workspace


@dataclass(slots=True)
class SetupReader:
    """Reads the models that serve now, each version once.

    Args:
        models: The folder of models.
        policy: How is decided.
        experiments: By service, which models share its requests.
    """

    models: Path
    policy: DecisionPolicy | None = None
    experiments: Mapping[str, ExperimentConfig] = field(default_factory=dict)
    _read: dict[tuple[str, str], Model] = field(default_factory=dict)

    def __call__(self, service: Service, schema: RequestSchema) -> Setup:
        """Read what a service scores by now.

        Raises:
            ModelFileError: There is no model, or it cannot be read.
            ModelError: It does not fit.
            PolicyError: The policy does not.
            ServiceError: The experiment divides by what a request does not have, or the file of stopped arms cannot be read.
        """
        arms = self._arms(service, schema)
        if self.policy is None or service.predicts != "binary":
            return Setup(arms)
        kinds = dict(service.features) | {one.name: one.kind for one in schema.fields}
        return Setup(arms, BoundPolicy(self.policy, kinds))

    def _arms(self, service: Service, schema: RequestSchema) -> Arms:
        versions = read_aliases(self.models, service.name)
        experiment = self.experiments.get(service.name)
        if experiment is None:
            return Arms({CHAMPION: self._model(service, versions[CHAMPION])})
        check_experiment(service.name, experiment, schema.fields)
        for alias in (*experiment.challengers, *experiment.shadow):
            if alias not in versions:
                raise ModelFileError(
                    f"{service.name}: the experiment names {alias}, and no version has that alias; run"
                    f" `make challenge SERVICE={service.name} ALIAS={alias} VERSION=...`."
                )
        split = experiment.split(service.name, read_stopped(self.models, service.name))
        return Arms(
            {alias: self._model(service, versions[alias]) for alias in split.aliases},
            Assignment(split),
            {alias: self._model(service, versions[alias]) for alias in experiment.shadow},
        )

    def stop_arms(self, service: str, setup: Setup) -> None:
        """Take over which arms are stopped, into a setup that stays otherwise.

        Raises:
            ServiceError: The file that says so cannot be read.
        """
        if setup.arms.assign is not None:
            setup.arms.assign.stop(read_stopped(self.models, service))

    def files_of(self, service: str) -> list[Path]:
        """Return the files whose change may mean another setup."""
        return [self.models / service / name for name in (CURRENT, ALIASES, STOPPED)]

    def _model(self, service: Service, version: str) -> Model:
        key = service.name, version
        if key not in self._read:
            model = read_model(self.models / service.name / version / FILE)
            check_fit(model, service)
            self._read[key] = model
        return self._read[key]

    def forget(self, kept: Mapping[str, Setup]) -> None:
        """Drop the models that none of these setups has."""
        used = {id(model) for setup in kept.values() for model in setup.arms.all_models()}
        self._read = {key: model for key, model in self._read.items() if id(model) in used}


def build_scorers(
    workspace: Workspace,
    services: Sequence[str],
    setup: SetupReader,
    cache_mb: float = 0.0,
    cached_predictions: int = 0,
    timeout_s: float | None = None,
    max_age_us: Mapping[str, int] | None = None,
) -> dict[str, Scorer]:
    """Open the feature store of a workspace; return a scorer for each service, in the order given.

    The online store need not answer yet.

    Args:
        workspace: Whose feature store.
        services: Their names.
        setup: What they score by.
        cache_mb: How many MB of cached rows the services share evenly.
        cached_predictions: How many predictions each may remember.
        timeout_s: How long a read of the online store may take, unless its configuration says so.
        max_age_us: By view, how old its values may be, microseconds.

    Raises:
        ServiceError: A service cannot be served as declared, or an age is bounded of a view that none reads.
        ModelFileError: There is no model, or it cannot be read.
        ModelError: It does not fit.
        PolicyError: The policy does not.
    """
    from serving.scoring.lookup import TIMEOUT_S, Lookup
    from workspace.workspace import open_store

    for name in services:  # the likeliest mistake, told before a store is opened
        current_version(workspace.models, name)
    store = open_store(workspace)
    scorers: dict[str, Scorer] = {}
    read = [read_service(store, name) for name in services]
    ages = max_age_us or {}
    check_max_ages(ages, [view for service in read for view in service.stored])
    frontier = Frontier(lambda: next(iter(scorers.values())).lookup.progress())
    for name, service in zip(services, read, strict=True):
        lookup = Lookup(
            store, service.stored, cache_bytes=int(cache_mb * 1e6) // len(services), timeout_s=timeout_s or TIMEOUT_S
        )
        freshness = Freshness(service.stored, ages, frontier)
        scorers[name] = Scorer(service, lookup, setup, cached_predictions, freshness)
    return scorers
