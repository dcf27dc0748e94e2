"""Opens MLflow: the SQLite file of a data folder, or the server that MLFLOW_TRACKING_URI names. The one door to the library.

Importing it takes 2 to 3 seconds and its first SQLite file 2 more, so it is imported when something is to be recorded, and never by
what serves.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import TrainingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own patience is 7 attempts with growing pauses of 120 s each: a training would hang for an absent server.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class RegistryError(TrainingError):
    """MLflow cannot be reached or refuses; the models on disk are as they were."""


def registry_address(data: Path) -> str:
    """Return MLFLOW_TRACKING_URI, by default the SQLite file of a data folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{data / 'mlflow' / 'mlflow.db'}"


def artifact_folder(data: Path, service: str) -> str | None:
    """Return where a service's artifacts go beside the default SQLite file; None where a server decides."""
    return None if os.environ.get("MLFLOW_TRACKING_URI") else (data / "mlflow" / "artifacts" / service).as_uri()


@contextmanager
def open_registry(data: Path) -> Iterator[MlflowClient]:
    """Give a client of MLflow; whatever it raises in the block is a RegistryError.

    Raises:
        RegistryError: MLflow cannot be reached, or refuses.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    address = registry_address(data)
    if address.startswith("sqlite:///"):
        Path(address.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it uses in SQLAlchemy
            yield MlflowClient(tracking_uri=address)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistryError(f"MLflow at {address}: {told[0][:200]}") from error
