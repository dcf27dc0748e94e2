"""Dead letters go back on their topics when they are events now: each once, and what became of each is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from commands.replay_dead_letters import OUTCOMES, Replayed, read_file, read_reasons, replay_letters, topics_of
from commands.settings import SettingError
from contract.checks import ColumnCheck, TableChecks
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.dead_letters import DeadLetter
from pipelines.stream.transport.base import TransportUnavailable
from pipelines.stream.transport.redis_streams import RedisStreams
from workspace.redis_server import RedisServer

COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("user", "string"))
TABLE = EventTable("clicks", "/nowhere", "at", "id", "clicks", "user", COLUMNS)
TABLES = {"clicks": (TABLE, ("at", "id", "user"))}
NOW = 1_772_366_400_000_000  # 2026-03-01 12:00


@dataclass
class Sent:
    """A publisher that keeps what it is given."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, table: EventTable, events: pa.Table) -> int:
        self.events += events.to_pylist()
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        raise AssertionError("no tick is due")


def letter(number: int, code: str = "missing", topic: str = "clicks", offset: str = "", **fields: Any) -> DeadLetter:
    event = {"id": number, "at": "2026-03-01T11:00:00Z", "user": "a"} | fields
    return DeadLetter("then", topic, 0, offset or f"{number}-0", code, "because", json.dumps(event).encode())


def replay(letters: list[DeadLetter], marks: Path, late: bool = False, sent: Any = None) -> tuple[Replayed, Sent]:
    sent = sent or Sent()
    return replay_letters(letters, TABLES, sent, marks, late=late, now=NOW), sent


def outcomes(found: Replayed) -> dict[tuple[str, ...], tuple[int, ...]]:
    return {row[:2]: tuple(map(int, row[2:])) for row in found.rows()}


def test_mended_letters_go_back_and_a_second_run_sends_none(tmp_path: Path) -> None:
    letters = [letter(1), letter(2, "future"), letter(3)]
    found, sent = replay(letters, tmp_path / "log" / "marks")
    assert [event["id"] for event in sent.events] == [1, 2, 3]
    assert OUTCOMES[0] == "put back"
    assert outcomes(found) == {("clicks", "missing"): (2, 0, 0, 0), ("clicks", "future"): (1, 0, 0, 0)}
    found, sent = replay([*letters, letter(4)], tmp_path / "log" / "marks")
    assert [event["id"] for event in sent.events] == [4]
    assert outcomes(found)["clicks", "missing"] == (1, 2, 0, 0)


def test_a_letter_that_was_written_twice_goes_back_once(tmp_path: Path) -> None:
    found, sent = replay([letter(1), letter(1)], tmp_path / "marks")
    assert (len(sent.events), outcomes(found)["clicks", "missing"]) == (1, (1, 0, 0, 0))


def test_the_same_event_rejected_again_later_is_another_letter(tmp_path: Path) -> None:
    replay([letter(1)], tmp_path / "marks")
    assert len(replay([letter(1, offset="9-0")], tmp_path / "marks")[1].events) == 1


def test_an_edited_letter_is_another_letter(tmp_path: Path) -> None:
    replay([letter(1)], tmp_path / "marks")
    assert replay([letter(1, user="b")], tmp_path / "marks")[1].events[0]["user"] == "b"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (letter(1, user=None), "user is missing"),
        (letter(1, user=5), "user: 5 is no string"),
        (letter(1, at="2026-03-01T12:05:00.000001Z"), "2026-03-01T12:05:00.000001 is still in the future"),
        (letter(1, at="1969-01-01T00:00:00Z"), "1969-01-01T00:00:00.000000 is before 1970"),
        (letter(1, topic="views"), "no view reads topic views; it is one of clicks"),
    ],
    ids=["no key", "type", "future", "too old", "topic"],
)
def test_what_is_still_wrong_stays_with_the_reason_and_may_go_back_later(
    bad: DeadLetter, why: str, tmp_path: Path
) -> None:
    found, sent = replay([bad, letter(2)], tmp_path / "marks")
    assert [event["id"] for event in sent.events] == [2]
    assert outcomes(found)[bad.topic, "missing"][2] == 1
    assert found.examples[bad.topic, "missing"].startswith(why)
    assert bad.identity not in (tmp_path / "marks").read_text()


