"""Finds the feature repo, its data folder and its Feast configuration, and opens the feature store.

Every program gets its `FeatureStore` here: built from the configuration file *and* the repo's path, because with only the
file Feast opens a new, empty registry.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workspace.quick_feast import quicken_feast

if TYPE_CHECKING:
    from feast import FeatureStore, RepoConfig
    from feast.repo_contents import RepoContents


DATA = "data"
"""The data folder where MILLRACE_DATA names no other."""

BROKER = "broker"
"""The file of the data folder in which a run notes the address of its broker, so that other commands find it."""


class WorkspaceError(ValueError):
    """The feature repo or its configuration is not where it was said to be."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one team's declarations, data and configuration are; paths are absolute, whatever they were given as.

    Attributes:
        repo: The feature repo, a folder of Feast declarations.
        data: The data folder: `lake/`, `log/`, `state/`, `models/`, `reports/`, `registry.db`.
        yaml: Feast's configuration file.
    """

    repo: Path
    data: Path
    yaml: Path

    def __post_init__(self) -> None:
        """Resolve paths: what imports the repo changes into it, where a relative path names nothing."""
        for name in ("repo", "data", "yaml"):
            object.__setattr__(self, name, Path(getattr(self, name)).resolve())

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Workspace:
        """Read REPO (default `feature_repo`), MILLRACE_DATA (default `data`) and MILLRACE_YAML.

        Without MILLRACE_YAML, the copy in the data folder is taken, where `make run` left one; else the repo's own.

        Raises:
            WorkspaceError: The repo or its configuration does not exist.
        """
        env = os.environ if env is None else env
        repo = Path(env.get("REPO") or "feature_repo").resolve()
        data = Path(env.get("MILLRACE_DATA") or DATA).resolve()
        if not repo.is_dir():
            raise WorkspaceError(f"feature repo {repo} is not a folder; name yours with REPO=path/to/feature_repo.")
        copy = data / "feature_store.yaml"
        given = env.get("MILLRACE_YAML")
        yaml = Path(given).resolve() if given else copy if copy.is_file() else repo / "feature_store.yaml"
        if not yaml.is_file():
            raise WorkspaceError(f"{yaml} does not exist; a feature repo needs Feast's feature_store.yaml beside it.")
        return cls(repo, data, yaml)

    def lake(self, table: str) -> Path:
        """Return the folder of one event table: Parquet in `date=YYYY-MM-DD` partitions."""
        return self.data / "lake" / table

    def log(self, view: str) -> Path:
        """Return the folder of one view's feature log: Parquet in `date=YYYY-MM-DD` partitions."""
        return self.data / "log" / view

    @property
    def state(self) -> Path:
        """Return the folder of the state that a backfill hands to the stream."""
        return self.data / "state"

    @property
    def models(self) -> Path:
        """Return the folder of trained models."""
        return self.data / "models"

    @property
    def reports(self) -> Path:
        """Return the folder of reports for people."""
        return self.data / "reports"

    def environment(self) -> dict[str, str]:
        """Return the variables that make another process open this workspace."""
        return {"REPO": str(self.repo), "MILLRACE_DATA": str(self.data), "MILLRACE_YAML": str(self.yaml)}


def open_store(workspace: Workspace) -> FeatureStore:
    """Open the Feast feature store of a workspace.

    Raises:
        feast.errors.FeastConfigError: The configuration is not valid.
    """
    silence_feast()
    from feast import FeatureStore

    # The registry names a batch view's function by its module, so reading it needs the repo's modules.
    if str(workspace.repo) not in sys.path:
        sys.path.append(str(workspace.repo))
    return FeatureStore(repo_path=str(workspace.repo), config=load_config(workspace))


def load_config(workspace: Workspace) -> RepoConfig:
    """Return Feast's configuration of a workspace.

    A registry file that `feature_store.yaml` names by a relative path moves along with the data where MILLRACE_DATA names a
    folder of its own, for it says where these data are; one that is named by an absolute path or an address stays where it is.

    Raises:
        feast.errors.FeastConfigError: The configuration is not valid.
    """
    from feast.repo_config import load_repo_config

    config = load_repo_config(workspace.repo, workspace.yaml)
    registry: Any = config.registry
    moves = registry.registry_type == "file" and "://" not in registry.path and not Path(registry.path).is_absolute()
    if moves and workspace.data != Path(DATA).resolve():
        registry.path = str(workspace.data / Path(registry.path).name)
    return config


def silence_feast() -> None:
    """Hide Feast's notes that stream, batch and on-demand views are experimental; importing Feast turns them on."""
    quicken_feast()
    import feast.batch_feature_view
    import feast.on_demand_feature_view
    import feast.stream_feature_view  # noqa: F401 - each import sets a filter of its own, which ours must follow

    warnings.filterwarnings("ignore", message=".*experimental feature", category=RuntimeWarning)


def read_declarations(workspace: Workspace) -> RepoContents:
    """Import the feature repo as `feast apply` does and return what it declares.

    Feast's registry forgets some of a declaration (a batch view's aggregations), so plans are read from these objects.
    MILLRACE_BROKER is set to the broker of the run that made the data folder, where it is not set.
    The modules of a repo read before are forgotten first, so that two repos with equal file names do not mix.

    Raises:
        WorkspaceError: The repo declares no view and no service.
    """
    silence_feast()
    from feast.repo_operations import parse_repo

    os.environ["MILLRACE_DATA"] = str(workspace.data)
    noted = workspace.data / BROKER
    if noted.is_file():
        os.environ.setdefault("MILLRACE_BROKER", noted.read_text())
    home, repo = os.getcwd(), str(workspace.repo)
    known = {path.stem for path in workspace.repo.glob("*.py")}
    for name in [name for name in sys.modules if name.split(".")[0] in known]:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if Path(file).name == f"{name.split('.')[0]}.py":
            del sys.modules[name]
    sys.path.insert(0, repo)
    try:
        os.chdir(repo)
        declared = parse_repo(workspace.repo)
    finally:
        os.chdir(home)
        sys.path.remove(repo)
    kinds = (declared.feature_views, declared.stream_feature_views, declared.on_demand_feature_views)
    if not any(kinds) and not declared.feature_services:
        raise WorkspaceError(
            f"{repo} declares no feature view and no feature service; name the folder whose .py files do with REPO=."
        )
    return declared
