"""Patterns: which matches count, in the reference and in the compiled engine, and what is refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipelines.plan import PlanError
from pipelines.plan_columns import check_columns
from pipelines.semantics.aggregators.arguments import FunctionError
from pipelines.semantics.aggregators.table import parse_function
from pipelines.testing import check_view

MINUTE = 60_000_000
#  a word a minute: s is small, others are other; the flag is true at a "!"; the whole number is the terminal
SEQUENCES = [
    ("matches(word=s then 3 word=o)", "s o o o", 1),
    ("matches(word=s then 3 word=o)", "s o x o o", 1),
    ("matches(word=s then 3 word=o)", "s o o", 0),
    ("matches(word=s then 3 word=o)", "o o o s", 0),
    ("matches(word=s then 3 word=o within 3min)", "s o o o", 1),
    ("matches(word=s then 3 word=o within 3min)", "s o x o o", 0),
    ("matches(word=s then 3 word=o within 3min)", "s x s o o o", 1),
    ("matches(word=s then word=o)", "s o s o s", 2),
    ("matches(word=s then word=o)", "s s o o", 1),
    ("matches(3 word=s)", "s s s s s s s", 2),
    ("matches(3 word=s within 2min)", "s s x s s s", 1),
    ("matches(word=s then word=s then word=o)", "s s s o", 1),
    ("matches(word=s then 2 word=o new(whole))", "s1 o1 o2 o2 o3", 1),
    ("matches(word=s then 2 word=o new(whole))", "o2 s1 o1 o2 o3", 0),
    ("matches(word=s then flag)", "s x! o", 1),
    ("matches(flag=false then word='s')", "x! x s", 1),
]


def events_of(text: str) -> list[dict[str, Any]]:
    return [
        {
            "user": "a",
            "at": f"2026-01-01 12:{minute:02}",
            "word": one[0],
            "whole": int(one.strip("sox!") or 0),
            "flag": "!" in one,
        }
        for minute, one in enumerate(text.split())
    ]


@pytest.mark.parametrize(("function", "text", "count"), SEQUENCES)
def test_matches_that_count(lab: Any, function: str, text: str, count: int) -> None:
    feature = lab.feature(function, None, 60 * MINUTE, MINUTE)
    check_view(lab.plan([feature]), events=events_of(text), at={"2026-01-01 12:30": {feature.name: count}})


def test_a_match_is_gone_when_its_first_event_has_left(lab: Any) -> None:
    feature = lab.feature("matches(word=s then word=o)", None, 10 * MINUTE, MINUTE)
    at = {"2026-01-01 12:02": {feature.name: 1}, "2026-01-01 12:11": {feature.name: 0}}
    check_view(lab.plan([feature]), events=events_of("s o"), at=at)


def test_the_latest_sixty_events_are_seen() -> None:
    pattern, _ = parse_function("matches(word=s then word=o)")
    sequence = ["s", *["x"] * 58, "o"]
    assert pattern.of([(at, {"word": word}) for at, word in enumerate(sequence)]) == 1
    assert pattern.of([(at, {"word": word}) for at, word in enumerate([*sequence[:1], "x", *sequence[1:]])]) == 0


def test_a_value_is_new_again_when_the_event_that_had_it_is_out_of_sight() -> None:
    pattern, _ = parse_function("matches(flag new(word))")
    sequence = [{"flag": True, "word": "a"}, *[{"flag": False, "word": "b"}] * 59, {"flag": True, "word": "a"}]
    assert pattern.of(list(enumerate(sequence[:60]))) == 1
    assert pattern.of(list(enumerate(sequence))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("matches", "needs 1 to 20 steps with `then` between them; write such as matches\\(small then 3 other"),
        ("matches(small then)", "the step 'small then' is not \\[times\\] column\\[=value\\]"),
        ("matches(0 small)", "the step '0 small' is not"),
        ("matches(small in 5min)", "the step 'small in 5min' is not"),
        ("matches(small within soon)", "'soon' is not a duration; write a whole number and a unit"),
        ("session_matches(30min, small)", "there is no session_matches; a pattern has times of its own"),
    ],
)
def test_a_wrong_pattern_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(FunctionError, match=message):
        parse_function(text)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "matches(flag then smal)",
            None,
            "v.f: column 'smal' is not a column of the events; use one of flag, money, word",
        ),
        (
            "matches(money)",
            None,
            "the step money is about 'true', the column is double; let the view's transform add a",
        ),
        ("matches(word)", None, "the step word is about 'true', the column is string"),
        ("matches(flag=yes)", None, "the step flag is about 'yes', the column is bool"),
        ("matches(flag)", "word", "a pattern names its columns itself; leave column='word' out"),
    ],
)
def test_columns_that_cannot_be_steps_are_refused(text: str, column: str | None, message: str) -> None:
    types = {"money": pa.float64(), "word": pa.string(), "flag": pa.bool_()}
    with pytest.raises(PlanError, match=message):
        check_columns("v.f", text, parse_function(text)[0], column, types)
