"""Durations: what is read, what is written, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        pytest.param("1us", 1, id="us"),
        pytest.param("250ms", 250_000, id="ms"),
        pytest.param("90s", 90_000_000, id="s"),
        pytest.param("30min", 1_800_000_000, id="min"),
        pytest.param("24h", 86_400_000_000, id="h"),
        pytest.param("7d", 604_800_000_000, id="d"),
        pytest.param(" 7 d ", 604_800_000_000, id="spaces"),
        pytest.param("0s", 0, id="nothing"),
    ],
)
def test_text_names_microseconds(text: str, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize("text", ["", "7", "d", "1.5h", "-1h", "1h30min", "7 days", "1m"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a whole number and a unit, such as 90s, 30min"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_what_is_written_reads_back(microseconds: int) -> None:
    assert parse_duration(format_duration(microseconds)) == microseconds


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (86_400_000_000, "1d"),
        (90_000_000_000, "25h"),
        (5_400_000_000, "90min"),
        (90_000_000, "90s"),
        (1_500_000, "1500ms"),
        (1, "1us"),
    ],
)
def test_the_largest_exact_unit_is_written(microseconds: int, text: str) -> None:
    assert format_duration(microseconds) == text
