"""Every aggregator: its columnar form `over` many ranges equals its obvious meaning `of` a list."""

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

from pipelines.semantics.aggregators.counting import CountDistinct
from pipelines.semantics.aggregators.moments import Std
from pipelines.semantics.aggregators.table import NAMES, PLAIN, Aggregator, FunctionError, parse_function
from pipelines.semantics.aggregators.values import Values
from pipelines.semantics.reference import is_null

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUNCTIONS = [*PLAIN, "last_n(1)", "last_n(3)"]

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
    return {"number": NUMBERS, "time": ("timestamp",)}.get(takes, tuple(INPUTS))


def over(aggregator: Aggregator, column: pa.Array, starts: Sequence[int], stops: Sequence[int]) -> pa.Array:
    values = Values(column)
    return aggregator.over(values, *values.locate(np.array(starts, np.int64), np.array(stops, np.int64)))


@pytest.mark.parametrize(("function", "kind"), [(function, kind) for function in FUNCTIONS for kind in fits(function)])
@given(data=st.data())
def test_over_ranges_equals_of_each(function: str, kind: str, data: st.DataObject) -> None:
    arrow, items = INPUTS[kind]
    raw = data.draw(st.lists(st.one_of(st.none(), items), max_size=40))
    edges = st.integers(0, len(raw))
    ranges = data.draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=12))
    aggregator, _ = parse_function(function)

    got = over(aggregator, pa.array(raw, arrow), [a for a, _ in ranges], [b for _, b in ranges])

    assert pa.types.is_list(got.type) or got.type.equals(aggregator.result(arrow))
    wanted = [aggregator.of([value for value in raw[a:b] if not is_null(value)]) for a, b in ranges]
    for here, there in zip(got.to_pylist(), wanted, strict=True):
        assert same(here, there, exact=not isinstance(aggregator, Std)), (here, there)


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
    (got,) = over(aggregator, pa.array(cents), [start], [len(cents)]).to_pylist()
    wanted = aggregator.of(cents[start:])
    assert (
        got == wanted
        if wanted is None
        else math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, cents)))
    )


@pytest.mark.parametrize("function", ["sum", "mean", "std"])
def test_a_large_value_that_has_left_leaves_no_rounding_error(function: str) -> None:
    aggregator, _ = parse_function(function)
    column = pa.array([1e300, 0.1, 0.2, 0.3])
    assert over(aggregator, column, [1], [4])[0].as_py() == pytest.approx(aggregator.of([0.1, 0.2, 0.3]), rel=1e-12)


def test_spread_of_equal_values_is_exactly_zero() -> None:
    assert over(Std(), pa.array([0.1] * 7), [0, 3], [7, 5]).to_pylist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("function", "kind", "empty"),
    [
        ("count", "double", 0),
        ("count_distinct", "string", 0),
        ("sum", "double", 0.0),
        ("sum", "bigint", 0),
        ("mean", "double", None),
        ("std", "double", None),
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
    assert over(aggregator, pa.array([None], INPUTS[kind][0]), [0, 0], [0, 1]).to_pylist() == [empty, empty]
    assert aggregator.of([]) == empty


def test_sum_of_integers_is_exact_beyond_the_doubles() -> None:
    total = over(parse_function("sum")[0], pa.array([2**53, 1, 1]), [0], [3])
    assert (total.type, total.to_pylist()) == (pa.int64(), [2**53 + 2])


def test_spread_of_one_value_is_null() -> None:
    assert over(Std(), pa.array([5.0, None, float("nan")]), [0], [3]).to_pylist() == [None]


def test_minus_zero_is_zero_when_values_are_told_apart() -> None:
    assert over(CountDistinct(), pa.array([0.0, -0.0]), [0], [2]).to_pylist() == [1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 9)), max_size=9))
def test_counting_distinct_in_small_portions_changes_nothing(ranges: list[tuple[int, int]]) -> None:
    import pipelines.semantics.aggregators.counting as counting

    column = pa.array([1, 2, 1, 3, 2, 1, 1, 4, 3])
    starts, stops = [a for a, _ in ranges], [b for _, b in ranges]
    whole = over(CountDistinct(), column, starts, stops)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "EXPAND", 3)
        assert over(CountDistinct(), column, starts, stops).equals(whole)


def test_names_say_how_each_function_is_written() -> None:
    for name in NAMES:
        parse_function(name.replace("(N)", "(10)").replace("(GAP)", "(30min)"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "median",
            "unknown function 'median'; use one of count, count_distinct, sum, .*last_n\\(N\\), session_count\\(GAP\\)",
        ),
        ("", "unknown function ''"),
        ("Count", "unknown function 'Count'"),
        ("count(3)", "'count\\(3\\)' takes nothing in brackets; write count"),
        ("last_n", "'last_n' needs how many values to keep; write such as last_n\\(10\\)"),
        ("last_n(0)", "needs how many values to keep"),
        ("last_n(-1)", "needs how many values to keep"),
        ("last_n(many)", "needs how many values to keep"),
        ("session_count", "'session_count' needs the gap that ends a session; write such as session_count\\(30min\\)"),
        ("session_sum(soon)", "needs the gap that ends a session; write such as session_sum\\(30min\\)"),
        ("session_sum(0s)", "needs the gap that ends a session"),
        ("session_last_n(30min)", "unknown function 'session_last_n\\(30min\\)'"),
    ],
)
def test_a_wrong_function_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(FunctionError, match=message):
        parse_function(text)
