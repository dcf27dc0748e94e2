"""Where a team's files are, and that the repo is read from wherever one stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workspace.workspace import Workspace, WorkspaceError, load_config, read_declarations

VIEWS = """
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Int64, String

user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
age = FeatureView(
    name="age", entities=[user], source=FileSource(name="ages", path="ages.parquet", timestamp_field="at"),
    schema=[Field(name="user", dtype=String), Field(name="years", dtype=Int64)],
)
"""


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a feature repo, and the current one."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "views.py").write_text(VIEWS)
    (tmp_path / "repo" / "feature_store.yaml").write_text("project: team\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILLRACE_DATA", "restored after the test")
    return tmp_path


def test_relative_paths_are_made_absolute_however_a_workspace_is_built(team: Path) -> None:
    built = Workspace(Path("repo"), Path("data"), Path("repo/feature_store.yaml"))
    assert built == Workspace.from_env({"REPO": "repo", "MILLRACE_DATA": "data"})
    assert (built.repo, built.data, built.log("age")) == (team / "repo", team / "data", team / "data" / "log" / "age")


@pytest.mark.slow
def test_a_repo_named_by_a_relative_path_gives_its_views(team: Path) -> None:
    declared = read_declarations(Workspace(Path("repo"), Path("data"), Path("repo/feature_store.yaml")))
    assert [view.name for view in declared.feature_views] == ["age"]
    assert Path.cwd() == team


def test_the_configuration_that_a_run_left_is_taken_before_the_repos_own(team: Path) -> None:
    (team / "data").mkdir()
    (team / "data" / "feature_store.yaml").write_text("project: team\n")
    env = {"REPO": "repo", "MILLRACE_DATA": "data"}
    assert Workspace.from_env(env).yaml == team / "data" / "feature_store.yaml"
    assert Workspace.from_env({**env, "MILLRACE_YAML": "repo/feature_store.yaml"}).yaml.parent == team / "repo"


def test_a_repo_or_configuration_that_is_not_there_is_named(team: Path) -> None:
    with pytest.raises(WorkspaceError, match="nowhere is not a folder; name yours with REPO="):
        Workspace.from_env({"REPO": "nowhere"})
    (team / "repo" / "feature_store.yaml").unlink()
    with pytest.raises(WorkspaceError, match=r"feature_store.yaml does not exist; a feature repo needs"):
        Workspace.from_env({"REPO": "repo", "MILLRACE_DATA": "data"})


@pytest.mark.slow
def test_a_folder_that_declares_nothing_is_refused(team: Path) -> None:
    (team / "repo" / "views.py").write_text("from feast import Entity\n")
    with pytest.raises(WorkspaceError, match="repo declares no feature view and no feature service; name the folder"):
        read_declarations(Workspace.from_env({"REPO": "repo", "MILLRACE_DATA": "data"}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("registry", "data", "where"),
    [
        pytest.param("../data/registry.db", "mine", "mine/registry.db", id="moves along with data of its own"),
        pytest.param("../data/registry.db", "data", "repo/../data/registry.db", id="stays with the usual data"),
        pytest.param("/shared/registry.db", "mine", "/shared/registry.db", id="an absolute path is meant"),
        pytest.param("s3://shared/registry.db", "mine", "s3://shared/registry.db", id="an address is meant"),
    ],
)
def test_a_registry_is_where_its_data_are(team: Path, registry: str, data: str, where: str) -> None:
    text = f"project: team\nprovider: local\nregistry: {registry}\nentity_key_serialization_version: 3\n"
    (team / "repo" / "feature_store.yaml").write_text(text)
    workspace = Workspace.from_env({"REPO": "repo", "MILLRACE_DATA": data})
    config: Any = load_config(workspace)
    found = config.registry.path
    assert (found if "://" in found else str(workspace.repo / found)) == (
        where if "://" in where else str(team / where)
    )
