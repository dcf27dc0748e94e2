"""Days go by: a model is trained anew when enough of them are known, proposed when it is better, and never forced on anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commands.retrain import retraining
from contract.model_aliases import read_aliases, read_history
from training.comparison.comparison import FILE
from training.data.task import read_task
from training.retraining import find_due, newest_seen
from workspace.one_at_a_time import HeldError

from .conftest import FIRST, shown

pytestmark = pytest.mark.slow
SERVICE = "ads_v10"
COMMON = {"CLOCK": "event", "NEW_DAYS": "3", "K": "10", "RESAMPLES": "50", "TOLERANCE": "0.5"}
Run = Callable[..., tuple[int, str]]
Land = Callable[[int], None]


@pytest.fixture(scope="module")
def days() -> pd.DataFrame:
    """Twenty-two days; on the eleventh the world changes."""
    return shown(22, changes=11, a_day=200)


@pytest.fixture(scope="module")
def world(build_world: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, days: pd.DataFrame) -> Any:
    """The world when seven days have gone by."""
    return build_world(tmp_path_factory.mktemp("days"), _until(days, 7))


@pytest.fixture
def land(world: Any, days: pd.DataFrame) -> Land:
    """Lets time go by: `land(12)` has the events of the first twelve days in the lake."""

    def to(day: int) -> None:
        for date, of_day in _until(days, day).groupby(days["shown_at"].dt.strftime("%Y-%m-%d")):
            path = world.workspace.data / "lake" / "clicks" / f"date={date}" / "part-0.parquet"
            path.parent.mkdir(exist_ok=True)
            of_day.to_parquet(path, index=False)

    return to


def _until(days: pd.DataFrame, day: int) -> pd.DataFrame:
    return days[days["shown_at"] < FIRST + pd.Timedelta(day, "D")]


def proposal(world: Any) -> dict[str, Any]:
    """What the last retraining has written."""
    return dict(json.loads((world.workspace.reports / "retraining" / f"{SERVICE}.json").read_text()))


def test_it_says_what_comes_first_and_one_does_it_at_a_time(world: Any, run: Run) -> None:
    code, said = run(world, "retrain", **COMMON)
    assert (code, "run `make train`" in said) == (1, True)
    with (
        retraining(world.workspace, SERVICE),
        pytest.raises(HeldError, match="ads_v10 is being trained anew by process"),
    ):
        retraining(world.workspace, SERVICE).__enter__()
    code, said = run(world, "retrain", PROMOTE="yes")
    assert (code, "write PROMOTE=auto" in said) == (1, True)


def test_nothing_new_is_nothing_done(world: Any, run: Run) -> None:
    run(world, "train", TRAIN="2024-03-01:2024-03-04", TEST="2024-03-05:2024-03-07", **COMMON)
    before = sorted(path.name for path in (world.workspace.models / SERVICE).iterdir())
    code, said = run(world, "retrain", **COMMON)
    assert (code, "nothing to do: labels are known up to 2024-03-06" in said) == (0, True)
    assert sorted(path.name for path in (world.workspace.models / SERVICE).iterdir()) == before


def test_days_whose_labels_may_still_change_do_not_count(world: Any, land: Land) -> None:
    land(11)
    task = read_task(world.store, SERVICE)
    assert find_due(task, world.workspace.models, datetime(2024, 3, 9, tzinfo=UTC), 3) is None
    due = find_due(task, world.workspace.models, datetime(2024, 3, 10, tzinfo=UTC), 3)
    assert due is not None
    assert due.new_days == 3
    assert due.split.to_dict() == {
        "train_from": "2024-03-04",
        "train_to": "2024-03-07",
        "test_from": "2024-03-08",
        "test_to": "2024-03-10",
    }
    assert (due.params is not None, due.seed) == (True, 7)


def test_where_nothing_has_changed_the_new_model_is_proposed_to_nobody(world: Any, run: Run) -> None:
    champion = read_aliases(world.workspace.models, SERVICE)["champion"]
    code, said = run(world, "retrain", PROMOTE="auto", **COMMON)
    assert (code, "3 new days, labels are known up to 2024-03-10" in said) == (0, True)
    told, aliases = proposal(world), read_aliases(world.workspace.models, SERVICE)
    assert (told["proposed"], told["promoted"], told["champion"]) == (False, False, champion)
    assert aliases == {"champion": champion, "challenger": told["version"]}
    assert "must be above 0 (MARGIN=0)" in told["refusals"][0]
    assert "nothing to do" in run(world, "retrain", **COMMON)[1]


def test_where_the_world_has_changed_it_is_proposed_and_promoted_by_who_asks(world: Any, run: Run, land: Land) -> None:
    champion = read_aliases(world.workspace.models, SERVICE)["champion"]
    land(19)
    code, said = run(world, "retrain", **COMMON)
    told = proposal(world)
    assert (code, told["proposed"], told["promoted"]) == (0, True, False), said
    assert f"proposed  yes: `make promote SERVICE={SERVICE} VERSION={told['version']}`" in said
    assert read_aliases(world.workspace.models, SERVICE) == {"champion": champion, "challenger": told["version"]}
    assert "nothing to do" in run(world, "retrain", PROMOTE="auto", **COMMON)[1]  # what was proposed is for people now


def test_one_that_was_killed_before_it_compared_is_gone_on_with_and_may_promote(world: Any, run: Run) -> None:
    seen = newest_seen(world.workspace.models, SERVICE)
    (world.workspace.models / SERVICE / seen.version / FILE).unlink()
    code, said = run(world, "retrain", PROMOTE="auto", **COMMON)
    assert (code, f"promoted  {seen.version} is champion" in said) == (0, True)
    assert "make retrain: Average precision +" in read_history(world.workspace.models, SERVICE)[-1].why
    assert proposal(world)["promoted"] is True


def test_a_challenger_in_an_experiment_keeps_its_name(world: Any, run: Run, land: Land) -> None:
    yaml: Path = world.workspace.repo / "serving.yaml"
    yaml.write_text("service: ads_v10\nexperiment: {unit: visitor_id, arms: {champion: 1, challenger: 1}}\n")
    before = read_aliases(world.workspace.models, SERVICE)
    land(22)
    code, said = run(world, "retrain", **COMMON)
    assert (code, "what is trained is called retrained" in said) == (0, True)
    after = read_aliases(world.workspace.models, SERVICE)
    assert {name: after[name] for name in before} == before
    assert after["retrained"] == proposal(world)["version"]
