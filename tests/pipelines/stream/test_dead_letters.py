"""The dead-letter log: what is written is read again, whole lines only, and a full disk loses nothing."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.stream.dead_letters import (
    DeadLetter,
    DeadLetterError,
    append_letters,
    log_file,
    parse_letter,
    read_letters,
)
from pipelines.stream.intake import EventBatch
from pipelines.stream.sinks import DeadLetterSink
from pipelines.stream.transport.rejected import Rejected

LETTER = DeadLetter("2026-03-01T12:00:00+00:00", "clicks", 3, "17-0", "missing", "user is missing", b'{"id": 1}')


@given(st.binary(max_size=20), st.text(max_size=5), st.integers(0, 9))
def test_a_letter_reads_back_as_it_was_whatever_its_payload(payload: bytes, topic: str, partition: int) -> None:
    letter = DeadLetter("now", topic, partition, "1-0", "not_json", "because\n", payload)
    assert letter.line().count("\n") == 1
    assert parse_letter(letter.line()) == letter


def test_a_line_says_what_and_why_for_people_and_programs() -> None:
    assert json.loads(LETTER.line()) == {
        "at": "2026-03-01T12:00:00+00:00",
        "topic": "clicks",
        "partition": 3,
        "offset": "17-0",
        "code": "missing",
        "reason": "user is missing",
        "event": '{"id": 1}',
    }


def test_of_an_edited_line_topic_and_event_are_enough_and_the_event_may_be_an_object() -> None:
    letter = parse_letter('{"topic": "clicks", "event": {"id": 1}}')
    assert (letter.topic, letter.payload) == ("clicks", b'{"id": 1}')


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "{}", '{"topic": "a"}', '{"event": "a"}', '{"topic": "a"', "1"])
def test_what_is_no_letter_is_named(line: str) -> None:
    with pytest.raises(DeadLetterError, match=r'is no dead letter; a line is such as \{"topic": "clicks"'):
        parse_letter(line)


def test_letters_are_told_apart_by_where_the_event_lay_and_what_it_says() -> None:
    same = DeadLetter("later", "clicks", 3, "17-0", "late", "late", b'{"id": 1}')
    edited = DeadLetter("later", "clicks", 3, "17-0", "late", "late", b'{"id": 2}')
    assert (same.identity, edited.identity == LETTER.identity) == (LETTER.identity, False)


def test_a_topic_may_have_any_name(tmp_path: Path) -> None:
    file = log_file(tmp_path, "../a/b", 0)
    append_letters(file, [LETTER])
    assert (file.parent, [one.topic for one in read_letters(tmp_path)]) == (tmp_path, ["clicks"])
    assert log_file(tmp_path, "clicks", 1).name == "clicks-1.jsonl"


def test_a_line_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    append_letters(tmp_path / "clicks-0.jsonl", [LETTER])
    with (tmp_path / "clicks-0.jsonl").open("a") as log:
        log.write(LETTER.line()[:20])
    append_letters(tmp_path / "views-0.jsonl", [LETTER])
    assert list(read_letters(tmp_path)) == [LETTER, LETTER]


def batch(topic: str, *rejected: Rejected) -> EventBatch:
    empty = pa.table({})
    return EventBatch(topic, 2, empty, empty, list(rejected), None)


BAD = Rejected(b"{}", "id is missing", "missing", "5")


def test_the_sink_writes_one_file_a_topic_and_worker(tmp_path: Path) -> None:
    for worker in (0, 1):
        DeadLetterSink(tmp_path).build("dead", worker, 2).write_batch(
            [batch("a", BAD, BAD), batch("b"), batch("c", BAD)]
        )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-0.jsonl", "a-1.jsonl", "c-0.jsonl", "c-1.jsonl"]
    letter = next(read_letters(tmp_path))
    assert (letter.topic, letter.partition, letter.offset, letter.code) == ("a", 2, "5", "missing")
    assert datetime.fromisoformat(letter.at).tzinfo is not None


def test_a_full_disk_holds_the_sink_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    append_letters(tmp_path / "a-0.jsonl", [LETTER])
    real, left = os.write, [3]

    def write(file: int, content: bytes) -> int:
        if left[0] and len(content) > 10:
            left[0] -= 1
            return real(file, content[:10]) if left[0] % 2 == 0 else _full()
        return real(file, content)

    def _full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    DeadLetterSink(tmp_path).build("dead", 0, 1).write_batch([batch("a", BAD)])
    monkeypatch.undo()
    assert [one.code for one in read_letters(tmp_path)] == ["missing", "missing"]
    assert (tmp_path / "a-0.jsonl").read_text().count("\n") == 2
    said = capsys.readouterr().out.splitlines()
    assert "dead-letter log: [Errno 28] No space left on device. Waiting until it is back." in said
    assert said[-1].startswith("dead-letter log: back after")
