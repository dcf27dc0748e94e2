"""Every aggregator: what panes give over many runs of values equals its obvious meaning `of` a list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.semantics.aggregators.arguments import FunctionError
from pipelines.semantics.aggregators.table import NAMES, PLAIN, parse_function
from pipelines.semantics.events import Events
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.history import feature_log
from pipelines.semantics.reference import is_null
from pipelines.semantics.windows import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUNCTIONS = [*PLAIN, "top_k(2)", "approx_quantile(0.3)", "last_n(1)", "last_n(3)", "first_n(1)", "first_n(3)"]

dyadic = st.one_of(st.integers(-640, 640).map(lambda n: n / 64), st.sampled_from([0.0, -0.0, float("nan")]))
INPUTS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "double": (pa.float64(), dyadic),
    "float": (pa.float32(), dyadic),
    "bigint": (pa.int64(), st.integers(-5, 5)),
    "int": (pa.int32(), st.integers(-5, 5)),
    "string": (pa.string(), st.sampled_from(["", "a", "b", "zoë"])),
    "boolean": (pa.bool_(), st.booleans()),
    "timestamp": (pa.timestamp("us", "UTC"), st.integers(0, 9).map(lambda n: EPOCH + timedelta(microseconds=n))),
}
NUMBERS = ("double", "float", "bigint", "int")


def fits(function: str) -> Sequence[str]:
    """Return the types that a function takes."""
    takes = parse_function(function)[0].takes
    return {"number": NUMBERS, "time": ("timestamp",), "boolean": ("boolean",)}.get(takes, tuple(INPUTS))


HOUR = 3_600_000_000


def over(function: str, column: pa.Array, starts: Sequence[int], stops: Sequence[int]) -> pa.Array:
    """Return the feature of entities whose events, a microsecond apart, hold these runs of a column; a run is not empty."""
    entity = np.repeat(np.arange(len(starts)), [b - a for a, b in zip(starts, stops, strict=True)] or 0)
    at = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)] or [[]]).astype(np.int64)
    aggregator, gap = parse_function(function)
    feature = Feature("f", aggregator, "column", Window(HOUR, HOUR), gap)
    rows = feature_log([feature], Events(entity, at, {"column": column.take(pa.array(at))}), -1, HOUR)
    last = np.flatnonzero(np.diff(rows.entity, append=-1))
    assert len(last) == len(starts)
    return rows.values[0].take(pa.array(last))


@pytest.mark.parametrize(("function", "kind"), [(function, kind) for function in FUNCTIONS for kind in fits(function)])
@given(data=st.data())
def test_over_ranges_equals_of_each(function: str, kind: str, data: st.DataObject) -> None:
    arrow, items = INPUTS[kind]
    raw = data.draw(st.lists(st.one_of(st.none(), items), max_size=40))
    edges = st.integers(0, len(raw))
    ranges = [
        pair for pair in data.draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=12)) if len({*pair}) > 1
    ]
    aggregator, _ = parse_function(function)

    got = over(function, pa.array(raw, arrow), [a for a, _ in ranges], [b for _, b in ranges])

    assert pa.types.is_list(got.type) or got.type.equals(aggregator.result(arrow))
    wanted = [aggregator.of([value for value in raw[a:b] if not is_null(value)]) for a, b in ranges]
    for here, there in zip(got.to_pylist(), wanted, strict=True):
        assert same(here, there, exact=function not in ("std", "variance")), (here, there)


def same(here: Any, there: Any, exact: bool) -> bool:
    """Dyadic numbers add up exactly; only a root is not."""
    if exact or here is None or there is None:
        return bool(here == there)
    return math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-9)


@given(st.lists(st.integers(-(10**7), 10**7).map(lambda n: n / 100), min_size=1, max_size=200), st.data())
@pytest.mark.parametrize("function", ["sum", "mean", "std"])
def test_cents_agree_to_1e9_of_their_size(function: str, cents: list[float], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(cents) - 1))
    aggregator, _ = parse_function(function)
    (got,) = over(function, pa.array(cents), [start], [len(cents)]).to_pylist()
    wanted = aggregator.of(cents[start:])
    if function == "std":
        assert got is wanted is None or math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, cents)))
    else:
        assert got == wanted, "sums are exact, and rounded once"


@pytest.mark.parametrize("function", ["sum", "mean", "std"])
def test_a_large_value_that_has_left_leaves_no_rounding_error(function: str) -> None:
    aggregator, _ = parse_function(function)
    feature = Feature("f", aggregator, "column", Window(HOUR, HOUR // 60))
    ts = np.array([0, HOUR // 2, HOUR // 2 + 1, HOUR // 2 + 2])
    events = Events(np.zeros(4, np.int64), ts, {"column": pa.array([1e300, 0.1, 0.2, 0.3])})
    rows = feature_log([feature], events, 0, HOUR + HOUR // 4)
    assert rows.t[-1] == HOUR + HOUR // 60
    assert rows.values[0][-1].as_py() == pytest.approx(aggregator.of([0.1, 0.2, 0.3]), rel=1e-15)


@pytest.mark.parametrize("function", ["sum", "mean", "std"])
def test_numbers_that_sums_cannot_hold_make_null_as_long_as_they_are_inside(function: str) -> None:
    assert over(function, pa.array([1.0, 2.0, 1e300]), [0], [3]).to_pylist() == [None]
    assert parse_function(function)[0].of([1.0, 2.0, 1e300]) is None


def test_spread_of_equal_values_is_exactly_zero() -> None:
    assert over("std", pa.array([0.1] * 7), [0, 3], [7, 5]).to_pylist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("function", "kind", "empty"),
    [
        ("count", "double", 0),
        ("count_distinct", "string", 0),
        ("sum", "double", 0.0),
        ("sum", "bigint", 0),
        ("mean", "double", None),
        ("std", "double", None),
        ("variance", "double", None),
        ("any", "boolean", None),
        ("all", "boolean", None),
        ("count_by(a)", "string", 0),
        ("first_n(3)", "string", []),
        ("top_k(3)", "string", []),
        ("approx_count_distinct", "string", 0),
        ("approx_quantile(0.5)", "double", None),
        ("min", "double", None),
        ("max", "bigint", None),
        ("first", "string", None),
        ("last", "string", None),
        ("last_n(3)", "string", []),
        ("duration", "timestamp", None),
    ],
)
def test_nothing_gives_zero_an_empty_list_or_null(function: str, kind: str, empty: Any) -> None:
    aggregator, _ = parse_function(function)
    assert over(function, pa.array([None], INPUTS[kind][0]), [0], [1]).to_pylist() == [empty]
    assert aggregator.of([]) == empty


def test_sum_of_integers_is_exact_beyond_the_doubles() -> None:
    total = over("sum", pa.array([2**53, 1, 1]), [0], [3])
    assert (total.type, total.to_pylist()) == (pa.int64(), [2**53 + 2])


def test_spread_of_one_value_is_null() -> None:
    assert over("std", pa.array([5.0, None, float("nan")]), [0], [3]).to_pylist() == [None]


def test_minus_zero_is_zero_when_values_are_told_apart() -> None:
    assert over("count_distinct", pa.array([0.0, -0.0]), [0], [2]).to_pylist() == [1]


EXAMPLES = {"GAP": "30min", "VALUE": "a", "N)": "10)", "Q": "0.9", "HALF_LIFE": "6h", "PATTERN": "a then 2 b=c"}


def test_names_say_how_each_function_is_written() -> None:
    for name in NAMES:
        for what, example in EXAMPLES.items():
            name = name.replace(what, example)
        parse_function(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "median",
            "unknown function 'median'; use one of count, count_distinct, sum, .*last_n\\(N\\), .*session_count\\(GAP\\)",
        ),
        ("", "unknown function ''"),
        ("Count", "unknown function 'Count'"),
        ("count(3)", "'count\\(3\\)' takes nothing in brackets; write count"),
        ("last_n", "'last_n' needs how many values to keep, 1 to 1000; write such as last_n\\(10\\)"),
        ("last_n(0)", "needs how many values to keep"),
        ("last_n(-1)", "needs how many values to keep"),
        ("last_n(many)", "needs how many values to keep"),
        ("session_count", "'session_count' needs the gap that ends a session; write such as session_count\\(30min\\)"),
        ("session_sum(soon)", "needs the gap that ends a session; write such as session_sum\\(30min\\)"),
        ("session_sum(0s)", "needs the gap that ends a session"),
        ("session_last_n(30min)", "needs how many values to keep"),
        ("session_last_n(5)", "needs the gap that ends a session; write such as session_last_n\\(30min, N\\)"),
        ("session_sum(30min, 5)", "takes nothing more in brackets; write session_sum\\(30min\\)"),
        ("last_n(1001)", "needs how many values to keep, 1 to 1000; write such as last_n\\(10\\)"),
        ("first_n", "needs how many values to keep, 1 to 1000; write such as first_n\\(10\\)"),
        ("first_n(3, b)", "has too much in brackets; write such as first_n\\(10\\)"),
        ("top_k", "'top_k' needs how many values to keep, 1 to 1000; write such as top_k\\(3\\)"),
        ("session_top_k(30min, 3)", "there is no session_top_k; use top_k over a window, or session_last_n"),
        ("session_approx_count_distinct(30min)", "a session is short; use session_count_distinct"),
        ("decayed_sum", "needs the time after which a value weighs half; write such as decayed_sum\\(6h\\)"),
        ("decayed_count(0s)", "needs the time after which a value weighs half; write such as decayed_count\\(6h\\)"),
        ("session_decayed_sum(30min, 1h)", "there is no session_decayed_sum; a session is short; use session_sum"),
        ("approx_quantile", "needs which quantile, 0 to 1 with at most six places; write such as approx_quantile"),
        ("approx_quantile(95)", "needs which quantile, 0 to 1"),
        ("approx_quantile(half)", "needs which quantile, 0 to 1"),
        ("count_by", "'count_by' needs the value to count; write such as count_by\\(shop\\)"),
        ("count_by(a, b)", "has too much in brackets; write such as count_by\\('a, b'\\)"),
    ],
)
def test_a_wrong_function_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(FunctionError, match=message):
        parse_function(text)
