"""What a request may hold, and what is said of one that cannot be scored."""

from __future__ import annotations

import pytest

from serving.request.fields import UnfitValueError, to_timestamp
from serving.request.schema import RequestError, RequestField, RequestSchema

NOW_US = 1_800_000_000_000_000
SCHEMA = RequestSchema(
    (
        RequestField("user_id", "string", True),
        RequestField("ad_id", "int64", True),
        RequestField("bid", "float64", False),
        RequestField("mobile", "bool", False),
        RequestField("tags", "int64[]", False),
        RequestField("seen_at", "timestamp", False),
    )
)
GOOD = {"user_id": "ann", "ad_id": 7, "bid": 0.5, "mobile": True, "tags": [1], "seen_at": "2026-01-01T00:00:00Z"}


def test_values_come_in_the_order_of_the_fields_after_the_event_timestamp() -> None:
    body = {**GOOD, "event_timestamp": "1970-01-01T00:00:01.5Z"}
    assert SCHEMA.parse_one(body, NOW_US) == (1_500_000, "ann", 7, 0.5, True, [1], 1_767_225_600_000_000)


def test_event_timestamp_left_out_is_the_time_of_arrival() -> None:
    assert SCHEMA.parse_one(GOOD, NOW_US)[0] == NOW_US


def test_unknown_fields_are_ignored() -> None:
    assert SCHEMA.parse_one({**GOOD, "colour": [{}]}, NOW_US) == SCHEMA.parse_one(GOOD, NOW_US)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param("ad_id", "7", r'expected a 64-bit integer, got the string "7"', id="digits_in_quotes"),
        pytest.param("ad_id", True, "expected a 64-bit integer, got the boolean true", id="boolean_as_integer"),
        pytest.param("ad_id", 7.0, "expected a 64-bit integer, got the number 7.0", id="float_as_integer"),
        pytest.param("ad_id", 2**63, "expected a 64-bit integer, got the number 9223372036854775808", id="too_large"),
        pytest.param("ad_id", -(10**50), "got an integer of over 40 digits", id="far_too_large"),
        pytest.param("ad_id", None, "expected a 64-bit integer, got null", id="null"),
        pytest.param("bid", False, "expected a finite number, got the boolean false", id="boolean_as_float"),
        pytest.param("bid", float("inf"), "expected a finite number, got the number inf", id="infinite"),
        pytest.param("bid", 10**400, "expected a finite number, got an integer of over 40 digits", id="beyond_floats"),
        pytest.param("user_id", 5, "expected a string, got the number 5; put it in quotes", id="number_as_text"),
        pytest.param("mobile", 1, "expected true or false, got the number 1", id="number_as_boolean"),
        pytest.param("tags", [1, "2"], 'expected a 64-bit integer, got the string "2"', id="wrong_element"),
        pytest.param("tags", 1, "expected a list, got the number 1", id="no_list"),
        pytest.param("seen_at", 1_767_225_600, r'ISO 8601 .* got the number .* write it as "2026-', id="epoch_seconds"),
        pytest.param("event_timestamp", "yesterday", "ISO 8601", id="no_time"),
        pytest.param("event_timestamp", "2026-01-01", "ISO 8601", id="date_without_time"),
    ],
)
def test_value_of_another_type_is_refused_by_name(field: str, value: object, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        SCHEMA.parse_one({**GOOD, field: value}, NOW_US)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [("1970-01-01T00:00:01", 1_000_000), ("1970-01-01T01:00:01+01:00", 1_000_000), ("1970-01-01 00:00:00.000001Z", 1)],
)
def test_time_without_a_zone_is_utc(written: str, microseconds: int) -> None:
    assert SCHEMA.parse_one({**GOOD, "event_timestamp": written}, NOW_US)[0] == microseconds


@pytest.mark.parametrize("written", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"])
def test_time_that_its_zone_moves_out_of_all_years_is_refused(written: str) -> None:
    with pytest.raises(RequestError, match="expected an ISO 8601 date and time"):
        SCHEMA.parse_one({**GOOD, "event_timestamp": written}, NOW_US)


def test_missing_field_is_named_with_its_type() -> None:
    body = {name: value for name, value in GOOD.items() if name != "bid"}
    with pytest.raises(RequestError, match="is missing; expected a value of type float64") as caught:
        SCHEMA.parse_one(body, NOW_US)
    assert caught.value.field == "bid"


def test_fault_in_a_batch_is_named_with_its_place() -> None:
    with pytest.raises(RequestError) as caught:
        SCHEMA.parse({"instances": [GOOD, {**GOOD, "bid": "much"}]}, NOW_US, most=10)
    assert caught.value.field == "instances[1].bid"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param([GOOD], "expected a JSON object, got a list", id="list"),
        pytest.param({"instances": []}, "at least one object, got an empty list", id="empty_batch"),
        pytest.param({"instances": GOOD}, "at least one object, got an object", id="object_as_batch"),
        pytest.param({"instances": [GOOD] * 4}, "at most 3 objects, got 4", id="long_batch"),
        pytest.param({"instances": [5]}, "expected a JSON object, got the number 5", id="number_in_batch"),
    ],
)
def test_body_of_another_shape_is_refused(body: object, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        SCHEMA.parse(body, NOW_US, most=3)


def test_batch_keeps_its_order() -> None:
    rows, is_batch = SCHEMA.parse({"instances": [GOOD, {**GOOD, "ad_id": 8}]}, NOW_US, most=2)
    assert is_batch
    assert [row[2] for row in rows] == [7, 8]


def test_features_flag_must_be_a_boolean() -> None:
    assert RequestSchema.asks_for({"features": True}, "features")
    with pytest.raises(RequestError, match='expected true or false, got the string "yes"'):
        RequestSchema.asks_for({"features": "yes"}, "features")


def test_type_that_json_cannot_carry_is_refused_when_the_schema_is_made() -> None:
    with pytest.raises(ValueError, match="photo: bytes cannot be sent as JSON"):
        RequestSchema((RequestField("photo", "bytes", False),))


@pytest.mark.parametrize("given", ["0001-01-01T00:04:00+02:00", "9999-12-31T23:59:00-02:00"])
def test_time_that_its_zone_moves_out_of_the_calendar_is_refused(given: str) -> None:
    with pytest.raises(UnfitValueError, match="expected an ISO 8601 date and time"):
        to_timestamp(given)
