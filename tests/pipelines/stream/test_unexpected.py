"""Which values of events the tags of their table do not allow, and what is said of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from contract.checks import ColumnCheck
from pipelines.stream.unexpected import find_unexpected

AMOUNTS = pa.table({"amount": [0.0, -0.5, 100.0, 100.5, None, float("nan")]})


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (ColumnCheck(least=0.0), {1: ("amount: -0.5 is below 0", "unexpected")}),
        (ColumnCheck(most=100.0), {3: ("amount: 100.5 is above 100", "unexpected")}),
        (ColumnCheck(not_null=True), {4: ("amount is missing", "missing"), 5: ("amount is missing", "missing")}),
        (ColumnCheck(least=0.0, severity="warning"), {}),
        (ColumnCheck(least=0.0, severity="info"), {}),
    ],
)
def test_bounds_are_inside_and_a_null_passes_them(check: ColumnCheck, told: dict[int, tuple[str, str]]) -> None:
    assert find_unexpected(AMOUNTS, {"amount": check}) == told


@pytest.mark.parametrize(
    ("values", "allowed", "bad"),
    [
        (pa.array(["a", "b", None]), ("a", "c"), [1]),
        (pa.array([1, 2, None], pa.int32()), (1,), [1]),
        (pa.array([True, False, None]), (True,), [1]),
    ],
    ids=["text", "number", "boolean"],
)
def test_only_named_values_are_allowed(values: pa.Array, allowed: tuple[str | int | bool, ...], bad: list[int]) -> None:
    assert list(find_unexpected(pa.table({"x": values}), {"x": ColumnCheck(values=allowed)})) == bad


def test_a_column_that_the_topic_has_not_is_left_to_the_gates() -> None:
    assert find_unexpected(AMOUNTS, {"came_at": ColumnCheck(not_null=True)}) == {}
