"""What values, rows and days must be like, read from tags: bounds of columns, how fresh a table is, how many rows a day has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from contract.durations import parse_duration
from contract.tags import PREFIX, TagError, read_tags
from contract.types import kind_of_field

Severity = Literal["critical", "warning", "info"]
"""What a broken check does: it stops the step; it is told, and the step goes on; it stands on the page."""

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)

Value = str | int | bool

_NUMBERS: Final = ("int64", "int32", "int16", "float64", "float32")
_WHOLE: Final = re.compile(r"[+-]?\d+")
_PER_COLUMN: Final = ("min", "max", "values", "not_null", "severity")


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """What the values of one column must be like; a null passes all but `not_null`.

    Attributes:
        least: The smallest value; None for any.
        most: The largest value; None for any.
        values: The only values; empty for any.
        not_null: Whether there must be a value.
        severity: What a row that breaks it does.
    """

    least: float | None = None
    most: float | None = None
    values: tuple[Value, ...] = ()
    not_null: bool = False
    severity: Severity = "critical"


@dataclass(frozen=True, slots=True)
class TableChecks:
    """What the rows of an event table must be like.

    Attributes:
        columns: By column, in order of name.
        fresh: Microseconds that the newest event may be old; 0 where nothing is said.
        fresh_severity: What an older one does.
        daily: The least and the most rows of a day, as shares of what its weekday usually has; None for no look at days.
        daily_severity: What a day that is out of line does.
    """

    columns: Mapping[str, ColumnCheck] = field(default_factory=dict)
    fresh: int = 0
    fresh_severity: Severity = "critical"
    daily: tuple[float, float] | None = (0.5, 2.0)
    daily_severity: Severity = "warning"


def field_check(where: str, tags: Mapping[str, str] | None, kind: str | None) -> ColumnCheck | None:
    """Return what a field's tags say of its values; None where they say nothing.

    >>> field_check("clicks.seconds", {"millrace.min": "0", "millrace.max": "1e6"}, "float64")
    ColumnCheck(least=0.0, most=1000000.0, values=(), not_null=False, severity='critical')

    Args:
        where: The view and the field, for the message.
        tags: The field's tags.
        kind: The column's type; None where it is not known, then values that are all whole numbers are numbers.

    Raises:
        TagError: A tag does not exist, or is not for this type.
    """
    return _column_check(where, read_tags(where, tags, "field"), kind)


def view_checks(view: Any) -> dict[str, ColumnCheck]:
    """Return what the tags of a Feast view's fields say, by field.

    Raises:
        TagError: A tag does not exist, or is not for its field's type.
    """
    fields = {one.name: one for one in (*getattr(view, "schema", ()), *getattr(view, "features", ()))}
    found = {
        name: field_check(f"{view.name}.{name}", one.tags, kind_of_field(one.dtype)) for name, one in fields.items()
    }
    return {name: found[name] for name in sorted(found) if found[name] is not None}  # type: ignore[misc]


def table_checks(source: Any, kinds: Mapping[str, str] | None = None) -> TableChecks:
    """Return what the tags of an event table's Feast source say.

    Args:
        source: The source of its history.
        kinds: The types of its columns; None where they are not known.

    Raises:
        TagError: A tag does not exist, names no column, or is not for its column's type.
    """
    where, tags = source.name, read_tags(source.name, source.tags, "source")
    columns: dict[str, dict[str, str]] = {}
    for name, text in tags.items():
        part, dot, column = name.partition(".")
        if dot and part in _PER_COLUMN:
            if not column or (kinds is not None and column not in kinds):
                known = f"; use one of {', '.join(sorted(kinds))}" if kinds else ""
                raise TagError(f"{where}: tag {PREFIX}{name} names no column of the events{known}.")
            columns.setdefault(column, {})[part] = text
    found = {name: _column_check(f"{where}.{name}", columns[name], (kinds or {}).get(name)) for name in sorted(columns)}
    return TableChecks(
        {name: one for name, one in found.items() if one is not None},
        _fresh(where, tags),
        _severity(where, tags, "fresh_severity", "critical"),
        _daily(where, tags),
        _severity(where, tags, "daily_severity", "warning"),
    )


def check_all(declared: Any) -> None:
    """Read the tags of everything that a repo declares, so that a wrong one is told before anything is registered.

    Raises:
        TagError: One of them is wrong.
    """
    for view in (*declared.feature_views, *declared.stream_feature_views, *declared.on_demand_feature_views):
        view_checks(view)
    for view in declared.on_demand_feature_views:
        _refuse_requests(view.source_request_sources.values())
    for source in declared.data_sources:
        if type(source).__name__ == "FileSource":
            table_checks(source)


def refuse_checks(where: str, tags: Mapping[str, str], lake: str) -> None:
    """Refuse checks on a topic's source: one lake has many topic sources, and one place is to say what its events are like.

    Raises:
        TagError: There is one.
    """
    for name in tags:
        if name.partition(".")[0] in (*_PER_COLUMN, "fresh", "fresh_severity", "daily", "daily_severity"):
            raise TagError(f"{where}: tag {PREFIX}{name} is not read here; write it on the lake's source, {lake}.")


def _refuse_requests(sources: Iterable[Any]) -> None:
    for source in sources:
        for one in source.schema:
            if any(name.startswith(PREFIX) for name in one.tags or {}):
                raise TagError(
                    f"{source.name}.{one.name}: a request is not checked by tags of its fields; tag the source of the events"
                    f" that fill it, such as {PREFIX}min.{one.name}."
                )


def _column_check(where: str, tags: Mapping[str, str], kind: str | None) -> ColumnCheck | None:
    if not tags:
        return None
    bounds = [_bound(where, tags, name, kind) for name in ("min", "max")]
    if None not in bounds and bounds[0] > bounds[1]:  # type: ignore[operator]
        raise TagError(
            f"{where}: tag {PREFIX}min is {tags['min']}, above {PREFIX}max, {tags['max']}; no value is both, exchange them."
        )
    not_null = tags.get("not_null", "false")
    if not_null not in ("true", "false"):
        raise TagError(f"{where}: tag {PREFIX}not_null is {not_null!r}; write true, or leave it away.")
    check = ColumnCheck(
        bounds[0],
        bounds[1],
        _values(where, tags, kind),
        not_null == "true",
        _severity(where, tags, "severity", "critical"),
    )
    if check.least is None and check.most is None and not check.values and not check.not_null:
        raise TagError(
            f"{where}: tag {PREFIX}severity has nothing to be severe about; write {PREFIX}min, {PREFIX}max,"
            f" {PREFIX}values or {PREFIX}not_null as well."
        )
    return check


def _bound(where: str, tags: Mapping[str, str], name: str, kind: str | None) -> float | None:
    if name not in tags:
        return None
    if kind is not None and kind not in _NUMBERS:
        raise TagError(f"{where}: tag {PREFIX}{name} is for numbers, and this is {kind}; write {PREFIX}values instead.")
    try:
        number = float(tags[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TagError(f"{where}: tag {PREFIX}{name} is {tags[name]!r}; write a number, such as 0 or 1e6.")
    return number


def _values(where: str, tags: Mapping[str, str], kind: str | None) -> tuple[Value, ...]:
    if "values" not in tags:
        return ()
    given = [text.strip() for text in tags["values"].split(",")]
    if not all(given):
        raise TagError(f"{where}: tag {PREFIX}values is {tags['values']!r}; write values with commas, such as a, b, c.")
    if kind is None:
        return tuple(int(text) for text in given) if all(map(_WHOLE.fullmatch, given)) else tuple(given)
    if kind == "string":
        return tuple(given)
    if kind == "bool" and set(given) <= {"true", "false"}:
        return tuple(text == "true" for text in given)
    if kind.startswith("int") and kind in _NUMBERS and all(map(_WHOLE.fullmatch, given)):
        return tuple(map(int, given))
    raise TagError(
        f"{where}: tag {PREFIX}values is {tags['values']!r}, and this is {kind}; values are named of texts, whole numbers and"
        " booleans (true, false), of other numbers write millrace.min and millrace.max."
    )


def _severity(where: str, tags: Mapping[str, str], name: str, default: Severity) -> Severity:
    for one in SEVERITIES:
        if tags.get(name, default) == one:
            return one
    raise TagError(f"{where}: tag {PREFIX}{name} is {tags[name]!r}; write one of {', '.join(SEVERITIES)}.")


def _fresh(where: str, tags: Mapping[str, str]) -> int:
    try:
        fresh = parse_duration(tags["fresh"]) if "fresh" in tags else 0
    except ValueError as error:
        raise TagError(f"{where}: tag {PREFIX}fresh: {error}") from None
    if "fresh_severity" in tags and not fresh:
        raise TagError(f"{where}: tag {PREFIX}fresh_severity needs {PREFIX}fresh, such as 26h; write both.")
    return fresh


def _daily(where: str, tags: Mapping[str, str]) -> tuple[float, float] | None:
    text = tags.get("daily", "0.5 to 2")
    if text == "off":
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s+to\s+(\d+(?:\.\d+)?)\s*", text)
    if not found or not float(found[1]) < 1 < float(found[2]):
        raise TagError(
            f"{where}: tag {PREFIX}daily is {text!r}; write the least and the most rows of a day as shares of what its weekday"
            " usually has, such as 0.5 to 2, or off."
        )
    return float(found[1]), float(found[2])
