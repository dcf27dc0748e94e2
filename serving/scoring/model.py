"""Loads a trained model and scores matrices with it.

The file is XGBoost's own (UBJ); what it needs to be served is in its attributes: the feature service and the columns in
their order. It lies in `<models>/<service>/<version>/model.ubj`, and `<models>/<service>/CURRENT` names the version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from serving.scoring.column import is_numeric

if TYPE_CHECKING:
    import xgboost

    from serving.scoring.service import ServiceDefinition


class ModelError(ValueError):
    """A model that is not there, cannot be read, or does not fit its feature service; says what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that fits its feature service.

    Attributes:
        service: The feature service it was trained on; also the model's name.
        version: Its version.
        columns: Full feature names in the order of the matrix.
        label: The label it was trained for, as the training wrote it.
        metrics: Its evaluation, as the training wrote it.
        trained_at: When, ISO 8601.
    """

    service: str
    version: str
    columns: tuple[str, ...]
    label: str
    metrics: Mapping[str, Any]
    trained_at: str
    _booster: xgboost.Booster = field(repr=False, compare=False)

    def predict(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Score rows.

        Args:
            matrix: Shape (n, len(columns)), float32, NaN where missing, nothing infinite.

        Returns:
            Shape (n,), float32.
        """
        scores: npt.NDArray[np.float32] = self._booster.inplace_predict(matrix, validate_features=False)
        return scores


def current_version(models: Path, service: str) -> str:
    """Return the version that `CURRENT` names.

    Raises:
        ModelError: There is no trained model.
    """
    try:
        version = (models / service / "CURRENT").read_text().strip()
    except FileNotFoundError:
        raise ModelError(f"{models / service}: has no trained model (no file CURRENT); run 'make train'.") from None
    if not version or version != Path(version).name:
        raise ModelError(f"{models / service / 'CURRENT'}: holds {version!r}; write one version, or run 'make train'.")
    return version


def load_model(models: Path, service: str, version: str | None = None) -> Model:
    """Read a model; None takes the current version.

    Raises:
        ModelError: It is not there, is no XGBoost file, or lacks an attribute.
    """
    import xgboost

    path = models / service / (version or current_version(models, service)) / "model.ubj"
    if not path.is_file():
        raise ModelError(f"{path}: does not exist, though CURRENT or the caller names its version; run 'make train'.")
    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        last = str(error).strip().splitlines()[-1]
        raise ModelError(f"{path}: is no XGBoost model ({last}); run 'make train'.") from error
    booster.set_param({"nthread": 1})
    attributes = booster.attributes()
    names = ("service", "columns", "version", "label", "metrics", "trained_at")
    text = {name: attributes.get(f"millrace.{name}") or "" for name in names}
    absent = [f"millrace.{name}" for name, value in text.items() if not value]
    if absent:
        raise ModelError(f"{path}: lacks the attributes {', '.join(absent)}; train it with 'make train'.")
    try:
        columns, metrics = json.loads(text["columns"]), json.loads(text["metrics"])
    except json.JSONDecodeError as error:
        raise ModelError(f"{path}: millrace.columns or millrace.metrics is no JSON ({error}); train again.") from None
    if not isinstance(columns, list) or booster.num_features() != len(columns):
        raise ModelError(
            f"{path}: millrace.columns names {len(columns)} features, its trees use {booster.num_features()};"
            " write the columns it was trained on, in order."
        )
    version_here, label, trained_at = text["version"], text["label"], text["trained_at"]
    return Model(text["service"], version_here, tuple(columns), label, metrics, trained_at, booster)


def check_fit(model: Model, service: ServiceDefinition) -> None:
    """Refuse a model that was not trained on this feature service as the registry has it now.

    A model may use fewer columns than the service gives (lists and texts, say), never others.

    Raises:
        ModelError: It is of another service, or a column is not in the service or is no number.
    """
    at = f"model {model.service} version {model.version}"
    if model.service != service.name:
        raise ModelError(f"{at} was trained on {model.service}, served is {service.name}; train on {service.name}.")
    kinds = dict(service.features)
    unknown = [column for column in model.columns if column not in kinds]
    if unknown:
        raise ModelError(
            f"{at} wants {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}, not in feature service"
            f" {service.name} of the registry; train again, or apply the declarations it was trained on."
        )
    texts = [f"{column} ({kinds[column]})" for column in model.columns if not is_numeric(kinds[column])]
    if texts:
        raise ModelError(f"{at} wants {', '.join(texts)}; a model takes numbers and booleans only, train without them.")
