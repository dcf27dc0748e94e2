"""The feature services that a run is about: which are trained, and which are served."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from contract.label import Label
from contract.service import Service, read_service

if TYPE_CHECKING:
    from feast import FeatureStore


def read_services(store: FeatureStore) -> list[Service]:
    """Return all feature services of the registry.

    Raises:
        DeclarationError: One cannot be used as declared.
    """
    return [read_service(store, one.name) for one in store.list_feature_services()]


def labels_of(services: Iterable[Service]) -> list[Label]:
    """Return the labels of those services that have one."""
    return [one.label for one in services if one.label]


def served_names(repo: Path) -> tuple[str, ...]:
    """Return the services that the repo's `serving.yaml` names, the default first; none without the file.

    Raises:
        ServingConfigError: The file cannot be used.
    """
    from serving.config import load_config

    path = repo / "serving.yaml"
    return load_config(path).services if path.is_file() else ()
