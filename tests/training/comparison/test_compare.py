"""Two models on the same rows of days that neither knows, each fed its own columns; and the gate that reads what was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contract.model_aliases import read_aliases, read_history
from contract.model_file import FILE, ModelFile, load_model
from training.comparison.compare import CompareOptions, Contender, compare
from training.comparison.comparison import Comparison, read_comparison, write_comparison
from training.comparison.days import days_of_neither, known_until
from training.comparison.page import describe_comparison, write_page
from training.data.split import TemporalSplit
from training.data.task import TrainingTask, read_task
from training.errors import TrainingError
from training.fitting.model import ModelParams
from training.options import TrainingOptions
from training.promotion import Bounds, PromotionRefusedError, judge
from training.run import train

from .conftest import shown

pytestmark = pytest.mark.slow
SERVICE, OTHER = "ads_v10", "ads_v2"
NOW = datetime(2024, 3, 20, tzinfo=UTC)
OLD = TemporalSplit.parse("2024-03-01:2024-03-04", "2024-03-05:2024-03-07")
NEW = TemporalSplit.parse("2024-03-06:2024-03-10", "2024-03-11:2024-03-15")
PARAMS = ModelParams(rounds=15, max_depth=3, nthread=1)


@pytest.fixture(scope="module")
def world(build_world: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fourteen days; on the sixth the world changes, so the old model is wrong and the new one right."""
    return build_world(tmp_path_factory.mktemp("changed"), shown(14, changes=5))


def fit(world: Any, service: str, split: TemporalSplit, alias: str | None, days: int) -> ModelFile:
    """Train a model, and give it a name."""
    options = TrainingOptions(split=split, params=PARAMS, k=10, alias=alias)
    now = NOW + timedelta(days=days)
    done = train(world.workspace, world.store, read_task(world.store, service), options, now=now, say=lambda _: None)
    return load_model(done.model)


@pytest.fixture(scope="module")
def old(world: Any) -> ModelFile:
    return fit(world, SERVICE, OLD, None, 0)


@pytest.fixture(scope="module")
def new(world: Any, old: ModelFile) -> ModelFile:
    return fit(world, SERVICE, NEW, "challenger", 1)


@pytest.fixture(scope="module")
def task(world: Any) -> TrainingTask:
    return read_task(world.store, SERVICE)


@pytest.fixture(scope="module")
def found(world: Any, task: TrainingTask, old: ModelFile, new: ModelFile) -> Comparison:
    options = CompareOptions(k=10, resamples=100)
    return compare(world.store, Contender(task, old), Contender(task, new), options, now=NOW, say=lambda _: None)


def test_a_challenger_that_knows_the_changed_world_is_better(found: Comparison) -> None:
    told = {one.metric: one.verdict for one in found.differences}
    assert (found.verdict, told["auroc"], told["log_loss"]) == ("better", "better", "better")
    assert found.main.metric == "average_precision"


def test_the_days_are_the_newest_that_neither_learned_from(found: Comparison, task: TrainingTask) -> None:
    assert (f"{found.start:%F}", f"{found.end:%F}") == ("2024-03-11", "2024-03-15")
    assert found.rows + found.removed == 4 * 260
    assert found.removed > 0
    assert (found.clustered_by, found.clusters > 500) == ("visitor_id", True)


def test_labels_count_as_known_when_their_delay_is_over(task: TrainingTask, old: ModelFile, new: ModelFile) -> None:
    assert f"{known_until(task, datetime(2024, 3, 14, 9, tzinfo=UTC)):%F}" == "2024-03-13"
    assert f"{known_until(task, NOW):%F}" == "2024-03-15"
    two = days_of_neither(task, (old, new), most_days=2)
    assert [f"{at:%F}" for at in two] == ["2024-03-13", "2024-03-15"]
    with pytest.raises(
        TrainingError, match=r"no labelled day that neither .* before 2024-03-10, whose labels took 1 d"
    ):
        days_of_neither(task, (old, new), until=datetime(2024, 3, 11, tzinfo=UTC))


