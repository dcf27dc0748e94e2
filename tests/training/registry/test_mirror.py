"""What MLflow holds of a training, and that its aliases follow the files: in SQLite, and on MLflow's own server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract.model_aliases import drop_alias, promote, rollback, set_alias
from contract.model_file import FILE, load_model
from training.registry.client import RegistryError, open_registry, registry_address
from training.registry.mirror import mirror_aliases, record_version
from workspace.ports import free_port

from .conftest import NOW, Trained

pytestmark = pytest.mark.slow
SERVICE = "ads_v10"


@pytest.fixture(scope="module")
def recorded(trained: Trained) -> Trained:
    """The world with its first version in the SQLite file of its data folder."""
    assert record_version(trained.workspace.data, trained.workspace.models, SERVICE, trained.first) == "1"
    return trained


def aliases(client: Any) -> dict[str, str]:
    """Return MLflow's aliases, by the versions' own names."""
    found = client.get_registered_model(SERVICE).aliases
    tags = {alias: client.get_model_version(SERVICE, str(n)).tags for alias, n in found.items()}
    return {alias: tag["millrace.version"] for alias, tag in tags.items()}


def test_a_run_says_what_the_version_was_trained_with_and_on(recorded: Trained) -> None:
    folder = recorded.workspace.models / SERVICE / recorded.first
    report = json.loads((folder / "report.json").read_text())
    with open_registry(recorded.workspace.data) as client:
        (run,) = client.search_runs(["1"], f"tags.`millrace.version` = '{recorded.first}'")
        files = {one.path for one in client.list_artifacts(run.info.run_id)}
        model = {one.path for one in client.list_artifacts(run.info.run_id, "model")}
    params, metrics = run.data.params, run.data.metrics
    assert (params["train_from"], params["max_depth"], params["seed"]) == ("2024-03-01", "2", "7")
    assert metrics["auroc"] == report["metrics"]["auroc"]
    assert metrics["chance.auroc"] == 0.5
    assert (run.info.run_name, run.info.status) == (recorded.first, "FINISHED")
    assert (files, model) == (
        {"model", "reference.json", "report.html", "report.json"},
        {"model/MLmodel", f"model/{FILE}"},
    )
    told = {one.tags[0].value: json.loads(one.dataset.profile)["rows"] for one in run.inputs.dataset_inputs}
    assert told["training"] == report["train"]["rows"]
    assert len({one.dataset.digest for one in run.inputs.dataset_inputs}) == 2


def test_recording_again_adds_nothing(recorded: Trained) -> None:
    record_version(recorded.workspace.data, recorded.workspace.models, SERVICE, recorded.first)
    with open_registry(recorded.workspace.data) as client:
        tag = f"`millrace.version` = '{recorded.first}'"
        assert len(client.search_runs(["1"], f"tags.{tag}")) == 1
        assert len(client.search_model_versions(f"name = '{SERVICE}' and tags.{tag}")) == 1


def test_what_was_killed_in_between_is_gone_on_with(recorded: Trained) -> None:
    third = _copy(recorded, "20240314T000000-00000003")
    with open_registry(recorded.workspace.data) as client:
        begun = client.create_run("1", tags={"millrace.version": third}).info.run_id
    number = record_version(recorded.workspace.data, recorded.workspace.models, SERVICE, third)
    with open_registry(recorded.workspace.data) as client:
        assert client.get_model_version(SERVICE, number).run_id == begun
        assert client.get_run(begun).info.status == "FINISHED"


def test_aliases_follow_every_change_of_the_files_and_leave_those_of_others(recorded: Trained) -> None:
    data, models = recorded.workspace.data, recorded.workspace.models
    first, second = recorded.first, recorded.second
    with open_registry(data) as client:
        client.set_registered_model_alias(SERVICE, "audited", "1")
        others = {"audited": first}
        assert aliases(client) == {"champion": first, "challenger": second} | others
        promote(models, SERVICE, second, "it won", NOW)
        mirror_aliases(data, models, SERVICE)
        assert aliases(client) == {"champion": second, "challenger": second} | others
        rollback(models, SERVICE, "it did not", NOW)
        drop_alias(models, SERVICE, "challenger")
        set_alias(models, SERVICE, "latest", second)  # a name that MLflow keeps for itself
        mirror_aliases(data, models, SERVICE)
        assert aliases(client) == {"champion": first} | others
        drop_alias(models, SERVICE, "latest")
        set_alias(models, SERVICE, "challenger", second)


def test_mlflow_loads_the_champion_as_an_xgboost_model(recorded: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry_address(recorded.workspace.data))
    import mlflow.xgboost

    found = mlflow.xgboost.load_model(f"models:/{SERVICE}@champion")
    saved = load_model(recorded.workspace.models / SERVICE / recorded.first / FILE).booster
    assert found.save_raw("ubj") == saved.save_raw("ubj")


def test_mlflow_away_is_told_with_the_command_that_does_it_later(
    recorded: Trained, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    settings = {"SERVICE": SERVICE, "TRAIN_DAYS": "3", "TEST_DAYS": "3", "LIMIT": "300", "MLFLOW_TRACKING_URI": nobody}
    said = run("train", **settings)
    (version,) = {path.name for path in (recorded.workspace.models / SERVICE).glob("2*-*")} - {
        recorded.first,
        recorded.second,
        "20240314T000000-00000003",
    }
    assert f"not recorded in MLflow: {version}" in said
    assert f"`make register SERVICE={SERVICE} VERSION={version}` does it later" in said
    assert (recorded.workspace.models / SERVICE / version / "plan.json").read_text() == "[]\n"
    assert f"register: MLflow at {nobody}" in run("register", VERSION=version, MLFLOW_TRACKING_URI=nobody)
    assert f"{SERVICE}: {version} is version " in run("register", VERSION=version)
    set_alias(recorded.workspace.models, SERVICE, "challenger", recorded.second)


@pytest.fixture
def server(recorded: Trained) -> Iterator[str]:
    """MLflow's own server, over the same SQLite file."""
    address = f"http://127.0.0.1:{(port := free_port('127.0.0.1'))}"
    folder = recorded.workspace.data / "mlflow"
    options = {"backend-store-uri": registry_address(recorded.workspace.data), "workers": "1", "port": str(port)}
    options["artifacts-destination"] = str(folder / "served")
    command = [sys.executable, "-m", "mlflow", "server", *(f"--{name}={value}" for name, value in options.items())]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | quiet)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def test_a_server_holds_the_same(
    recorded: Trained, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    fourth = _copy(recorded, "20240315T000000-00000004")
    number = record_version(recorded.workspace.data, recorded.workspace.models, SERVICE, fourth)
    with open_registry(recorded.workspace.data) as client:
        assert client.get_model_version(SERVICE, number).tags["millrace.version"] == fourth
        assert aliases(client)["champion"] == recorded.first
    assert capsys.readouterr().out == ""
    refused = pytest.raises(RegistryError, match=rf"MLflow at {server}: .*nowhere")
    with refused, open_registry(recorded.workspace.data) as client:
        client.get_registered_model("nowhere")


def _copy(world: Trained, version: str) -> str:
    """Save the first version's model under another name."""
    models = world.workspace.models / SERVICE
    (models / version).mkdir()
    booster = load_model(models / world.first / FILE).booster
    booster.set_attr(**{"millrace.version": version})
    booster.save_model(models / version / FILE)
    return version
