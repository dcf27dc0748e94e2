"""The thread that watches experiments beside a running service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import monitor as monitor_module
from serving.config import load_config
from serving.experiments.report import report_path
from serving.monitor import MonitorThread
from workspace.workspace import Workspace

EXPERIMENT = "experiment: {unit: user_id, arms: {champion: 0.5, challenger: 0.5}}\n"


@pytest.fixture
def workspace(tmp_path: Path, save_model: Callable[..., None]) -> Workspace:
    """A repo with nothing but `serving.yaml`, and a model: a monitor needs no more."""
    made = Workspace(tmp_path, tmp_path / "data", tmp_path / "feature_store.yaml")
    (tmp_path / "serving.yaml").write_text("service: ads\n" + EXPERIMENT)
    save_model(made.models, "ads", columns=("user__clicks",))
    return made


def test_experiments_are_watched_as_serving_yaml_declares_them_now(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    yaml, report = workspace.repo / "serving.yaml", report_path(workspace.data, "ads")
    monitor = MonitorThread(workspace, load_config(yaml))
    monitor.look()
    assert report.is_file()
    yaml.write_text("service: [")
    monitor.look()
    assert "the experiments are watched as before" in caplog.text
    assert report.is_file()
    yaml.write_text("service: ads\n")
    monitor.look()
    assert not report.exists()
    yaml.write_text("service: ads\n" + EXPERIMENT)
    monitor.look()
    assert report.is_file()


def test_a_model_that_is_not_there_is_told_and_looked_for_again(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    current = workspace.models / "ads" / "CURRENT"
    current.unlink()
    monitor = MonitorThread(workspace, load_config(workspace.repo / "serving.yaml"))
    monitor.look()
    assert "the experiment of ads cannot be watched" in caplog.text
    current.write_text("v1\n")
    monitor.look()
    assert report_path(workspace.data, "ads").is_file()


def test_it_looks_until_it_is_stopped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "SHARE", 1.0)
    report = report_path(workspace.data, "ads")
    monitor = MonitorThread(workspace, load_config(workspace.repo / "serving.yaml"), every_s=0.01)
    monitor.start()
    pause = threading.Event()
    for _ in range(2):
        while not report.is_file():
            pause.wait(0.01)
        report.unlink()
    monitor.stop()
    monitor.stop()
    report.unlink(missing_ok=True)
    pause.wait(0.1)
    assert not report.exists()