def test_an_event_that_a_tag_forbade_goes_back_once_the_tag_allows_it(tmp_path: Path) -> None:
    def replay_by(*users: str) -> tuple[Replayed, Sent]:
        table = replace(TABLE, checks=TableChecks({"user": ColumnCheck(values=users)}))
        sent = Sent()
        tables = {"clicks": (table, ("at", "id", "user"))}
        return replay_letters(
            [letter(1, "unexpected", user="c")], tables, sent, tmp_path / "m", late=False, now=NOW
        ), sent

    found, sent = replay_by("a", "b")
    assert (sent.events, found.examples["clicks", "unexpected"]) == ([], "user: c is none of a, b")
    found, sent = replay_by("a", "b", "c")
    assert [event["user"] for event in sent.events] == ["c"]
    assert outcomes(replay_by("a", "b", "c")[0]) == {("clicks", "unexpected"): (0, 1, 0, 0)}


def test_late_events_are_in_the_lake_and_go_back_only_when_asked_for(tmp_path: Path) -> None:
    found, sent = replay([letter(1, "late")], tmp_path / "marks")
    assert (sent.events, outcomes(found)["clicks", "late"]) == ([], (0, 0, 0, 1))
    assert len(replay([letter(1, "late")], tmp_path / "marks", late=True)[1].events) == 1


def test_what_was_not_published_is_not_marked(tmp_path: Path) -> None:
    class Away(Sent):
        def publish(self, table: EventTable, events: pa.Table) -> int:
            raise TransportUnavailable("away")

    with pytest.raises(TransportUnavailable):
        replay([letter(1)], tmp_path / "marks", sent=Away())
    assert len(replay([letter(1)], tmp_path / "marks")[1].events) == 1


def test_an_edited_file_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "mended.jsonl"
    file.write_text(letter(1).line() + '\n{"topic": "clicks", "event": {"id": 2}}\n')
    assert [one.topic for one in read_file(file)] == ["clicks", "clicks"]
    file.write_text(letter(1).line() + "nonsense\n")
    with pytest.raises(SettingError, match=r"mended.jsonl, line 2: 'nonsense' is no dead letter; a line is such as"):
        list(read_file(file))
    with pytest.raises(SettingError, match="no such file; copy lines of the dead-letter log into one and mend them"):
        list(read_file(tmp_path / "other.jsonl"))


def test_a_reason_that_does_not_exist_is_refused() -> None:
    assert (read_reasons(""), read_reasons("late, missing")) == (None, {"late", "missing"})
    with pytest.raises(SettingError, match="REASON=lat: no such reason; use some of late, future"):
        read_reasons("lat")


def test_every_view_of_a_topic_says_what_its_events_must_have() -> None:
    plans = [ViewPlan(key, "stream", (key,), (), TABLE, "/log") for key in ("user", "ad")]
    assert topics_of(plans) == {"clicks": (TABLE, ("at", "id", "user", "ad"))}


def test_letters_go_back_to_the_partition_of_their_key(redis_server: RedisServer, tmp_path: Path) -> None:
    broker = RedisStreams(redis_server.url, wanted=3)
    letters = [letter(number, user=f"user {number % 5}") for number in range(20)]
    replay_letters(letters, TABLES, broker, tmp_path / "marks", late=False, now=NOW)
    read = [broker.read("clicks", partition, "0", 100).payloads for partition in range(3)]
    users = [{json.loads(payload)["user"] for payload in one} for one in read]
    assert sum(map(len, read)) == 20
    assert sum(map(len, users)) == 5
