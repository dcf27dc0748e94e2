"""Keeps trained models: one file each, which says itself what it was trained on and what it must be fed.

```text
<models>/<service>/<version>/model.ubj     XGBoost's binary JSON; reports may lie beside it
<models>/<service>/CURRENT                 text: the version to serve; written last, replaced in one step
```

A version is `YYYYMMDDTHHMMSS-<8 hex>`: when the model was trained (UTC), and the SHA-256 of its bytes before the
version is set. The booster's attributes
(`Booster.attributes()`, all text) say the rest; a model that lacks one is refused.

| attribute | holds |
|---|---|
| `millrace.service` | the feature service to read features from |
| `millrace.columns` | JSON list of full feature names (`view__feature`), in the order of the matrix's columns |
| `millrace.version` | the version, equal to the folder's name |
| `millrace.predicts` | `binary`, `regression` or `ranking`; `binary` where it is absent |
| `millrace.calibration` | what makes a score a probability, see `contract.calibration`; absent where scores stay as they are |
| `millrace.label` | `<file source>:<column>`, what is predicted |
| `millrace.split` | JSON object: `train_from`, `train_to`, `test_from`, `test_to`, ISO dates; `_to` exclusive |
| `millrace.metrics` | JSON object: the test metrics |
| `millrace.trained_at` | ISO 8601 instant, UTC |

The matrix is float64 or float32, NaN where a value is missing, booleans 0 and 1. `inplace_predict` gives a score in
[0, 1] for `binary`, which `ModelFile.calibrated` makes a probability, the value for `regression`, and what candidates are
ordered by for `ranking`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from contract.calibration import Calibration, CalibrationError
from workspace.files import write_whole

if TYPE_CHECKING:
    import xgboost as xgb

FILE, CURRENT, PREFIX = "model.ubj", "CURRENT", "millrace."
ATTRIBUTES: Final = ("service", "columns", "version", "label", "metrics", "split", "trained_at")


class ModelFileError(ValueError):
    """A model that is not there, cannot be read or does not say what it must; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A booster and what its file says of it; see the module for each attribute."""

    path: Path
    service: str
    columns: tuple[str, ...]
    version: str
    label: str
    metrics: dict[str, Any]
    split: dict[str, str]
    trained_at: datetime
    predicts: str = "binary"
    calibration: Calibration | None = None
    booster: xgb.Booster = field(repr=False, compare=False, kw_only=True)

    def calibrated(self, scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what the model answers, of what its trees give."""
        return scores if self.calibration is None else self.calibration.apply(scores)

    def predict(self, matrix: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the model's answer for each row of a matrix of its columns, shape (rows,)."""
        return self.calibrated(np.asarray(self.booster.inplace_predict(matrix, validate_features=False), "float64"))


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
    predicts: str = "binary",
    calibration: Calibration | None = None,
) -> ModelFile:
    """Write a booster with its attributes to `<models>/<service>/<version>/model.ubj`; `CURRENT` stays as it is.

    Raises:
        ModelFileError: The number of columns is not the booster's.
    """
    if booster.num_features() != len(columns):
        raise ModelFileError(
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
        "predicts": predicts,
    }
    if calibration is not None:
        texts["calibration"] = calibration.to_json()
    stamped = booster.copy()
    stamped.set_attr(**{PREFIX + name: text for name, text in texts.items()})
    digest = hashlib.sha256(bytes(stamped.save_raw("ubj"))).hexdigest()[:8]
    version = f"{trained_at:%Y%m%dT%H%M%S}-{digest}"
    stamped.set_attr(**{PREFIX + "version": version})
    path = models / service / version / FILE
    write_whole(path, bytes(stamped.save_raw("ubj")), durable=True)
    said = (service, columns, version, label, metrics, split, trained_at, predicts, calibration)
    return ModelFile(path, *said, booster=stamped)


def load_model(path: Path) -> ModelFile:
    """Read a model file.

    Raises:
        ModelFileError: There is no such file, it is not an XGBoost model, or it lacks what a model must say of itself.
    """
    import xgboost as xgb

    if not path.is_file():
        raise ModelFileError(
            f"{path}: does not exist, though CURRENT or the caller names its version; run `make train`."
        )
    booster = xgb.Booster()
    try:
        booster.load_model(str(path))
    except xgb.core.XGBoostError as error:
        last = str(error).strip().splitlines()[-1]
        raise ModelFileError(f"{path}: is not an XGBoost model ({last}); run `make train`.") from error
    texts = booster.attributes()
    missing = [PREFIX + name for name in ATTRIBUTES if not texts.get(PREFIX + name)]
    if missing:
        raise ModelFileError(f"{path}: lacks the attributes {', '.join(missing)}; train it with `make train`.")
    said = {name: str(texts[PREFIX + name]) for name in ATTRIBUTES}
    try:
        columns, metrics, split = (json.loads(said[name]) for name in ("columns", "metrics", "split"))
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path}: an attribute is not JSON ({error}); run `make train`.") from None
    if not isinstance(columns, list) or booster.num_features() != len(columns):
        raise ModelFileError(
            f"{path}: names {len(columns)} columns, its trees use {booster.num_features()}; write the columns it was "
            "trained on, in order."
        )
    curve = texts.get(PREFIX + "calibration")
    try:
        calibration = Calibration.from_json(str(curve)) if curve else None
    except CalibrationError as error:
        raise ModelFileError(f"{path}: {error}") from None
    return ModelFile(
        path=path,
        service=said["service"],
        columns=tuple(columns),
        version=said["version"],
        label=said["label"],
        metrics=metrics,
        split=split,
        trained_at=datetime.fromisoformat(said["trained_at"]),
        predicts=str(texts.get(PREFIX + "predicts") or "binary"),
        calibration=calibration,
        booster=booster,
    )


def current_version(models: Path, service: str) -> str:
    """Return the version that `CURRENT` names.

    Raises:
        ModelFileError: There is no trained model, or `CURRENT` holds something else.
    """
    path = models / service / CURRENT
    try:
        version = path.read_text().strip()
    except FileNotFoundError:
        raise ModelFileError(f"{path.parent}: has no trained model (no file CURRENT); run `make train`.") from None
    if not version or version != Path(version).name:
        raise ModelFileError(f"{path}: holds {version!r}; write one version, or run `make train`.")
    return version


def set_current(models: Path, service: str, version: str) -> None:
    """Make a saved version the one to serve, in one step: a reader sees the old version or the new one.

    Raises:
        ModelFileError: There is no such version.
    """
    folder = models / service
    if not (folder / version / FILE).is_file():
        raise ModelFileError(f"{service}: version {version} has no {FILE} in {folder}; save the model first.")
    write_whole(folder / CURRENT, f"{version}\n", durable=True)
