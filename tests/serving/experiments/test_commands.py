"""The commands of an experiment on a real registry and real models: challenge, look, promote, go back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.__main__ import main as run_command
from contract.model_aliases import read_aliases, read_history
from serving.config import load_config
from serving.experiments.stopped import Stop, read_stopped, stop_arm
from serving.request.schema import Row
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.decision_record import DecisionRecord
from workspace.workspace import Workspace

pytestmark = pytest.mark.slow
YAML = """
service: click_v1
policy: [{below: 0.5, decide: skip}, {decide: show}]
experiment: {unit: user_id, arms: {champion: 0.5, challenger: 0.5}, accept: [show], value: bid, metric: accept_rate}
"""
Run = Callable[..., str]


@pytest.fixture
def home(workspace: Workspace, tmp_path: Path, save_model: Callable[..., None]) -> Workspace:
    """A workspace of this test's own, with the versions v1 (champion) and v2, and v3, which does not fit."""
    shutil.copytree(workspace.repo, tmp_path / "repo")
    (tmp_path / "repo" / "serving.yaml").write_text(YAML)
    save_model(tmp_path / "data" / "models", version="v3", columns=("user_activity__gone",))
    for version in ("v2", "v1"):
        save_model(tmp_path / "data" / "models", version=version)
    shutil.copy(workspace.yaml, tmp_path / "data" / "feature_store.yaml")
    return Workspace(tmp_path / "repo", tmp_path / "data", tmp_path / "data" / "feature_store.yaml")


@pytest.fixture
def run(home: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as make does, and returns what it says: `run("promote", VERSION="v2")`."""

    def call(name: str, **settings: str) -> str:
        with monkeypatch.context() as patch:
            for one, value in {**home.environment(), **settings}.items():
                patch.setenv(one, value)
            code = run_command([name])
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return call


def test_a_version_is_challenged_promoted_and_rolled_back(run: Run, home: Workspace) -> None:
    assert run("challenge", VERSION="v2") == "click_v1: challenger is v2; what runs takes it over by itself\n"
    assert "click_v1: v2 does not become champion:\n  - it was not compared with the champion v1" in run(
        "promote", ALIAS="challenger"
    )
    assert "the history must say why" in run("promote", ALIAS="challenger", FORCE="1")
    said = run("promote", ALIAS="challenger", WHY="it won", FORCE="1")
    assert said.endswith("click_v1: v2 is champion, v1 was; `make rollback SERVICE=click_v1` goes back\n")
    assert read_aliases(home.models, "click_v1") == {"champion": "v2", "challenger": "v2"}
    assert run("rollback", WHY="it did not") == "click_v1: v1 is champion again\n"
    history = [(one.action, one.version, one.why.split(": ")[-1]) for one in read_history(home.models, "click_v1")]
    assert [one[:2] for one in history[1:]] == [("promoted", "v2"), ("rolled-back", "v1")]
    assert "it won, forced past: it was not compared" in read_history(home.models, "click_v1")[1].why
    assert run("challenge", DROP="1") == "click_v1: challenger names no version any more\n"
    assert read_aliases(home.models, "click_v1") == {"champion": "v1"}


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("challenge", {"VERSION": "v3"}, "version v3 wants user_activity__gone"),
        ("promote", {"VERSION": "v3"}, "version v3 wants user_activity__gone"),
        ("promote", {"VERSION": "v9"}, "v9"),
        ("promote", {"ALIAS": "bold"}, "has no alias bold; there are champion"),
        ("promote", {}, "VERSION is not set; write one of v1, v2, v3"),
        ("rollback", {}, "no champion before the present one is known"),
        ("experiment", {"SERVICE": "likes"}, "likes: no experiment is declared"),
        ("experiment", {"RESUME": "challenger"}, "challenger is not stopped"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line_and_changes_nothing(
    run: Run, home: Workspace, command: str, settings: dict[str, str], message: str
) -> None:
    said = run(command, **settings)
    assert said.startswith(f"\n{command}: ")
    assert message in said
    assert read_aliases(home.models, "click_v1") == {"champion": "v1"}


def test_decisions_as_the_service_records_them_are_told_as_a_table(
    run: Run, home: Workspace, request_body: dict[str, Any]
) -> None:
    run("challenge", VERSION="v2")
    config = load_config(home.repo / "serving.yaml")
    scorer = build_scorers(home, config.services, SetupReader(home.models, config.policy, config.experiments))[
        "click_v1"
    ]
    users = [{**request_body, "user_id": f"user {n}"} for n in range(100)]
    rows: list[Row] = scorer.schema.parse({"instances": users}, 0, 1000)[0]
    scored = scorer.score(rows)
    record = DecisionRecord(home.data, scorer.service, scorer.schema)
    record.append(scored, 1_772_366_400_000_000, [5000] * len(rows))
    record.close()
    shown = run("experiment")
    lines = {line.split("  ")[0]: line.split() for line in shown.splitlines() if line}
    challengers = sum(scored.arm_of(row) == "challenger" for row in range(100))
    assert lines["decisions"] == ["decisions", str(100 - challengers), str(challengers)]
    assert lines["version"] == ["version", "v1", "v2"]
    assert "accept_rate *" in lines
    assert lines["latency p50, ms"][3] == "5"


def test_a_stopped_arm_is_told_with_its_reason_and_resumed(run: Run, home: Workspace) -> None:
    run("challenge", VERSION="v2")
    stop_arm(home.models, "click_v1", "challenger", Stop("2026-03-01T12:00:00+00:00", "it does harm", "v2"))
    shown = run("experiment")
    assert "challenger is stopped since 2026-03-01T12:00:00+00:00: it does harm" in shown
    assert "`make experiment SERVICE=click_v1 RESUME=challenger` lets it go on" in shown
    assert "challenger is stopped still; `make experiment" in run("challenge", VERSION="v2")
    assert "challenger goes on; it was stopped" in run("experiment", RESUME="challenger")
    assert read_stopped(home.models, "click_v1") == {}
