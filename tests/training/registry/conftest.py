"""A trained world of its own for the registry's tests: two versions, one of them champion, and commands as make runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.__main__ import main as run_command
from training.data.split import TemporalSplit
from training.data.task import read_task
from training.fitting.model import ModelParams
from training.options import TrainingOptions
from training.run import train

NOW = datetime(2024, 3, 12, tzinfo=UTC)
SPLIT = TemporalSplit.parse("2024-03-01:2024-03-06", "2024-03-07:2024-03-11")


@dataclass(frozen=True, slots=True)
class Trained:
    """A workspace whose service ads_v10 has two versions; `first` is champion, `second` challenger."""

    workspace: Any
    first: str
    second: str


@pytest.fixture(scope="session")
def trained(build_ads: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The world; tests that change its names change them back."""
    ads = build_ads(tmp_path_factory.mktemp("registry"), offline="stores.asof_offline.AsofOfflineStore")
    (ads.workspace.repo / "serving.yaml").write_text("service: ads_v10\n")
    task = read_task(ads.store, "ads_v10")

    def version(days: int, alias: str | None) -> str:
        params = ModelParams(rounds=4, max_depth=2, nthread=1)
        options = TrainingOptions(split=SPLIT, params=params, k=10, alias=alias)
        done = train(ads.workspace, ads.store, task, options, now=NOW + timedelta(days=days), say=lambda _: None)
        return done.version

    return Trained(ads.workspace, version(0, None), version(1, "challenger"))


@pytest.fixture
def run(trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command as make does, with MLflow on, and returns all that it says: `run("promote", VERSION="...")`."""

    def call(name: str, **settings: str) -> str:
        with monkeypatch.context() as patch:
            patch.delenv("MILLRACE_REGISTRY")
            for one, value in {**trained.workspace.environment(), **settings}.items():
                patch.setenv(one, value)
            run_command([name])
        said = capsys.readouterr()
        return said.out + said.err

    return call
