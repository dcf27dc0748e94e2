"""`make refresh` on the shipped repo: what is new goes into log and Redis, a killed one goes on, two at once are refused."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import redis

from commands import refresh as command
from commands.apply import apply
from commands.event_tables import event_sources
from commands.loop.events import conform, load_module
from commands.loop.history import land_days
from commands.loop.home import open_home
from commands.plan import read_plans
from commands.refresh import Refreshed, read_refreshed, refresh, refreshing, show_refreshed
from commands.settings import SettingError, read_duration
from pipelines.batch.lake import DAY, days_of, micros
from stores.parquet.log_commit import held_files
from workspace.one_at_a_time import HeldError
from workspace.workspace import Workspace, open_store

ROOT = Path(__file__).parents[2]
FIRST, VIEW = date(2026, 3, 1), "customer_profile"
FOURTH = micros("2026-03-04")


class Killed(BaseException):
    """The process ends here."""


def die(*_: Any) -> Any:
    raise Killed


def no_spark() -> Any:
    raise AssertionError("Spark was asked for")


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_what_is_new_goes_into_log_and_redis_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_home(ROOT / "feature_repo", tmp_path / "data") as (workspace, server):
        apply(workspace)
        plans = [plan for plan in read_plans(workspace) if plan.view == VIEW]
        generate = load_module(workspace.repo).generate  # type: ignore[union-attr]

        def land(first: int, last: int) -> None:
            for source in event_sources(plans, []):
                for day in range(first, last):
                    land_days(conform(source, generate(FIRST, day)[source.name], "simulated"), source)

        def again(landed: int) -> Refreshed:
            (done,) = refresh(no_spark, workspace, store, plans, landed)
            return done

        land(0, 3)
        store, client = open_store(workspace), redis.Redis(port=server.port)
        done = again(FOURTH + 5)
        assert (done.until, read_refreshed(workspace)) == (FOURTH, {VIEW: FOURTH})
        assert done.online == len(list(client.scan_iter())) > 200
        assert days_of(plans[0].log) == ["2026-03-02", "2026-03-03", "2026-03-04"]
        assert again(FOURTH + DAY - 1).online is None

        land(3, 4)
        held = {key: client.hgetall(key) for key in client.scan_iter()}
        with monkeypatch.context() as patch:
            patch.setattr(command, "materialize", die)
            with pytest.raises(Killed):
                again(FOURTH + DAY)
        assert read_refreshed(workspace) == {VIEW: FOURTH}
        log = held_files(plans[0].log)
        again(FOURTH + DAY)
        assert [names[0] for names in held_files(plans[0].log).values()] == [names[0] for names in log.values()]
        assert read_refreshed(workspace) == {VIEW: FOURTH + DAY}
        assert {key: client.hgetall(key) for key in client.scan_iter()} != held
        assert again(FOURTH + DAY).online is None


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "data", tmp_path / "feature_store.yaml")
    with (
        refreshing(workspace),
        pytest.raises(HeldError, match=rf"data is being refreshed by process {os.getpid()} on .* since 20"),
    ):
        refreshing(workspace).__enter__()
    with refreshing(workspace):
        pass


def test_what_was_done_is_shown(lab_plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = [Refreshed("view", FOURTH, 1_234, 1.5), Refreshed("other", None, None, 0.1, "2 rows break it")]
    assert show_refreshed([lab_plan("view"), lab_plan("other")], done)
    told = capsys.readouterr()
    assert told.out.split("\n")[2:4] == [
        "view      1h  2026-03-04 00:00        1,234      1.5",
        "other     1h                 -       failed      0.1",
    ]
    assert told.err == "other: 2 rows break it\n"


def test_a_setting_that_is_no_duration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERY", "hourly")
    with pytest.raises(SettingError, match="EVERY: 'hourly'"):
        read_duration("EVERY", 0)


@pytest.fixture
def lab_plan() -> Any:
    """Builds the plan of an hourly view without features that matter."""
    from contract.durations import HOUR
    from pipelines.plan import EventTable, ViewPlan
    from pipelines.semantics.aggregators.table import parse_function
    from pipelines.semantics.feature import Feature
    from pipelines.semantics.windows import Window

    def build(name: str) -> ViewPlan:
        feature = Feature("n", parse_function("count")[0], None, Window(HOUR, HOUR, 0, True), None, "count")
        return ViewPlan(name, "batch", ("user",), (feature,), EventTable("events", "/none", "at", "id"), "/none")

    return build
