"""What conditions say of rows with and without values, and which texts are refused."""

from __future__ import annotations

import numpy as np
import pytest

from serving.scoring.condition import Condition, ConditionError
from stores.cells.column import Column

COLUMNS = {
    "amount": Column("float64", np.array([3.0, 7.0, np.nan]), np.array([True, True, False])),
    "rate": Column.of("float32", [0.5, float("nan"), 2.0]),
    "days": Column("int64", np.array([1, 2, 99]), np.array([True, True, False])),
    "place": Column("string", ["home", None, "away"], np.array([True, False, True])),
    "known": Column.of("bool", [True, False, True]),
    "list": Column("int64[]", [[1], [2], [3]], np.ones(3, np.bool_)),
}
KINDS = {name: column.kind for name, column in COLUMNS.items()}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("amount > 5", [0, 1, 0]),
        ("amount != 3", [0, 1, 0]),  # what is missing is not unequal either
        ("not (amount > 5)", [1, 0, 1]),
        ("is_missing(amount)", [0, 0, 1]),
        ("is_missing(rate)", [0, 1, 0]),  # a stored NaN
        ("rate != 0.5", [0, 0, 1]),
        ("1 <= days < 2", [1, 0, 0]),
        ("days in [1, 99]", [1, 0, 0]),
        ("days not in [1]", [0, 1, 0]),
        ("place == 'away' or known", [1, 0, 1]),
        ("place in ('home', 'work') and not known", [0, 0, 0]),
        ("place != 'home'", [0, 0, 1]),
        ("known", [1, 0, 1]),
        ("amount > days * 2 - 1", [1, 1, 0]),
        ("amount / (days - 1) > 100", [1, 0, 0]),  # division by zero is infinite
        ("-amount < -5", [0, 1, 0]),
        ("True and amount > 1", [1, 1, 0]),
    ],
)
def test_condition_holds_where_it_should(text: str, rows: list[int]) -> None:
    assert Condition(text, KINDS).holds(COLUMNS).tolist() == [bool(one) for one in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amount", "is a number, not a condition; compare it with something"),
        ("amnt > 1", "amnt is not known; did you mean amount"),
        ("zzz > 1", "zzz is not known; there are amount"),
        ("place > 'a'", "orders texts; write == or !="),
        ("place == 1", "compares a text with a number"),
        ("list == 1", r"list is a int64\[\]; conditions take numbers, texts and booleans"),
        ("amount >", "is not a condition"),
        ("days in [1, 'a']", "must be a list of numbers"),
        ("days in place", "must be a list of numbers"),
        ("not amount", "is a number where a truth is expected"),
        ("known + 1 > 1", "is a truth where a number is expected"),
        ("__import__('os')", "is not taken"),
        ("amount.real > 1", "is not taken"),
        ("(x := 3) > 1", "is not taken"),
        ("(lambda: True)()", "is not taken"),
        ("amount ** 9 > 1", "is not taken"),
        ("1 if known else 2", "is not taken"),
        ("is_missing(1)", "is not taken"),
        ("is_missing(gone)", "gone is not known"),
        ("(" * 500, "is not a condition"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        Condition(text, KINDS)
