"""A whole training in another domain: from declarations to a current model with its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commands.train import main
from contract.model_aliases import read_aliases
from contract.model_file import FILE, current_version, load_model
from training.data.rows import JoinedRows
from training.data.split import TemporalSplit
from training.data.task import default_service, read_task
from training.errors import TrainingError
from training.evaluate import rows_that_count
from training.fitting.model import ModelParams
from training.measures.costs import Costs
from training.options import TrainingOptions
from training.reports.table import describe_training
from training.result import TrainResult
from training.run import train

NOW = datetime(2024, 3, 12, tzinfo=UTC)
SPLIT = TemporalSplit.parse("2024-03-01:2024-03-06", "2024-03-07:2024-03-11")
OPTIONS = tuple(field.name for field in fields(TrainingOptions))
PARAMS = ModelParams(rounds=10, max_depth=3, nthread=1)


def run(world: Any, service: str | None = None, **rest: Any) -> TrainResult:
    options = {name: rest.pop(name) for name in OPTIONS if name in rest}
    task = read_task(world.store, service or default_service(world.store))
    return train(world.workspace, world.store, task, TrainingOptions(**options), **rest)


@pytest.fixture(scope="module")
def quick(build_ads: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The ads with our own offline store, which takes a fraction of the time."""
    return build_ads(tmp_path_factory.mktemp("quick"), offline="stores.asof_offline.AsofOfflineStore")


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(ads: Any, said: list[str]) -> TrainResult:
    return run(ads, split=SPLIT, params=PARAMS, k=10, now=NOW, say=said.append)


def test_model_beats_chance_where_there_is_something_to_learn(result: TrainResult) -> None:
    assert result.metrics.auroc is not None
    assert result.metrics.auroc > 0.65
    assert result.metrics.average_precision is not None
    assert result.metrics.average_precision > result.chance["average_precision"]


def test_model_that_is_trained_for_an_experiment_leaves_the_champion(ads: Any, result: TrainResult) -> None:
    later = NOW + timedelta(days=1)
    other = run(ads, split=SPLIT, params=PARAMS, k=10, now=later, alias="challenger", say=lambda _: None)
    assert other.report.name == "ads_v10-challenger.html"
    assert read_aliases(ads.workspace.models, "ads_v10") == {"champion": result.version, "challenger": other.version}


@pytest.mark.parametrize("alias", ["champion", "A/B"])
def test_what_cannot_be_an_alias_is_refused_before_anything_is_trained(alias: str) -> None:
    with pytest.raises(TrainingError, match=r"write small letters, digits and _, such as ALIAS=challenger"):
        TrainingOptions(alias=alias)


def test_current_model_carries_the_run(ads: Any, result: TrainResult) -> None:
    model = load_model(ads.workspace.models / "ads_v10" / current_version(ads.workspace.models, "ads_v10") / FILE)
    assert (model.version, model.label, model.trained_at) == (result.version, "clicks:clicked", NOW)
    assert model.split == SPLIT.to_dict()
    assert model.metrics == result.metrics.to_dict()
    assert model.columns[0] == "ad_activity__views_1d"


def test_known_keys_leave_the_test_and_are_counted(ads: Any, result: TrainResult) -> None:
    shown = ads.impressions["shown_at"]
    asked = ads.impressions[(shown >= SPLIT.test_from) & (shown < SPLIT.test_to)]
    assert result.removed.rows > 0
    assert result.test.rows + result.removed.rows == len(asked)
    assert result.test.positives + result.removed.positives == int(asked["clicked"].sum())


def test_steps_are_said(result: TrainResult, said: list[str]) -> None:
    assert [line[:3] for line in said if line[0] != " "] == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_report_lies_beside_the_model_and_among_the_reports(ads: Any, result: TrainResult) -> None:
    beside = result.model.with_name("report.html")
    assert result.report == ads.workspace.reports / "training" / "ads_v10.html"
    assert result.report.read_text() == beside.read_text()
    facts = json.loads(beside.with_suffix(".json").read_text())
    assert facts["metrics"]["auroc"] == result.metrics.auroc
    assert facts["split"] == SPLIT.to_dict()


def test_report_needs_nothing_but_itself(result: TrainResult) -> None:
    page = result.report.read_text()
    for text in ("AUROC", "Average precision", "2024-03-07", "visitor_id", "max_depth", "bid_context__bid_now"):
        assert text in page
    assert page.count("data:image/svg+xml;base64,") == 9
    assert "http://" not in page
    assert "https://" not in page


def test_table_shows_every_metric_beside_chance(result: TrainResult) -> None:
    table = describe_training(result)
    low, high = result.metrics.intervals["auroc"]
    assert f"AUROC                         {result.metrics.auroc:.4f}   0.5000  {low:.4f} to {high:.4f}" in table
    assert str(result.report) in table