def test_both_are_fed_the_same_events_though_their_columns_differ(
    world: Any, task: TrainingTask, old: ModelFile, new: ModelFile, found: Comparison
) -> None:
    other = read_task(world.store, OTHER)  # the same features in another order, and no key that is left out
    of_other = fit(world, OTHER, OLD, None, 2)
    assert of_other.columns != old.columns
    options = CompareOptions(k=10, resamples=20, cluster="visitor_id")
    versus = compare(world.store, Contender(other, of_other), Contender(task, new), options, say=lambda _: None)
    assert (versus.against, versus.removed, versus.rows) == (OTHER, 0, 4 * 260)
    mine, theirs = (one.differences[0] for one in (found, versus))
    assert theirs.champion == pytest.approx(mine.champion, abs=0.05)
    fewer = Contender(replace(task, features=task.features[:2]), new)  # a service that has lost columns since
    again = compare(world.store, Contender(task, old), fewer, CompareOptions(k=10, resamples=100), say=lambda _: None)
    assert again.differences == found.differences


@pytest.mark.parametrize(
    ("predicts", "label", "group", "metrics"),
    [
        ("regression", "bid", None, ["rmse", "mae"]),
        ("ranking", "clicked", "page_id", ["ndcg_10", "ndcg_5", "average_precision", "pairwise_loss"]),
    ],
)
def test_the_other_kinds_are_compared_by_their_own_metrics(
    world: Any, task: TrainingTask, predicts: str, label: str, group: str | None, metrics: list[str]
) -> None:
    other = replace(task, predicts=predicts, label=label, group=group, drop_known=None, service=OTHER)
    models = []
    for number, (split, rounds) in enumerate([(OLD, 2), (NEW, 40)]):
        options = TrainingOptions(split=split, params=replace(PARAMS, rounds=rounds), alias=predicts)
        now = NOW + timedelta(days=3 + number)
        models.append(
            load_model(train(world.workspace, world.store, other, options, now=now, say=lambda _: None).model)
        )
    contenders = [Contender(other, model) for model in models]
    versus = compare(world.store, *contenders, CompareOptions(resamples=50), say=lambda _: None)
    assert [one.metric for one in versus.differences] == metrics
    assert (versus.verdict, versus.rows) == ("better", 4 * 260)
    assert versus.clustered_by == (group or "")
    assert versus.clusters == (208 if group else 4 * 260)


def test_models_of_different_labels_are_not_compared(
    world: Any, task: TrainingTask, old: ModelFile, new: ModelFile
) -> None:
    other = replace(task, label="slot")
    with pytest.raises(TrainingError, match="compare models of the same label"):
        compare(world.store, Contender(other, old), Contender(task, new), say=lambda _: None)
    options = CompareOptions(cluster="nobody")
    with pytest.raises(TrainingError, match="CLUSTER=nobody is no column of clicks"):
        compare(world.store, Contender(task, old), Contender(task, new), options, say=lambda _: None)


def test_what_was_found_is_kept_beside_the_challenger_and_shown(found: Comparison, tmp_path: Path) -> None:
    write_comparison(found, tmp_path)
    assert read_comparison(tmp_path) == found
    write_page(found, [tmp_path / "page.html"])
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == len(found.differences)
    assert "better: Average precision" in page
    assert "http" not in page
    assert "verdict   better: Average precision +" in describe_comparison(found)
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"is no comparison .*make compare"):
        read_comparison(tmp_path)


def shut(folder: Path, found: Comparison, bounds: Bounds | None = None, **changed: Any) -> str:
    """Return why the gate is closed; empty when it is open."""
    home = folder / found.challenger
    write_comparison(replace(found, **changed), home)
    known = datetime(2024, 3, 15, tzinfo=UTC)
    verdict = judge(home, SERVICE, found.champion, bounds or Bounds(), known, folder / "consistency.json")
    try:
        verdict.require(SERVICE, found.challenger)
    except PromotionRefusedError as error:
        return str(error)
    return ""


