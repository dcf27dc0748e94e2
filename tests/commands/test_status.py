"""`make status`: what the page says, and that it says so when something does not answer."""

from __future__ import annotations

import doctest
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import commands.status_page
from commands.status import find_snapshots, find_status
from commands.status_page import Snapshots, Status, state_of, status_page
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.letter_counts import LetterCount, LetterCounts
from pipelines.stream.transport.base import PartitionState, TransportUnavailable
from stores.online import OnlineStoreUnavailable, Progress, ViewProgress
from workspace.workspace import Workspace

NOON = 1_772_366_400_000_000
TABLE = EventTable("clicks", "/lake", "at", "id", "clicks", "user")
PLAN = ViewPlan("users", "stream", ("user",), (), TABLE, "/log")
PROGRESS = Progress({"users": ViewProgress(2, NOON, NOON + 5_000_000, 1_000, 700)}, NOON)


def status(**fields: Any) -> Status:
    given = {
        "now": NOON / 1e6 + 2,
        "plans": [PLAN],
        "spans": {"/lake": "2026-02-01 to 2026-03-01"},
        "progress": PROGRESS,
    }
    return Status(**(given | fields))


def line(page: str, start: str) -> list[str]:
    return next(one for one in page.splitlines() if one.startswith(start)).split()


def test_a_view_says_how_far_it_is() -> None:
    told = line(status_page(status()), "users")
    assert told == [
        "users", "2026-02-01", "to", "2026-03-01", "-",
        "2026-03-01", "12:00:00", "2026-03-01", "12:00:05", "1,000", "700",
    ]  # fmt: skip


def test_the_stream_says_how_fresh_and_how_fast_it_is() -> None:
    later = Progress({"users": ViewProgress(2, NOON, NOON, 3_000, 1_700)}, NOON)
    page = status_page(status(progress=later), status(now=NOON / 1e6))
    assert (
        "stream: complete up to 2026-03-01 12:00:00, 2.0 s behind the clock, 1,000 events/s into views, 500 rows/s out"
        in page
    )
    assert "events/s" not in status_page(status())


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    assert " 0 events/s" in status_page(
        status(), status(now=NOON / 1e6, progress=Progress({"users": ViewProgress(2, events=10**6)}))
    )


def test_a_partition_says_how_far_it_is_behind_and_what_was_lost() -> None:
    topics = {
        "clicks": {0: PartitionState(2_000, 17, 4.25), 1: PartitionState(5, None, None, "2 entries were dropped")}
    }
    page = status_page(status(topics=topics))
    assert line(page, "clicks  ") == ["clicks", "0", "2,000", "17", "4.2", "s"]
    assert "clicks, partition 1: 2 entries were dropped." in page


def test_dead_letters_are_counted_by_topic_and_reason() -> None:
    letters = {("clicks", "late"): LetterCount(1_200, "2026-03-01T11:59:58.123+00:00")}
    page = status_page(status(letters=letters))
    assert line(page, "clicks") == ["clicks", "late", "1,200", "2026-03-01", "11:59:58"]
    assert "dead letters: none" in status_page(status())


def test_snapshots_and_models_are_told() -> None:
    page = status_page(status(snapshots=Snapshots(34_000_000, NOON / 1e6 - 10), models={"fraud": "v2"}))
    assert "snapshots: 34.0 MB, the latest 12.0 s ago" in page
    assert "models: fraud v2" in page


def test_what_the_views_hold_is_added_up_where_they_tell() -> None:
    view = ViewProgress(1, held={"panes": 1_500, "bytes": 2_000_000})
    assert state_of(Progress({"a": view, "b": view})) == "3,000 panes, 4.0 MB"
    assert state_of(PROGRESS) == ""


def test_without_a_stream_the_page_has_no_line_of_it() -> None:
    page = status_page(status(progress=Progress()))
    assert "stream:" not in page
    assert line(page, "users")[-4:] == ["-", "-", "0", "0"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, tmp_path, tmp_path / "feature_store.yaml")


class Away:
    """A broker that does not answer."""

    def partitions(self, topic: str) -> int:
        return 1

    def read(self, *_: Any) -> Any:
        raise AssertionError

    def lag(self, topic: str) -> dict[int, float]:
        return {}

    def measure(self, topic: str) -> dict[int, PartitionState]:
        raise TransportUnavailable("the broker does not answer; start it.")


def test_what_does_not_answer_is_told_and_the_rest_is_shown(workspace: Workspace) -> None:
    def no_progress() -> Progress:
        raise OnlineStoreUnavailable("Redis does not answer")

    found = find_status(workspace, [PLAN], no_progress, LetterCounts(workspace.data / "dead"), Away(), ["no address"])
    page = status_page(found)
    assert page.startswith("no address\n\nRedis does not answer\n\nthe broker does not answer; start it.\n\nview")


def test_the_snapshots_are_what_the_recovery_store_holds(tmp_path: Path) -> None:
    assert find_snapshots(tmp_path / "none") is None
    for name, when in (("part-0.sqlite3", 5.0), ("part-0.sqlite3-wal", 9.0)):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (when, when))
    assert find_snapshots(tmp_path) == Snapshots(20, 9.0)


def letter(number: int, code: str = "late", at: str = "2026-03-01T00:00:00") -> str:
    return (
        json.dumps({"at": at, "topic": "clicks", "partition": 0, "offset": str(number), "code": code, "event": "{}"})
        + "\n"
    )


def test_letters_are_counted_as_they_come_and_each_once(tmp_path: Path) -> None:
    counts, file = LetterCounts(tmp_path), tmp_path / "clicks-0.jsonl"
    assert counts.read() == {}
    file.write_text(letter(1) + letter(2, at="2026-03-02T00:00:00") + letter(1))
    assert counts.read() == {("clicks", "late"): LetterCount(2, "2026-03-02T00:00:00")}
    with file.open("a") as log:
        log.write("nonsense\n" + letter(3, "missing") + letter(4)[:10])
    assert {key: one.count for key, one in counts.read().items()} == {("clicks", "late"): 2, ("clicks", "missing"): 1}
    with file.open("a") as log:
        log.write(letter(4)[10:])
    assert counts.read()["clicks", "late"].count == 3


def test_examples_of_the_page_are_true() -> None:
    assert doctest.testmod(commands.status_page).failed == 0


def test_a_page_of_a_status_is_the_same_again() -> None:
    assert status_page(status()) == status_page(replace(status()))