def test_importances_are_shares_of_the_gain(result: TrainResult) -> None:
    assert sum(feature.gain for feature in result.features) == pytest.approx(1)
    gains = [feature.gain for feature in result.features]
    assert gains == sorted(gains, reverse=True)
    missing = {feature.name: feature.missing for feature in result.features}
    assert missing["bid_context__bid_now"] == 0
    assert missing["ad_activity__click_rate"] > missing["ad_activity__views_1d"] > 0


@pytest.mark.parametrize(
    ("service", "metrics"),
    [
        (
            "ads_v2",
            ["auroc", "average_precision", "log_loss", "brier", "f1", "ndcg_daily", "precision_at_k_daily", "cost"],
        ),
        ("a_number", ["mae", "rmse", "r2"]),
        ("a_order", ["ndcg_5", "ndcg_10", "average_precision", "pairwise_loss"]),
    ],
)
def test_every_kind_of_model_is_searched_for_and_measured_with_intervals(
    quick: Any, tmp_path: Path, service: str, metrics: list[str]
) -> None:
    said: list[str] = []
    split = TemporalSplit.parse("2024-03-01:2024-03-08", "2024-03-09:2024-03-11")
    world = replace(quick, workspace=replace(quick.workspace, data=tmp_path))
    options = {"history": True, "trials": 2, "folds": 2, "costs": Costs("bid", 0.2), "segments": ("slot",), "k": 10}
    found = run(world, service, split=split, params=PARAMS, now=NOW, say=said.append, **options)
    assert found.search is not None
    assert (found.search.trials, len(found.search.values)) == ((2, 0), 2)
    assert found.params == found.search.params
    assert "validated on the 2 days from 2024-03-06, 2024-03-04" in "".join(said)
    facts = json.loads(found.report.with_suffix(".json").read_text())
    assert facts["search"]["measure"] == found.search.measure
    for metric in metrics:
        low, high = facts["metrics"]["intervals"][metric]
        assert low <= facts["metrics"][metric] <= high
        assert low < high
    if service == "ads_v2":
        assert list(facts["segments"][0]["measured"]) == ["auroc", "average_precision"]
        assert '<th class="number">Cost of a row</th>' in found.report.read_text()
    if service != "a_order":
        assert [part["part"] for part in facts["segments"]] == ["0", "1", "2", "3"]
    assert f"searched  2 trials, 0 given up early: {found.search.measure}" in describe_training(found)


def test_known_keys_may_count_from_another_day_than_the_training_begins(quick: Any) -> None:
    task = read_task(quick.store, "ads_v10")
    asked = JoinedRows(quick.store, task).build(SPLIT.test_from, SPLIT.test_to)
    later = SPLIT.train_to - timedelta(days=1)
    source = JoinedRows(quick.store, task)
    rows = [len(rows_that_count(task, SPLIT, since, asked, asked, source)) for since in (None, SPLIT.train_from, later)]
    assert rows[0] == rows[1] < rows[2] < len(asked)


def test_gate_that_refuses_stops_before_anything_is_written(build_ads: Callable[..., Any], tmp_path: Path) -> None:
    world = build_ads(tmp_path)

    def refuse(frame: pd.DataFrame) -> None:
        assert "ad_activity__views_1d" in frame
        raise RuntimeError("suite failed")

    with pytest.raises(RuntimeError, match="suite failed"):
        run(world, split=SPLIT, params=PARAMS, gate=refuse, say=lambda _: None)
    assert not world.workspace.models.exists()
    assert not world.workspace.reports.exists()


def test_service_without_a_key_removes_nothing_and_a_given_threshold_is_used(ads: Any) -> None:
    found = run(ads, "ads_v2", split=SPLIT, params=PARAMS, threshold=0.2, say=lambda _: None)
    assert (found.metrics.threshold, found.threshold_from) == (0.2, "given")
    assert (found.removed.rows, found.daily, found.metrics.key_precision_at_k) == (0, (), None)
    assert "names no key" in dict(found.metrics.reasons)["key_precision_at_k"]


def test_gap_shorter_than_the_declared_delay_is_refused(ads: Any) -> None:
    touching = TemporalSplit.parse("2024-03-01:2024-03-07", "2024-03-07:2024-03-11")
    with pytest.raises(TrainingError, match="known 1 d after"):
        run(ads, split=touching, say=lambda _: None)


def test_threshold_that_is_no_probability_is_refused(ads: Any) -> None:
    with pytest.raises(TrainingError, match="not a probability"):
        run(ads, split=SPLIT, threshold=20, say=lambda _: None)


def test_command_trains_on_the_last_days_and_prints_the_table(
    ads: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ads.workspace.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERVICE", "ads_v2")
    for name, value in {"TRAIN_DAYS": "4", "TEST_DAYS": "2", "LIMIT": "300"}.items():
        monkeypatch.setenv(name, value)
    main()
    printed = capsys.readouterr().out
    assert "2024-03-04 to 2024-03-08" in printed
    assert "2024-03-09 to 2024-03-11" in printed


def test_command_says_what_to_write_and_fails(ads: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ads.workspace.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERVICE", "nobody")
    with pytest.raises(TrainingError, match="feature service nobody is not in the registry"):
        main()
