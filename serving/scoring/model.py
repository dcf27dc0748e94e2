"""A trained model as serving uses it: it fits its feature service, and scores matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.model_file import ModelFile, load_model
from contract.service import Service
from contract.types import is_number


class ModelError(ValueError):
    """A model that does not fit its feature service; says what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can score.

    Attributes:
        file: What it says of itself.
    """

    file: ModelFile
    _predict: Callable[..., Any] = field(repr=False, compare=False)

    def predict(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Score rows.

        Args:
            matrix: Shape (n, len(columns)), float32, NaN where missing, nothing infinite.

        Returns:
            Shape (n,), float32; probabilities where the model is calibrated.
        """
        scores: npt.NDArray[np.float32] = self._predict(matrix, validate_features=False)
        return self.file.calibrated(scores)


def read_model(path: Path) -> Model:
    """Read a model, for one thread.

    Raises:
        ModelFileError: It is not there, is not an XGBoost file, or lacks an attribute.
    """
    file = load_model(path)
    file.booster.set_param({"nthread": 1})
    return Model(file, file.booster.inplace_predict)


def check_fit(model: Model, service: Service) -> None:
    """Refuse a model that was not trained on this feature service as the registry has it now.

    A model may use fewer columns than the service gives (lists and texts, say), never others.

    Raises:
        ModelError: It is of another service or predicts something else, or a column is not in the service or is not a number.
    """
    file = model.file
    at = f"model {file.service} version {file.version}"
    if file.service != service.name:
        raise ModelError(f"{at} was trained on {file.service}, served is {service.name}; train on {service.name}.")
    if file.predicts != service.predicts:
        raise ModelError(f"{at} predicts {file.predicts}, the service says {service.predicts}; run `make train` again.")
    kinds = dict(service.features)
    unknown = [column for column in file.columns if column not in kinds]
    if unknown:
        raise ModelError(
            f"{at} wants {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}, not in feature service"
            f" {service.name} of the registry; train again, or apply the declarations it was trained on."
        )
    texts = [f"{column} ({kinds[column]})" for column in file.columns if not is_number(kinds[column])]
    if texts:
        raise ModelError(f"{at} wants {', '.join(texts)}; a model takes numbers and booleans only, train without them.")
