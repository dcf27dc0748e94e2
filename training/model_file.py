"""Keeps trained models: one file each, which says itself what it was trained on and what it must be fed.

```text
<models>/<service>/<version>/model.ubj     XGBoost's binary JSON; reports may lie beside it
<models>/<service>/CURRENT                 text: the version to serve; written last, replaced in one step
```

A version is `YYYYMMDDTHHMMSS-<8 hex>`: when the model was trained (UTC), and the SHA-256 of its bytes before the
version is set. **The format is a contract**: serving reads these booster attributes (`Booster.attributes()`, all
text), and refuses a model that lacks one.

| attribute | holds |
|---|---|
| `millrace.service` | the feature service to read features from |
| `millrace.columns` | JSON list of full feature names (`view__feature`), in the order of the matrix's columns |
| `millrace.version` | the version, equal to the folder's name |
| `millrace.label` | `<file source>:<column>`, what the score is the probability of |
| `millrace.split` | JSON object: `train_from`, `train_to`, `test_from`, `test_to`, ISO dates; `_to` exclusive |
| `millrace.metrics` | JSON object: the test metrics (`training.metrics.Metrics.to_dict`), with their `threshold` |
| `millrace.trained_at` | ISO 8601 instant, UTC |

The matrix is float64 or float32, NaN where a value is missing, booleans 0 and 1; the objective is `binary:logistic`,
so `inplace_predict` gives probabilities.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xgboost as xgb

from training.errors import TrainingError

FILE, CURRENT, PREFIX = "model.ubj", "CURRENT", "millrace."
ATTRIBUTES = ("service", "columns", "version", "label", "metrics", "split", "trained_at")


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A booster and what its file says of it; see the module for each attribute."""

    booster: xgb.Booster
    path: Path
    service: str
    columns: tuple[str, ...]
    version: str
    label: str
    metrics: dict[str, Any]
    split: dict[str, str]
    trained_at: datetime


def save_model(
    booster: xgb.Booster,
    models: Path,
    *,
    service: str,
    columns: tuple[str, ...],
    label: str,
    metrics: dict[str, Any],
    split: dict[str, str],
    trained_at: datetime,
) -> TrainedModel:
    """Write a booster with its attributes to `<models>/<service>/<version>/model.ubj`; `CURRENT` stays as it is.

    Raises:
        TrainingError: The number of columns is not the booster's.
    """
    if booster.num_features() != len(columns):
        raise TrainingError(
            f"{service}: {len(columns)} columns for a model of {booster.num_features()}; save it with the columns "
            "of the training set it was fitted to."
        )
    trained_at = trained_at.astimezone(UTC)
    texts = {
        "service": service,
        "columns": json.dumps(columns),
        "label": label,
        "metrics": json.dumps(metrics),
        "split": json.dumps(split),
        "trained_at": trained_at.isoformat(),
    }
    stamped = booster.copy()
    stamped.set_attr(**{PREFIX + name: text for name, text in texts.items()})
    digest = hashlib.sha256(bytes(stamped.save_raw("ubj"))).hexdigest()[:8]
    version = f"{trained_at:%Y%m%dT%H%M%S}-{digest}"
    stamped.set_attr(**{PREFIX + "version": version})
    path = models / service / version / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, bytes(stamped.save_raw("ubj")))
    return TrainedModel(stamped, path, service, columns, version, label, metrics, split, trained_at)


def load_model(path: Path) -> TrainedModel:
    """Read a model file.

    Raises:
        TrainingError: There is no such file, it is no XGBoost model, or it lacks what a Millrace model says of itself.
    """
    if not path.is_file():
        raise TrainingError(f"model {path} does not exist; train one with python -m training.")
    booster = xgb.Booster()
    try:
        booster.load_model(str(path))
    except xgb.core.XGBoostError as error:
        raise TrainingError(f"model {path} is no XGBoost model; train it again with python -m training.") from error
    texts = booster.attributes()
    missing = [PREFIX + name for name in ATTRIBUTES if texts.get(PREFIX + name) is None]
    if missing:
        raise TrainingError(
            f"model {path} does not say {', '.join(missing)}; write model files with python -m training, "
            "or training.model_file.save_model."
        )
    said = {name: str(texts[PREFIX + name]) for name in ATTRIBUTES}
    columns = tuple(json.loads(said["columns"]))
    if booster.num_features() != len(columns):
        raise TrainingError(
            f"model {path} names {len(columns)} columns and has {booster.num_features()}; train it again."
        )
    return TrainedModel(
        booster=booster,
        path=path,
        service=said["service"],
        columns=columns,
        version=said["version"],
        label=said["label"],
        metrics=json.loads(said["metrics"]),
        split=json.loads(said["split"]),
        trained_at=datetime.fromisoformat(said["trained_at"]),
    )


def set_current(models: Path, service: str, version: str) -> None:
    """Make a saved version the one to serve, in one step: a reader sees the old version or the new one.

    Raises:
        TrainingError: There is no such version.
    """
    folder = models / service
    if not (folder / version / FILE).is_file():
        raise TrainingError(f"{service}: version {version} has no {FILE} in {folder}; save the model first.")
    _replace(folder / CURRENT, f"{version}\n".encode())


def load_current(models: Path, service: str) -> TrainedModel:
    """Read the version that `CURRENT` names.

    Raises:
        TrainingError: The service has no current model, or its file is not readable.
    """
    current = models / service / CURRENT
    if not current.is_file():
        raise TrainingError(
            f"{service}: no model yet ({current} is missing); run SERVICE={service} python -m training."
        )
    return load_model(current.parent / current.read_text().strip() / FILE)


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.writing")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
