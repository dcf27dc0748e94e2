"""The home of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
import yaml

from commands.loop.home import open_home
from pipelines.plan_view import plan_views
from pipelines.stream.transport.open import transport_address
from stores.online import open_online
from workspace.workspace import Workspace, load_config, read_declarations

pytestmark = pytest.mark.slow  # a home has a Redis of its own

REPO = Path(__file__).parents[3] / "feature_repo"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REPO", "MILLRACE_DATA", "MILLRACE_YAML", "MILLRACE_BROKER"):
        monkeypatch.setenv(name, "restored after the test")


def test_a_second_run_steps_around_the_first(tmp_path: Path) -> None:
    with open_home(REPO, tmp_path / "data") as (first, one), open_home(REPO, tmp_path / "data") as (second, two):
        assert (first.data.name, second.data.name) == ("data", "data-2")
        assert one.port != two.port
        redis.Redis(port=one.port).set("mine", 1)
        assert redis.Redis(port=two.port).get("mine") is None


def test_a_run_empties_what_the_last_one_made(tmp_path: Path) -> None:
    with open_home(REPO, tmp_path / "data") as (workspace, _):
        (workspace.data / "log").mkdir()
    with open_home(REPO, tmp_path / "data") as (workspace, _):
        assert not (workspace.data / "log").exists()


def test_a_folder_that_no_run_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data" / "lake").mkdir(parents=True)
    with open_home(REPO, tmp_path / "data") as (workspace, _):
        assert workspace.data.name == "data-2"
    assert (tmp_path / "data" / "lake").is_dir()


def test_other_commands_find_the_configuration_of_the_run(tmp_path: Path) -> None:
    with open_home(REPO, tmp_path / "data") as (workspace, server):
        found = Workspace.from_env({"REPO": str(REPO), "MILLRACE_DATA": str(tmp_path / "data")})
        assert found == workspace
        assert server.connection_string in found.yaml.read_text()


def test_other_commands_find_the_broker_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_home(REPO, tmp_path / "data") as (workspace, server):
        monkeypatch.delenv("MILLRACE_BROKER")
        assert transport_address(plan_views(read_declarations(workspace))) == server.url
        monkeypatch.setenv("MILLRACE_BROKER", "redis://elsewhere:1")
        assert transport_address(plan_views(read_declarations(workspace))) == "redis://elsewhere:1"


def test_a_run_of_a_tiered_repo_has_a_hot_store_of_its_own_and_the_warm_one_that_is_named(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    settings = yaml.safe_load((REPO / "feature_store.yaml").read_text())
    warm = {"region": "us-east-1", "endpoint_url": "http://elsewhere"}
    settings["online_store"] = {"type": "stores.tiered_online.MillraceTieredOnlineStore", "hot": {}, "warm": warm}
    (repo / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    with open_home(repo, tmp_path / "data") as (workspace, server):
        options = load_config(workspace).online_store
        assert (options.hot.connection_string, options.hot.clock) == (server.connection_string, "stream")
        assert options.warm.endpoint_url == "http://elsewhere"


def test_a_run_of_a_repo_with_a_redis_of_its_own_never_goes_there(tmp_path: Path) -> None:
    theirs = {
        "redis_type": "redis_cluster",
        "user": "ann",
        "password": "${NOT_SET_ANYWHERE}",
        "tls": {"ca": "/nowhere.pem"},
        "read_from": "replica",
        "wait_replicas": 2,
        "key_ttl_seconds": 60,
    }
    repo = tmp_path / "repo"
    repo.mkdir()
    settings = yaml.safe_load((REPO / "feature_store.yaml").read_text())
    settings["online_store"] |= theirs
    (repo / "feature_store.yaml").write_text(yaml.safe_dump(settings))
    with open_home(repo, tmp_path / "data") as (workspace, server):
        config = load_config(workspace)
        assert config.online_store.connection_string == server.connection_string
        assert config.online_store.key_ttl_seconds == 60
        open_online(config).ping()
        assert not set(theirs) - {"key_ttl_seconds"} & set(yaml.safe_load(workspace.yaml.read_text())["online_store"])
