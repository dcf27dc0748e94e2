"""Writes into MLflow what is on the disk: a run and a registered version for a training, and the aliases.

Everything may be done again: what is there is found by the tag `millrace.version`, and brought up to date.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contract.model_aliases import read_aliases
from contract.model_file import FILE, PREFIX, ModelFileError
from training.registry.client import artifact_folder, open_registry
from training.registry.facts import VersionFacts, read_facts

if TYPE_CHECKING:
    from mlflow import MlflowClient

VERSION, ALIASES = PREFIX + "version", PREFIX + "aliases"
MODEL: Final = "model"
AT_ONCE: Final = 100  # parameters and metrics that MLflow takes in one call


def record_version(data: Path, models: Path, service: str, version: str) -> str:
    """Record one training and the aliases as they are; return the number of its registered version.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
        ModelFileError: There is no such version.
    """
    facts = read_facts(models, service, version)
    with open_registry(data) as client:
        number = _record(client, data, facts)
        _mirror_aliases(client, data, models, service)
    return number


def mirror_aliases(data: Path, models: Path, service: str) -> None:
    """Give MLflow's versions the aliases that the files give; a version that an alias names is recorded if it was not.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    with open_registry(data) as client:
        _mirror_aliases(client, data, models, service)


def _mirror_aliases(client: MlflowClient, data: Path, models: Path, service: str) -> None:
    """Set and take away aliases; those that somebody has set in MLflow under other names stay."""
    from mlflow.exceptions import MlflowException

    _ensure_model(client, service)
    try:
        wanted = read_aliases(models, service)
    except ModelFileError:  # no champion yet
        wanted = {}
    registered = client.get_registered_model(service)
    ours = json.loads(registered.tags.get(ALIASES, "[]"))
    for alias in set(ours) - set(wanted):
        if alias in registered.aliases:
            client.delete_registered_model_alias(service, alias)
    for alias, version in wanted.items():
        if not (models / service / version / FILE).is_file():
            continue
        number = _number(client, service, version) or _record(client, data, read_facts(models, service, version))
        try:
            if str(registered.aliases.get(alias)) != number:
                client.set_registered_model_alias(service, alias, number)
        except MlflowException as error:  # MLflow keeps some names, such as latest, for itself
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
    client.set_registered_model_tag(service, ALIASES, json.dumps(sorted(wanted)))


def _record(client: MlflowClient, data: Path, facts: VersionFacts) -> str:
    """Write run and registered version, or bring up to date those that are there."""
    from mlflow.entities import Metric, Param

    run_id = _run_of(client, data, facts)
    params = [Param(name, value) for name, value in facts.params.items()]
    metrics = [Metric(name, value, facts.trained_at, 0) for name, value in facts.metrics.items()]
    for start in range(0, max(len(params), len(metrics)), AT_ONCE):
        client.log_batch(run_id, metrics[start : start + AT_ONCE], params[start : start + AT_ONCE])
    client.log_inputs(run_id, [_dataset(one) for one in facts.data])
    for path in facts.artifacts:
        client.log_artifact(run_id, str(path))
    number = _number(client, facts.service, facts.version)
    if number is None:
        _log_model(client, run_id, facts)
        _ensure_model(client, facts.service)
        tags = {VERSION: facts.version, PREFIX + "service": facts.service}
        number = client.create_model_version(
            facts.service, f"runs:/{run_id}/{MODEL}", run_id, tags=tags, await_creation_for=0
        ).version
    client.set_terminated(run_id, "FINISHED", facts.trained_at + round(facts.seconds * 1000))
    return str(number)


def _run_of(client: MlflowClient, data: Path, facts: VersionFacts) -> str:
    """Return the run of a version, which is made where there is none; one that was begun and not ended is gone on with."""
    experiment = client.get_experiment_by_name(facts.service)
    if experiment is None:
        number = client.create_experiment(facts.service, artifact_location=artifact_folder(data, facts.service))
    else:
        number = experiment.experiment_id
    for run in client.search_runs([number], f"tags.`{VERSION}` = '{facts.version}'", max_results=1):
        return str(run.info.run_id)
    tags = {VERSION: facts.version, PREFIX + "service": facts.service}
    return str(client.create_run(number, facts.trained_at, tags, facts.version).info.run_id)


def _log_model(client: MlflowClient, run_id: str, facts: VersionFacts) -> None:
    """Log the model file with the note by which MLflow knows it for an XGBoost model."""
    import xgboost as xgb
    import yaml

    flavor = {"code": None, "data": FILE, "model_class": "xgboost.core.Booster", "model_format": "ubj"}
    note = {
        "flavors": {"xgboost": {**flavor, "xgb_version": xgb.__version__}},
        "run_id": run_id,
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(facts.trained_at / 1000)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "MLmodel"
        path.write_text(yaml.safe_dump(note))
        client.log_artifact(run_id, str(path), MODEL)
    client.log_artifact(run_id, str(facts.model), MODEL)


def _dataset(one: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    context = {"train": "training", "test": "testing"}.get(one.context, one.context)
    profile = json.dumps({"rows": one.rows})
    return DatasetInput(
        Dataset(one.source, one.digest, "millrace", json.dumps({"source": one.source}), profile=profile),
        [InputTag("mlflow.data.context", context)],
    )


def _number(client: MlflowClient, service: str, version: str) -> str | None:
    for one in client.search_model_versions(f"name = '{service}' and tags.`{VERSION}` = '{version}'", max_results=1):
        return str(one.version)
    return None


def _ensure_model(client: MlflowClient, service: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(service, tags={PREFIX + "service": service})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
