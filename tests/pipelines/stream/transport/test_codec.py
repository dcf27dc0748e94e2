"""Events as JSON: what goes in comes out, and what cannot be read is told apart with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.stream.transport.codec import LARGEST, decode_json, encode_events
from pipelines.stream.transport.rejected import CODES

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
    decoded = decode_json(encode_events(table), SCHEMA)
    assert (decoded.table.to_pylist(), decoded.rejected) == (table.to_pylist(), [])
    assert decoded.at.tolist() == list(range(len(events)))


def test_a_missing_integer_does_not_turn_its_neighbours_into_floats() -> None:
    table = pa.table({"id": pa.array([2**60 + 1, None])})
    assert encode_events(table) == [b'{"id":1152921504606846977}', b'{"id":null}']


def test_nan_and_infinity_are_sent_as_null() -> None:
    table = pa.table({"money": [float("nan"), float("inf"), -float("inf"), 1e-12]})
    assert encode_events(table) == [b'{"money":null}'] * 3 + [b'{"money":1e-12}']


def test_no_events_are_no_lines() -> None:
    assert encode_events(SCHEMA.empty_table()) == []
    assert len(decode_json([], SCHEMA).table) == 0


def at(value: str) -> bytes:
    return f'{{"id": 1, "at": {value}}}'.encode()


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        pytest.param(b"nonsense", "not_json", "Expecting value", id="not JSON"),
        pytest.param(b"", "not_json", "Expecting value", id="empty"),
        pytest.param(b" \n ", "not_json", "Expecting value", id="blank"),
        pytest.param(b'{"id": 1', "not_json", "Expecting ',' delimiter", id="cut short"),
        pytest.param(b"[1, 2]", "not_json", "not a JSON object", id="a list"),
        pytest.param(b"null", "not_json", "not a JSON object", id="null: as the first of all it would end the process"),
        pytest.param(GOOD + GOOD, "not_json", "Extra data", id="two events in one"),
        pytest.param(GOOD + b"\n" + GOOD, "not_json", "Extra data", id="two events in two lines"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, "not_json", "Expecting value", id="with a byte order mark"),
        pytest.param(b"{\xff}", "not_json", "codec can't decode byte", id="not text"),
        pytest.param(b'{"word": "\xff\xfe"}', "not_json", "codec can't decode byte", id="a text that is none"),
        pytest.param(b'{"word": "\\ud800"}', "not_json", "Arrow", id="half a character"),
        pytest.param(b'{"id": ' + b"[" * 100_000, "not_json", "Arrow", id="nested without end"),
        pytest.param(b'{"id": 1, "id": 1}', "not_json", "id is given twice", id="a field twice"),
        pytest.param(b'{"word": "' + b"x" * LARGEST + b'"}', "too_large", "more than 1,000,000 bytes", id="large"),
        pytest.param(b'{"id": "x"}', "wrong_type", "id: 'x' is no int64", id="text for a number"),
        pytest.param(b'{"id": true}', "wrong_type", "id: true is no int64", id="truth for a number"),
        pytest.param(b'{"id": 1.5}', "wrong_type", "id: 1.5 is no int64", id="a fraction for an integer"),
        pytest.param(b'{"word": 5}', "wrong_type", "word: 5 is no string", id="a number for text"),
        pytest.param(b'{"word": [1]}', "wrong_type", "word: a list is no string", id="a list for text"),
        pytest.param(
            b'{"money": {"a": 1}}', "wrong_type", "money: an object is no double", id="an object for a number"
        ),
        pytest.param(b'{"flag": 1}', "wrong_type", "flag: 1 is no bool", id="a number for truth"),
        pytest.param(at('"yesterday"'), "wrong_type", "at: 'yesterday' is no timestamp", id="not a time"),
        pytest.param(at('"2026-02-30T00:00:00Z"'), "wrong_type", "is no timestamp", id="not a day"),
        pytest.param(at("1772366400"), "wrong_type", "at: 1772366400 is no timestamp", id="a number for a time"),
        pytest.param(b'{"id": 9223372036854775808}', "out_of_range", "is no int64", id="too large an integer"),
        pytest.param(b'{"id": 1' + b"0" * 5000 + b"}", "out_of_range", "is no int64", id="an integer Python refuses"),
        pytest.param(b'{"money": 1e400}', "out_of_range", "money: 1e400 is no double", id="too large a number"),
        pytest.param(b'{"short": -1e39}', "out_of_range", "short: -1e39 is no float", id="too large for its column"),
        pytest.param(b'{"money": Infinity}', "out_of_range", "money: Infinity is no double", id="infinity"),
    ],
)
def test_a_bad_event_is_told_apart_and_its_neighbours_stay(payload: bytes, code: str, reason: str) -> None:
    for payloads in ([GOOD, payload, GOOD], [payload, GOOD, GOOD], [payload]):
        decoded = decode_json(payloads, SCHEMA)
        (told,), (place,) = decoded.rejected, decoded.rejected_at
        assert (len(decoded.table), told.payload, payloads[place]) == (len(payloads) - 1, payload, payload)
        assert [payloads[one] for one in decoded.at] == [GOOD] * (len(payloads) - 1)
        assert (told.code, told.code in CODES) == (code, True)
        with pytest.raises(ValueError, match=reason):
            raise ValueError(told.reason)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("2026-03-01T12:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ANY_EVENT = st.dictionaries(st.sampled_from([*SCHEMA.names, "other"]), JSON, max_size=5).map(
    lambda fields: json.dumps(fields).encode()
)
PAYLOAD = st.one_of(
    st.just(GOOD), ANY_EVENT, st.binary(max_size=40), JSON.map(lambda value: json.dumps(value).encode())
)


@given(st.lists(PAYLOAD, max_size=6))
def test_whatever_comes_each_payload_is_an_event_or_a_reason_as_it_would_be_alone(payloads: list[bytes]) -> None:
    together = decode_json(payloads, SCHEMA)
    together.table.validate(full=True)
    assert sorted([*together.at.tolist(), *together.rejected_at]) == list(range(len(payloads)))
    assert [one.payload for one in together.rejected] == [payloads[place] for place in together.rejected_at]
    for place, payload in enumerate(payloads):
        alone = decode_json([payload], SCHEMA)
        assert len(alone.table) == (place in together.at.tolist())
        row = together.at.tolist().index(place) if len(alone.table) else None
        assert row is None or repr(together.table.slice(row, 1).to_pylist()) == repr(alone.table.to_pylist())


def test_many_bad_events_do_not_hide_the_good_ones_between() -> None:
    payloads = [GOOD if number % 3 else b'{"id": "x"}' for number in range(2_000)]
    decoded = decode_json(payloads, SCHEMA)
    assert (len(decoded.table), len(decoded.rejected)) == (1_333, 667)
    assert decoded.at.tolist() == [number for number in range(2_000) if number % 3]


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
    for beside in ([], [b"nonsense"]):
        decoded = decode_json([at(f'"{text}"'), *beside], SCHEMA)
        assert decoded.table["at"].to_pylist() == [datetime(2026, 3, 1, 12, tzinfo=UTC)]


def test_an_unknown_field_is_ignored_and_an_absent_one_is_null() -> None:
    table = decode_json([GOOD[:-1] + b', "new": {"deep": [1]}}'], SCHEMA).table
    assert (table.column_names, table["money"].to_pylist()) == (SCHEMA.names, [None])


def test_a_pretty_printed_event_is_read() -> None:
    table = decode_json([GOOD.replace(b", ", b",\r\n  ") + b"\n", GOOD], SCHEMA).table
    assert table["id"].to_pylist() == [1, 1]
