"""New models and policies are taken over while requests go on; what does not fit is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.model_aliases import set_alias
from serving.config import load_config
from serving.experiments.stopped import Stop, resume_arm, stop_arm
from serving.reload import Reloader
from serving.request.schema import Row
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.scorer import Scorer
from workspace.workspace import Workspace

SaveModel = Callable[..., None]
POLICY = "thresholds: [{below: 0.5, decide: skip}, {decide: show}]\n"


@dataclass
class Service:
    models: Path
    policy: Path
    scorer: Scorer
    reloader: Reloader
    row: Row

    def answer(self) -> tuple[str, str]:
        """The version that scores now, and its decision."""
        scored = self.scorer.score([self.row])
        assert scored.decisions is not None
        return scored.model_of(0).file.version, scored.decisions.names[0]

    def write_policy(self, text: str) -> None:
        other = self.policy.with_suffix(".new")
        other.write_text(text)
        os.replace(other, self.policy)


@pytest.fixture
def service(workspace: Workspace, tmp_path: Path, save_model: SaveModel, request_body: dict[str, object]) -> Service:
    save_model(tmp_path / "models")
    shutil.copy(workspace.yaml, tmp_path / "feature_store.yaml")
    elsewhere = Workspace(workspace.repo, tmp_path, tmp_path / "feature_store.yaml")
    (tmp_path / "serving.yaml").write_text("service: click_v1\npolicy: policy.yaml\n")
    (tmp_path / "policy.yaml").write_text(POLICY)
    config = load_config(tmp_path / "serving.yaml")
    setup = SetupReader(elsewhere.models, config.policy)
    scorers = build_scorers(elsewhere, config.services, setup)
    scorer = scorers["click_v1"]
    row = scorer.schema.parse_one(request_body, 0)
    return Service(elsewhere.models, tmp_path / "policy.yaml", scorer, Reloader(scorers, setup, config), row)


def test_nothing_is_read_while_nothing_changes(service: Service) -> None:
    before = service.scorer.setup
    assert not service.reloader.look()
    assert service.scorer.setup is before


def test_new_model_scores_from_then_on_and_old_batches_keep_theirs(service: Service, save_model: SaveModel) -> None:
    old = service.scorer.score([service.row])
    save_model(service.models, version="v2")
    assert service.reloader.look()
    assert service.answer()[0] == "v2"
    assert old.model_of(0).file.version == "v1"


def test_model_that_does_not_fit_is_refused_and_the_old_one_goes_on(service: Service, save_model: SaveModel) -> None:
    save_model(service.models, version="v2", columns=("user_activity__gone",))
    assert not service.reloader.look()
    assert "version v2 wants user_activity__gone" in str(service.reloader.problem)
    assert service.answer()[0] == "v1"
    save_model(service.models, version="v3")
    assert service.reloader.look()
    assert (service.reloader.problem, service.answer()[0]) == (None, "v3")


def test_new_policy_decides_from_then_on(service: Service) -> None:
    service.write_policy(POLICY + "rules: [{name: all, when: bid > 0, decide: hold}]\n")
    assert service.reloader.look()
    assert service.answer() == ("v1", "hold")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{name: x, when: bud > 0, decide: hold}", "bud is not known; did you mean bid"),
        ("{name: x, when: bid >, decide: hold}", "policy.yaml:2: policy.rules"),
        ("[", "is not YAML"),
    ],
)
def test_policy_that_cannot_be_used_is_refused_and_the_old_one_goes_on(
    service: Service, rule: str, problem: str
) -> None:
    before = service.answer()
    service.write_policy(POLICY + f"rules: [{rule}]\n")
    assert not service.reloader.look()
    assert problem in str(service.reloader.problem)
    assert service.answer() == before


def test_challenger_shares_the_requests_by_its_weight_and_a_shadow_looks_on(
    service: Service, save_model: SaveModel, request_body: dict[str, object]
) -> None:
    yaml = service.policy.with_name("serving.yaml")
    experiment = "experiment: {unit: user_id, arms: {champion: 0.5, challenger: 0.5}, shadow: [next]}\n"
    yaml.write_text("service: click_v1\npolicy: policy.yaml\n" + experiment)
    assert not service.reloader.look()
    assert "no version has that alias; run `make challenge SERVICE=click_v1 ALIAS=challenger" in str(
        service.reloader.problem
    )
    for version, alias in (("v2", "challenger"), ("v3", "next")):
        save_model(service.models, version=version, columns=("ad_quality__rate", "user_activity__clicks"))
        (service.models / "click_v1" / "CURRENT").write_text("v1\n")
        set_alias(service.models, "click_v1", alias, version)
    assert service.reloader.look()
    users = [{**request_body, "user_id": f"user {n}"} for n in range(200)]
    rows = service.scorer.schema.parse({"instances": users}, 0, 1000)[0]
    scored, again = service.scorer.score(rows), service.scorer.score(rows[::-1])
    arms = [scored.arm_of(row) for row in range(200)]
    assert arms == [again.arm_of(row) for row in range(200)][::-1]
    assert 60 < arms.count("challenger") < 140
    for model, alias in (("v1", "champion"), ("v2", "challenger")):
        mine = [row for row in range(200) if arms[row] == alias]
        assert {scored.model_of(row).file.version for row in mine} == {model}
        columns = scored.model_of(mine[0]).file.columns
        expected = scored.model_of(mine[0]).predict(scored.features.matrix(columns))[mine]
        assert [scored.scores[row] for row in mine] == expected.tolist()
    assert {alias: one.file.version for alias, one in (scored.setup.arms.shadows or {}).items()} == {"next": "v3"}
    stop_arm(service.models, "click_v1", "challenger", Stop("2026-03-01T12:00:00+00:00", "harm", "v2"))
    yaml.write_text("service: [")  # a mistake elsewhere does not let it go on
    assert not service.reloader.look()
    assert "is not YAML" in str(service.reloader.problem)
    assert {service.scorer.score(rows).arm_of(row) for row in range(200)} == {"champion"}
    yaml.write_text("service: click_v1\npolicy: policy.yaml\n" + experiment)
    assert service.reloader.look()
    assert {service.scorer.score(rows).arm_of(row) for row in range(200)} == {"champion"}
    resume_arm(service.models, "click_v1", "challenger")
    assert service.reloader.look()
    assert [service.scorer.score(rows).arm_of(row) for row in range(200)] == arms
