"""What tags say of values, rows and days, and what is answered to one that cannot be kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from contract.checks import ColumnCheck, TableChecks, field_check, table_checks
from contract.durations import HOUR
from contract.tags import TagError

KINDS = {"id": "int64", "at": "timestamp", "amount": "float64", "kind": "string", "open": "bool"}


def source(**tags: str) -> Any:
    return SimpleNamespace(
        name="orders", tags={f"millrace.{name.replace('__', '.')}": text for name, text in tags.items()}
    )


def test_tags_of_a_source_are_read_by_column() -> None:
    found = table_checks(
        source(
            min__amount="0",
            max__amount="1e6",
            not_null__amount="true",
            severity__amount="warning",
            values__kind="a, b",
            values__open="true",
            values__id="1,2",
            fresh="26h",
            daily="0.2 to 5",
            daily_severity="critical",
        ),
        KINDS,
    )
    assert found == TableChecks(
        {
            "amount": ColumnCheck(0.0, 1e6, (), True, "warning"),
            "id": ColumnCheck(values=(1, 2)),
            "kind": ColumnCheck(values=("a", "b")),
            "open": ColumnCheck(values=(True,)),
        },
        26 * HOUR,
        "critical",
        (0.2, 5.0),
        "critical",
    )


def test_without_tags_days_are_looked_at_and_warn() -> None:
    assert table_checks(source(), KINDS) == TableChecks({}, 0, "critical", (0.5, 2.0), "warning")
    assert table_checks(source(daily="off"), KINDS).daily is None


def test_values_of_a_column_of_unknown_type_are_numbers_where_all_are() -> None:
    assert table_checks(source(values__a="0, 1", values__b="0, x")).columns == {
        "a": ColumnCheck(values=(0, 1)),
        "b": ColumnCheck(values=("0", "x")),
    }


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"min__price": "0"}, r"tag millrace\.min\.price names no column of the events; use one of amount, at, id"),
        ({"min__amount": "low"}, r"orders\.amount: tag millrace\.min is 'low'; write a number, such as 0"),
        ({"max__amount": "inf"}, r"tag millrace\.max is 'inf'; write a number"),
        ({"min__kind": "0"}, r"millrace\.min is for numbers, and this is string; write millrace\.values"),
        ({"min__amount": "2", "max__amount": "1"}, r"millrace\.min is 2, above millrace\.max, 1; .* exchange them"),
        ({"not_null__amount": "yes"}, r"millrace\.not_null is 'yes'; write true"),
        ({"values__amount": "1, 2"}, r"and this is float64; values are named of texts, whole numbers and booleans"),
        ({"values__open": "yes"}, r"millrace\.values is 'yes', and this is bool"),
        ({"values__kind": "a,,b"}, r"millrace\.values is 'a,,b'; write values with commas"),
        ({"severity__amount": "warning"}, r"has nothing to be severe about; write millrace\.min"),
        ({"min__amount": "0", "severity__amount": "warn"}, r"is 'warn'; write one of critical, warning, info"),
        ({"fresh": "a day"}, r"tag millrace\.fresh: 'a day' is not a duration; write a whole number and a unit"),
        ({"fresh_severity": "info"}, r"millrace\.fresh_severity needs millrace\.fresh, such as 26h"),
        (
            {"daily": "2 to 3"},
            r"millrace\.daily is '2 to 3'; write the least and the most .* such as 0\.5 to 2, or off",
        ),
        ({"smallest__amount": "0"}, r"unknown tag millrace\.smallest\.amount; use one of .*millrace\.min\.<field>"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_a_tag_that_cannot_be_kept_is_refused_with_what_to_write(tags: dict[str, str], told: str) -> None:
    with pytest.raises(TagError, match=told):
        table_checks(source(**tags), KINDS)


def test_a_field_says_the_same_under_its_own_name() -> None:
    tags = {"millrace.min": "0", "millrace.severity": "info", "team": "a"}
    assert field_check("load.orders", tags, "int64") == ColumnCheck(least=0.0, severity="info")
    assert field_check("load.orders", {"team": "a"}, "int64") is None
    with pytest.raises(
        TagError, match=r"load\.orders: unknown tag millrace\.mni; use one of millrace\.max, millrace\.min"
    ):
        field_check("load.orders", {"millrace.mni": "0"}, "int64")
