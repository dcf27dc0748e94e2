"""What one partition makes of its entries: which are events, late or in time, and what time it is (rule 7)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.checks import ColumnCheck, TableChecks
from pipelines.plan import EventTable
from pipelines.stream.intake import CEILING, FLOOR, EventBatch, Intake
from pipelines.stream.transport.base import Entries
from pipelines.stream.transport.codec import encode_events
from pipelines.stream.transport.rejected import CODES, Rejected

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATENESS, KNOWN = 100, 1_000


def intake(known_after: int = 0) -> Intake:
    columns = (("id", "bigint"), ("at", "timestamp"), ("user", "string"))
    table = EventTable("events", "/nowhere", "at", "id", "events", "user", columns, LATENESS, known_after)
    return Intake(table, 0, ("at", "id", "user"))


def entries(*times: int, tick: int | None = None) -> Entries:
    rows = [{"id": number, "at": EPOCH + timedelta(microseconds=t), "user": "a"} for number, t in enumerate(times)]
    payloads = encode_events(pa.Table.from_pylist(rows, schema=intake().table.schema()))
    return Entries(payloads, tick, "1", len(payloads))


def take(partition: Intake, *times: int, tick: int | None = None, clock: int | None = None) -> EventBatch:
    return partition.take(entries(*times, tick=tick), clock)


def at(table: pa.Table) -> list[int]:
    return table["at"].cast(pa.int64()).to_pylist()


#  lateness 100, one batch:
#
#      arrives   1000   950   900   899   1001   900
#      newest    1000  1000  1000  1000   1001  1001
#      behind       0    50   100   101      0   101
#                                  late         late
#
def test_an_event_is_late_against_the_newest_before_it_in_its_partition() -> None:
    batch = take(intake(), 1000, 950, 900, 899, 1001, 900)
    assert at(batch.events) == [1000, 950, 900, 1001]
    assert [told.reason for told in batch.rejected] == ["late: more than 100us behind its partition"] * 2
    assert [told.code for told in batch.rejected] == ["late", "late"]


def test_late_events_still_land_in_the_lake() -> None:
    assert at(take(intake(), 1000, 1).landed) == [1000, 1]


def test_lateness_is_measured_across_batches() -> None:
    partition = intake()
    take(partition, 1000)
    assert at(take(partition, 899, 900).events) == [900]


def test_the_first_event_is_never_late() -> None:
    assert at(take(intake(), 5).events) == [5]


@pytest.mark.parametrize(
    ("said", "now"),
    [
        pytest.param({"times": ()}, None, id="nothing is known yet"),
        pytest.param({"times": (500, 400)}, 501, id="an event is inside one microsecond after it"),
        pytest.param({"times": (500,), "tick": 800}, 800, id="a tick"),
        pytest.param({"times": (500,), "tick": 100}, 501, id="a tick that is behind"),
        pytest.param({"times": (), "clock": 900}, 900, id="the clock, for an idle partition"),
    ],
)
def test_time_is_the_latest_that_is_known(said: dict[str, Any], now: int | None) -> None:
    assert take(intake(), *said.pop("times"), **said).now == now


def test_an_event_that_is_known_later_moves_time_further() -> None:
    assert take(intake(KNOWN), 500).now == 500 + KNOWN + 1


def test_time_never_goes_back() -> None:
    partition = intake()
    take(partition, 500, tick=800)
    assert take(partition, 600).now == 800


def test_rejected_events_do_not_move_time() -> None:
    partition = intake()
    batch = partition.take(Entries([b'{"id": 1, "at": "2999-01-01T00:00:00Z"}'], None, "1", 1))
    assert (batch.now, [told.reason for told in batch.rejected]) == (None, ["user is missing"])


def event(at: str, number: int = 1) -> bytes:
    return f'{{"id": {number}, "at": "{at}", "user": "a"}}'.encode()


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@pytest.mark.parametrize(
    ("at", "code", "reason"),
    [
        ("1969-12-31T23:59:59.999999Z", "too_old", "1969-12-31T23:59:59.999999 is before 1970"),
        ("0001-01-01T00:00:00Z", "too_old", "0001-01-01T00:00:00.000000 is before 1970"),
        ("0000-01-01T00:00:00Z", "out_of_range", "at: -62167219200000000 us is not between the years 1 and 9999"),
        ("2200-01-01T00:00:00Z", "future", "2200-01-01T00:00:00.000000 is not before 2200"),
        ("9999-12-31T23:59:59.999999Z", "future", "9999-12-31T23:59:59.999999 is not before 2200"),
    ],
)
def test_what_no_event_can_be_dated_is_rejected_and_moves_nothing(at: str, code: str, reason: str, live: bool) -> None:
    partition = replace(intake(), live=live)
    batch = partition.take(Entries([event(at), event("2001-01-01T00:00:00Z")], None, "1", 2))
    assert [(told.code, told.reason) for told in batch.rejected] == [(code, reason)]
    assert (len(batch.events), len(batch.landed)) == (1, 1)
    assert partition.newest == 978_307_200_000_000


def test_another_time_than_the_events_own_may_be_any_that_a_calendar_has() -> None:
    columns = (("id", "bigint"), ("at", "timestamp"), ("user", "string"), ("born", "timestamp"))
    partition = intake()
    partition.table = replace(partition.table, columns=columns)
    born = ["0000-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "1899-01-01T00:00:00Z", "9999-12-31T00:00:00Z"]
    payloads = [event("2001-01-01T00:00:00Z")[:-1] + f', "born": "{one}"}}'.encode() for one in born]
    batch = partition.take(Entries(payloads, None, "1", 4))
    assert [told.code for told in batch.rejected] == ["out_of_range"]
    assert [one.year for one in batch.events["born"].to_pylist()] == [1, 1899, 9999]


def test_a_value_that_the_tags_do_not_allow_goes_neither_to_views_nor_to_the_lake() -> None:
    checks = TableChecks({"user": ColumnCheck(values=("a", "b")), "id": ColumnCheck(1, 9, severity="warning")})
    partition = intake()
    partition.table = replace(partition.table, checks=checks)
    good, other = event("2026-03-01T00:00:00Z", 1), event("2026-03-01T00:00:00Z", 77)
    batch = partition.take(Entries([good, other.replace(b'"a"', b'"x"'), other], None, "3-0", 3))
    assert [(one.code, one.reason) for one in batch.rejected] == [("unexpected", "user: x is none of a, b")]
    assert batch.events["id"].to_pylist() == batch.landed["id"].to_pylist() == [1, 77]


def test_a_rejected_event_says_where_it_lies() -> None:
    payloads = [b"nonsense", event("2001-01-01T00:00:00Z"), b"{}"]
    batch = intake().take(Entries(payloads, None, "9", 3, offsets=["7", "8", "9"]))
    assert [(told.offset, told.code) for told in batch.rejected] == [("7", "not_json"), ("9", "missing")]


def test_what_is_no_entry_of_ours_is_handed_on() -> None:
    odd = Rejected(b"?", "neither an event nor a tick", "no_event", "5")
    assert intake().take(Entries([], None, "5", 1, rejected=[odd])).rejected == [odd]


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
@pytest.mark.parametrize("tick", [-1, 10**30, 2**62], ids=["before 1970", "no 64 bits", "after 2200"])
def test_a_tick_that_cannot_be_moves_nothing(tick: int, live: bool) -> None:
    batch = replace(intake(), live=live).take(Entries([], tick, "1", 1))
    assert (batch.now, [told.code for told in batch.rejected]) == (None, ["bad_tick"])


def test_live_a_tick_is_held_against_the_clock() -> None:
    partition = replace(intake(), live=True, clock=lambda: 1_000)
    partition.table = replace(partition.table, max_skew=10)
    assert (partition.take(Entries([], 1_011, "1", 1)).now, partition.take(Entries([], 1_010, "1", 1)).now) == (
        None,
        1_010,
    )


def test_live_an_event_is_held_against_its_arrival_and_where_that_is_not_known_against_the_clock() -> None:
    for arrived in ([1_000, 1_000], [0, 0], [], [10**15, 10**15]):  # a broker's clock may be ahead of ours
        partition = replace(intake(), live=True, clock=lambda: 1_000)
        partition.table = replace(partition.table, max_skew=10)
        batch = partition.take(replace(entries(1_010, 1_011), arrived=arrived))
        assert (at(batch.events), [told.code for told in batch.rejected]) == ([1_010], ["future"])
        assert batch.rejected[0].reason == "1970-01-01T00:00:00.001011 is more than 10us ahead of its arrival"


HOUR = 3_600_000_000


def test_in_a_replay_what_waits_is_neither_an_event_nor_lost() -> None:
    partition = intake()
    first = take(partition, 0, HOUR)
    assert (at(first.events), at(first.landed), first.rejected, first.now) == ([0], [0], [], 1)
    assert [one.payload for one in partition.waiting] == [ahead(HOUR)]
    then = take(partition, tick=HOUR)
    assert (at(then.events), at(then.landed), then.now, partition.waiting) == ([HOUR], [HOUR], HOUR + 1, ())


def ahead(t: int) -> bytes:
    return entries(0, t).payloads[1]


def test_in_a_replay_one_event_far_ahead_is_one_dead_letter_and_nothing_else() -> None:
    partition = intake()
    take(partition, 1_000)
    assert at(take(partition, 20 * HOUR).events) == []
    batch = take(partition, 1_000, 950)
    assert at(batch.events) == [1_000, 950]
    (told,) = batch.rejected
    assert (told.code, told.reason) == (
        "future",
        "1970-01-01T20:00:00.000000 is more than 5min ahead of its partition",
    )


@given(
    st.lists(st.one_of(st.integers(0, 300), st.none(), st.integers(0, 300).map(float)), max_size=25),
    st.lists(st.integers(1, 6)),
)
def test_in_a_replay_nothing_depends_on_how_reads_were_cut_and_bad_events_move_no_tick(
    sent: list[int | float | None], sizes: list[int]
) -> None:
    """Whole numbers are minutes of events, fractions those of ticks, None is no event."""

    def read(part: list[int | float | None]) -> Entries:
        payloads: list[bytes] = []
        ticks: list[tuple[int, int]] = []
        for one in part:
            if isinstance(one, float):
                ticks.append((len(payloads), int(one) * HOUR // 60))
            else:
                payloads.append(b"?" if one is None else event(str(np.datetime64(one * 60, "s")), one))
        return Entries(payloads, max((t for _, t in ticks), default=None), "1", len(part), ticks=ticks)

    def run(partition: Intake, cuts: list[int]) -> list[tuple[str, ...]]:
        told, rest = [], list(sent)
        while rest:
            size = cuts.pop(0) if cuts else len(rest)
            batch = partition.take(read(rest[:size]))
            told += [("taken", str(one)) for one in batch.events["id"].to_pylist()]
            told += [(one.code, one.payload.decode()) for one in batch.rejected]
            rest = rest[size:]
        return sorted(told)

    whole, cut = intake(), intake()
    assert run(whole, []) == run(cut, list(sizes))
    assert (whole.newest, whole.now) == (cut.newest, cut.now)
    assert sorted(one.payload for one in whole.waiting) == sorted(one.payload for one in cut.waiting)


def test_a_bad_event_before_a_tick_does_not_move_the_tick() -> None:
    partition = intake()
    good = entries(0, HOUR, 2 * HOUR).payloads
    batch = partition.take(Entries([good[0], b"?", b"?", *good[1:]], HOUR, "1", 6, ticks=[(3, HOUR)]))
    assert (at(batch.events), [told.code for told in batch.rejected]) == ([0, HOUR], ["not_json"] * 2)


def test_at_the_end_of_a_replay_nothing_waits_any_longer() -> None:
    partition = intake()
    take(partition, 0, 5 * HOUR)
    batch = partition.judge_rest(ended=True)
    assert (at(batch.events), partition.waiting) == ([5 * HOUR], ())


def test_a_batch_says_before_which_time_no_event_will_come_any_more() -> None:
    partition = intake()
    assert take(partition).late_before is None
    assert take(partition, 1_000).late_before == 1_000 - LATENESS
    late, good = take(partition, 1_000 - LATENESS - 1, 1_000 - LATENESS), 1_000 - LATENESS
    assert (at(late.events), late.late_before) == ([good], good)


PAYLOAD = st.one_of(
    st.binary(max_size=30),
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.one_of(st.integers(), st.none(), st.text(max_size=2)),
            "at": st.one_of(
                st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat), st.integers(), st.text(max_size=3)
            ),
            "user": st.one_of(st.text(max_size=3), st.none(), st.lists(st.none())),
        },
    ).map(lambda fields: json.dumps(fields).encode()),
    st.integers(0, 2_000_000_000).map(lambda second: event(str(np.datetime64(second, "s")))),
)


@given(st.lists(st.lists(PAYLOAD, max_size=5), max_size=4), st.booleans(), st.lists(st.integers(), max_size=2))
def test_whatever_comes_is_taken_or_told_and_time_is_one_that_can_be(
    reads: list[list[bytes]], live: bool, ticks: list[int]
) -> None:
    partition = replace(intake(), live=live)
    taken, told, last = 0, 0, None
    for payloads in reads:
        batch = partition.take(Entries(payloads, ticks.pop() if ticks else None, "1", len(payloads)))
        taken += len(batch.landed)
        told += sum(one.code not in ("late", "bad_tick") for one in batch.rejected)
        assert set(batch.rejected and [one.code for one in batch.rejected]) <= set(CODES)
        assert batch.now is None or FLOOR <= batch.now <= CEILING
        assert last is None or batch.now >= last
        last = batch.now
    assert taken + told + len(partition.waiting) == sum(map(len, reads))
    rest = partition.judge_rest(ended=True)
    assert partition.waiting == ()
    assert taken + told + len(rest.landed) + sum(one.code != "late" for one in rest.rejected) == sum(map(len, reads))
