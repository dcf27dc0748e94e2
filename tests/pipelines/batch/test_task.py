"""What Spark's tasks do, without Spark: events shared by entity, rows written as their days end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.arrange import EventError
from pipelines.batch import task
from pipelines.batch.event_files import find_event_files
from pipelines.batch.lake import DAY, micros
from pipelines.batch.task import Done, Part, fill_task, read_and_fill_task, share_task, write_log
from pipelines.plan import ViewPlan
from pipelines.semantics.reference import Event
from pipelines.stream.sinks import land_events

FIRST = micros("2026-01-01")
BLANK = {"money": 1.0, "whole": 1, "word": "a", "flag": True}


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    """A view of 40 users' events on three days."""
    events = [(f"user {n % 40}", Event(FIRST + n * DAY // 100, n, BLANK)) for n in range(300)]
    land_events(lab.table(events), tmp_path / "lake", "at")
    made: ViewPlan = lab.plan([lab.feature("sum", "money", DAY, DAY // 24)], lake=str(tmp_path / "lake"))
    return made


def shared(plan: ViewPlan, tasks: int) -> list[tuple[int, pa.Table]]:
    files = find_event_files(plan.table.lake, FIRST, FIRST + 3 * DAY, 1_000)
    handed = share_task([plan], FIRST, FIRST + 3 * DAY, tasks)(files.slices(100))
    return [(to, pa.ipc.open_stream(events).read_all()) for to, (_, events) in handed]


def rows(*times: int) -> pa.Table:
    return pa.table({"user": ["a"] * len(times), "event_timestamp": pa.array(times, pa.timestamp("us", "UTC"))})


def test_all_events_of_an_entity_go_to_one_task_whatever_file_they_are_in(plan: ViewPlan) -> None:
    got = shared(plan, 3)
    users = {to: {user for at, events in got if at == to for user in events["user"].to_pylist()} for to in range(3)}
    assert sorted(number for _, events in got for number in events["id"].to_pylist()) == list(range(300))
    assert sum(map(len, users.values())) == 40
    assert all(users.values())


def test_only_the_columns_that_the_view_reads_are_handed_on(plan: ViewPlan) -> None:
    assert set(shared(plan, 1)[0][1].column_names) == {"user", "at", "id", "money"}


def test_tables_of_few_events_at_a_time_give_the_same_log(
    plan: ViewPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for at_once in (1_000_000, 7):
        monkeypatch.setattr(task, "EVENTS_AT_ONCE", at_once)
        staging = tmp_path / str(at_once)
        staging.mkdir()
        files = find_event_files(plan.table.lake, FIRST, FIRST + 3 * DAY, 1_000)
        handed = list(share_task([plan], FIRST, FIRST + 3 * DAY, 1)(files.slices(1_000)))
        (done,) = fill_task([Part(plan, FIRST, FIRST + 3 * DAY, str(staging))])(handed)
        assert done.events == 300
        assert [file.date for file in done.files] == ["2026-01-01", "2026-01-02", "2026-01-03"]
        contents.append([pq.read_table(staging / file.file) for file in done.files])
    assert contents[0] == contents[1]


def test_tasks_that_read_all_events_themselves_write_what_they_write_of_events_handed_to_them(
    plan: ViewPlan, tmp_path: Path
) -> None:
    stop = FIRST + 3 * DAY
    files = find_event_files(plan.table.lake, FIRST, stop, 1_000)
    handed = list(share_task([plan], FIRST, stop, 3)(files.slices(100)))
    for number in range(3):
        each: dict[str, Done] = {}
        for way in ("handed", "read"):
            staging = tmp_path / f"{way} {number}"
            staging.mkdir()
            parts = [Part(plan, FIRST, stop, str(staging))]
            if way == "handed":
                (each[way],) = fill_task(parts)([one for one in handed if one[0] == number])
            else:
                (each[way],) = read_and_fill_task(parts, files, FIRST, stop, 3)([number])
        assert 0 < each["read"].events == each["handed"].events < 300
        for one, other in zip(each["read"].files, each["handed"].files, strict=True):
            mine, theirs = (
                pq.read_table(tmp_path / f"{w} {number}" / f.file) for w, f in (("read", one), ("handed", other))
            )
            assert mine == theirs


def test_an_event_without_a_key_is_refused_before_it_is_handed_on(lab: Any, plan: ViewPlan) -> None:
    bad = lab.table([("a", Event(FIRST, 999, BLANK))])
    bad = bad.set_column(bad.schema.get_field_index("user"), "user", pa.array([None], pa.string()))
    land_events(bad, Path(plan.table.lake), "at")
    with pytest.raises(EventError, match=r"view: 1 of \d+ events have no user; remove them from .*/lake"):
        shared(replace(plan), 2)


def test_a_day_is_written_when_the_next_has_begun(tmp_path: Path) -> None:
    asked: list[int] = []

    def tables() -> Iterator[pa.Table]:
        for day in range(3):
            asked.append(day)
            yield rows(FIRST + day * DAY + 1, FIRST + day * DAY + 2)

    written = write_log(tables(), str(tmp_path))
    assert (next(written).date, asked) == ("2026-01-01", [0, 1])
    assert (next(written).date, asked) == ("2026-01-02", [0, 1, 2])
    assert [file.date for file in written] == ["2026-01-03"]


def test_rows_of_a_day_that_come_in_two_tables_are_in_one_file(tmp_path: Path) -> None:
    (first, second) = write_log([rows(FIRST, FIRST + 5), rows(FIRST + 7, FIRST + DAY)], str(tmp_path))
    assert (first.rows, second.rows) == (3, 1)


def test_tables_that_begin_anew_with_other_entities_get_files_of_their_own(tmp_path: Path) -> None:
    files = write_log([rows(FIRST, FIRST + DAY), rows(FIRST + 1)], str(tmp_path))
    assert [(file.date[-2:], file.rows) for file in files] == [("01", 1), ("02", 1), ("01", 1)]