def test_the_gate_opens_for_what_is_better_and_names_figure_bound_and_command_else(
    found: Comparison, tmp_path: Path
) -> None:
    assert shut(tmp_path, found) == ""
    assert "was compared with v0, and the champion is" in shut(tmp_path, found, champion="v0")
    earlier = datetime(2024, 3, 14, tzinfo=UTC)
    said = shut(tmp_path, found, end=earlier)
    assert "compared on days up to 2024-03-14, and labels are known up to 2024-03-15 now" in said
    assert f"make compare SERVICE={SERVICE} VERSION={found.challenger}" in said
    assert "must be above 0.9 (MARGIN=0.9)" in shut(tmp_path, found, Bounds(margin=0.9))
    worse = tuple(
        replace(one, challenger=0.5, difference=0.5 - (one.champion or 0)) if one.metric == "auroc" else one
        for one in found.differences
    )
    lost = replace(worse[1], champion=0.8, difference=-0.3)
    said = shut(tmp_path, found, differences=(worse[0], lost, *worse[2:]))
    assert "AUROC: 0.5000 against 0.8000, worse by 0.3000; at most 0.0160 is let pass (TOLERANCE=0.02" in said
    assert 'FORCE=1 WHY="..."` does it all the same' in said


def test_consistency_is_asked_for_where_it_was_measured_or_must_be(found: Comparison, tmp_path: Path) -> None:
    assert "has not been measured; type `make consistency" in shut(tmp_path, found, Bounds(needs_consistency=True))
    (tmp_path / "consistency.json").write_text(json.dumps({"share_equal": 0.9, "compared": 1000, "at": "2024-03-20"}))
    assert "0.9000 of 1,000 served values are equal" in shut(tmp_path, found)
    assert shut(tmp_path, found, Bounds(consistency=0.85, needs_consistency=True)) == ""
    (tmp_path / "consistency.json").write_text(json.dumps({"share_equal": None, "compared": 0}))
    assert "no served value was compared" in shut(tmp_path, found, Bounds(needs_consistency=True))
    (tmp_path / "consistency.json").write_text("[]")
    with pytest.raises(TrainingError, match=r"says no share_equal"):
        shut(tmp_path, found)


def test_a_challenger_is_trained_compared_and_promoted_by_commands(
    build_world: Callable[..., Any], tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    world = build_world(tmp_path, shown(12, changes=5, a_day=200))
    models, common = world.workspace.models, {"K": "10", "RESAMPLES": "50"}
    run(world, "train", TRAIN="2024-03-01:2024-03-04", TEST="2024-03-05:2024-03-07", **common)
    code, said = run(world, "train", TRAIN="2024-03-06:2024-03-09", TEST="2024-03-10:2024-03-13", **common)
    assert "`make compare SERVICE=ads_v10 ALIAS=challenger`" in said
    champion, challenger = read_aliases(models, SERVICE).values()
    code, said = run(world, "promote", ALIAS="challenger")
    assert (code, f"it was not compared with the champion {champion}" in said) == (1, True)
    assert (models / SERVICE / "CURRENT").read_text().strip() == champion
    code, said = run(world, "compare", **common)
    assert (code, "verdict   better" in said) == (0, True)
    code, said = run(world, "promote", ALIAS="challenger", WHY="the world changed", TOLERANCE="0.5")
    assert (code, f"{challenger} is champion, {champion} was" in said) == (0, True)
    assert "consistency of what was served has not been measured" in said
    assert read_history(models, SERVICE)[-1].why.endswith("2024-03-13)")
    assert "the world changed (Average precision +" in read_history(models, SERVICE)[-1].why
    assert "is champion already" in run(world, "promote", VERSION=challenger)[1]
    code, said = run(world, "promote", VERSION=champion, MARGIN="a lot")
    assert (code, "MARGIN=a lot: write numbers" in said) == (1, True)
    assert load_model(models / SERVICE / challenger / FILE).version == challenger
