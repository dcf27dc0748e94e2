"""Events as JSON: what goes in comes out, and what cannot be read is told apart with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.stream.transport.codec import decode_events, encode_events

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("money", pa.float64()),
        ("short", pa.float32()),
        ("word", pa.string()),
        ("flag", pa.bool_()),
    ]
)
NEEDED = ("at", "id")
GOOD = b'{"id": 1, "at": "2026-03-01T12:00:00Z"}'
finite = st.floats(allow_nan=False, allow_infinity=False)
EVENT = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "at": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        "money": st.none() | finite,
        "short": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
        "word": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        "flag": st.none() | st.booleans(),
    }
)


@given(st.lists(EVENT, max_size=8))
def test_what_is_encoded_decodes_to_the_last_bit(events: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(events, schema=SCHEMA)
    decoded, rejected, payloads = decode_events(encode_events(table), SCHEMA, NEEDED)
    assert (decoded.to_pylist(), rejected, len(payloads)) == (table.to_pylist(), [], len(events))


def test_a_missing_integer_does_not_turn_its_neighbours_into_floats() -> None:
    table = pa.table({"id": pa.array([2**60 + 1, None])})
    assert encode_events(table) == [b'{"id":1152921504606846977}', b'{"id":null}']


def test_nan_and_infinity_are_sent_as_null() -> None:
    table = pa.table({"money": [float("nan"), float("inf"), -float("inf"), 1e-12]})
    assert encode_events(table) == [b'{"money":null}'] * 3 + [b'{"money":1e-12}']


def test_no_events_are_no_lines() -> None:
    assert encode_events(SCHEMA.empty_table()) == []
    assert len(decode_events([], SCHEMA, NEEDED)[0]) == 0


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"nonsense", "Expecting value", id="not JSON"),
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b'{"id": 1', "Expecting ',' delimiter", id="cut short"),
        pytest.param(b"[1, 2]", "not a JSON object", id="a list"),
        pytest.param(b"null", "at is missing", id="null"),
        pytest.param(GOOD + b"\n" + GOOD, "Extra data", id="two events in one"),
        pytest.param(b"{\xff}", "codec can't decode byte", id="not text"),
        pytest.param(b'{"id": ' + b"[" * 100_000, "recursion", id="nested without end"),
        pytest.param(
            b'{"id": "x", "at": "2026-03-01T12:00:00Z"}', "id.* changed from number to string", id="text for a number"
        ),
        pytest.param(
            b'{"id": 1.5, "at": "2026-03-01T12:00:00Z"}', "to int64, couldn't parse:1.5", id="a fraction for an integer"
        ),
        pytest.param(b'{"id": 1, "at": "yesterday"}', "to timestamp.* couldn't parse:yesterday", id="not a time"),
        pytest.param(b'{"id": 1, "at": 1772366400}', "at.* changed from string to number", id="a number for a time"),
        pytest.param(b'{"id": 1}', "at is missing", id="no time"),
        pytest.param(b'{"id": null, "at": "2026-03-01T12:00:00Z"}', "id is missing", id="a null id"),
        pytest.param(b"{}", "at is missing", id="nothing: told once"),
    ],
)
def test_a_bad_event_is_told_apart_and_its_neighbours_stay(payload: bytes, reason: str) -> None:
    table, rejected, payloads = decode_events([GOOD, payload, GOOD], SCHEMA, NEEDED)
    assert (len(table), payloads) == (2, [GOOD, GOOD])
    (told,) = rejected
    assert told.payload == payload
    with pytest.raises(ValueError, match=reason):
        raise ValueError(told.reason)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000000Z",
        "2026-03-01 12:00:00Z",
        "2026-03-01T14:00:00+02:00",
        "2026-03-01T12:00:00",
    ],
)
def test_a_time_may_be_written_in_several_ways_and_without_a_zone_is_utc(text: str) -> None:
    table, rejected, _ = decode_events([f'{{"id": 1, "at": "{text}"}}'.encode()], SCHEMA, NEEDED)
    assert (rejected, table["at"].to_pylist()) == ([], [datetime(2026, 3, 1, 12, tzinfo=UTC)])


def test_an_unknown_field_is_ignored_and_an_absent_one_is_null() -> None:
    table, rejected, _ = decode_events([GOOD[:-1] + b', "new": {"deep": [1]}}'], SCHEMA, NEEDED)
    assert (rejected, table.column_names, table["money"].to_pylist()) == ([], SCHEMA.names, [None])


def test_a_pretty_printed_event_is_read() -> None:
    table, rejected, _ = decode_events([GOOD.replace(b", ", b",\n  ")], SCHEMA, NEEDED)
    assert (rejected, len(table)) == ([], 1)
