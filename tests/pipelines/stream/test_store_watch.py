"""A store that is another one by now is noticed, and every row that the stream knows goes to it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.rescale import Generation, Saved
from pipelines.stream.store_watch import StoreWatch
from pipelines.stream.view_logic import Share, ViewLogic

MINUTE = 60_000_000
BLANK = {"money": 1.0, "whole": None, "word": "a", "flag": None}


@dataclass
class Server:
    """An online store that says who it is, or is away."""

    name: str = "first"
    away: bool = False
    said: list[str] = field(default_factory=list)

    def identify(self) -> str:
        if self.away:
            raise ConnectionError
        return self.name

    def watch(self) -> StoreWatch:
        return StoreWatch(self.identify, self.said.append)


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    features = [lab.feature("sum", "money", 10 * MINUTE, MINUTE), lab.feature("last_n(3)", "word", 10 * MINUTE, MINUTE)]
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"))
    return made


def logic_of(plan: ViewPlan, watch: StoreWatch, saved: Saved | None = None) -> ViewLogic:
    return ViewLogic(plan, None, Generation(0, 1), 1, None, watch, saved)


def share_of(lab: Any, users: str, minute: int) -> Share:
    table = lab.table([(user, reference.Event(minute * MINUTE, 1000 * minute + ord(user), BLANK)) for user in users])
    return Share(0, 0, table, minute * MINUTE + 1, None)


def rows_of(given: Any) -> dict[str, Any]:
    (told,) = given[0]
    assert isinstance(told, ShardRows)
    return {row["user"]: row for row in told.rows.to_pylist()} if told.rows is not None else {}


def test_an_emptied_store_gets_the_last_row_of_every_entity_as_it_was(lab: Any, plan: ViewPlan) -> None:
    server = Server()
    watch = server.watch()
    logic = logic_of(plan, watch)
    before = rows_of(logic.on_batch([share_of(lab, "abc", 1)]))
    before |= rows_of(logic.on_batch([share_of(lab, "b", 2)]))
    assert logic.on_notify() == ([], False)
    server.name = "second"
    watch.look()
    assert rows_of(logic.on_notify()) == before
    assert logic.on_notify() == ([], False)
    assert server.said[0].startswith("online store: it lost its data, restarted, or another took over; what the stream")
    assert server.said[0].endswith("`make materialize` brings back.")
    assert server.said[1:] == ["online store: view, shard 0: 3 rows stored again."]


def test_rows_that_come_with_the_news_are_the_newest(lab: Any, plan: ViewPlan) -> None:
    server = Server()
    watch = server.watch()
    logic = logic_of(plan, watch)
    logic.on_batch([share_of(lab, "ab", 1)])
    server.name = "second"
    watch.look()
    rows = rows_of(logic.on_batch([share_of(lab, "b", 2)]))
    assert {user: row[plan.features[0].name] for user, row in rows.items()} == {"a": 1.0, "b": 2.0}
    assert rows["b"]["event_timestamp"] > rows["a"]["event_timestamp"]


def test_a_store_emptied_while_the_stream_was_down_is_noticed_by_what_was_saved(lab: Any, plan: ViewPlan) -> None:
    server = Server()
    logic = logic_of(plan, server.watch())
    before = rows_of(logic.on_batch([share_of(lab, "ab", 1)]))
    saved = logic.snapshot()
    assert logic_of(plan, server.watch(), saved).on_notify() == ([], False)
    server.name = "second"
    assert rows_of(logic_of(plan, server.watch(), saved).on_notify()) == before


def test_a_store_that_is_away_is_the_one_that_it_was() -> None:
    server = Server()
    watch = server.watch()
    server.away = True
    watch.look()
    assert watch.current == "first"
