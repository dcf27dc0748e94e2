"""The worked example of docs/semantics.md is true: its events give its rows, in the reference and in the engines."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.semantics import reference
from pipelines.semantics.aggregators.table import ARGUED, PLAIN
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.history import feature_log
from pipelines.semantics.windows import SLIDES

MINUTE = 60_000_000
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "semantics.md").read_text()
Table = list[dict[str, str]]


def tables(text: str) -> list[Table]:
    """Return the Markdown tables of a text, row by row."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def micros(text: str) -> int:
    at = datetime.strptime(text, "%H:%M:%S.%f" if "." in text else "%H:%M:%S")
    return (at - datetime(1900, 1, 1)) // timedelta(microseconds=1)


@pytest.fixture(scope="module")
def example(lab: Any) -> tuple[list[Feature], list[Any], list[Any]]:
    """The features, the events out of order, and the rows."""
    events, features, rows = tables(DOCUMENT.partition("## An example")[2])
    made = [lab.feature(f["function"], f["column"] or None, 10 * MINUTE, 5 * MINUTE) for f in features]
    blank = {"money": None, "whole": None, "word": None, "flag": None}
    given = []
    for event in reversed(events):
        amount = json.loads(event["amount"])
        given.append(
            (
                "ann",
                reference.Event(micros(event["time"]), int(event["id"]), blank | {"amount": amount, "money": amount}),
            )
        )
    names = [feature["feature"] for feature in features]
    wanted = [(micros(r["event_timestamp"]), tuple(json.loads(r[name]) for name in names)) for r in rows]
    return made, given, wanted


def test_example_is_what_the_reference_says(example: Any) -> None:
    features, events, rows = example
    log = reference.feature_log(features, [event for _, event in events], 0, 10**12)
    assert [(t, tuple(rounded(v) for v in values)) for t, values in log] == rows


def test_example_is_what_the_engines_compute(lab: Any, example: Any) -> None:
    features, events, rows = example
    in_money = [Feature(f.name, f.aggregator, f.column and "money", f.window, f.gap) for f in features]
    block, users = lab.block(events)
    log = lab.logs(feature_log(in_money, block, 0, 10**12), users)["ann"]
    assert [(t, tuple(rounded(v) for v in values)) for t, values in log] == rows


def rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def test_every_function_is_documented() -> None:
    described = DOCUMENT.partition("## The functions")[2].partition("## ")[0]
    assert all(f"`{name}`" in described for name in PLAIN)
    assert all(f"`{name}(" in described for name in ARGUED)


def test_every_rule_is_there_once() -> None:
    rules = DOCUMENT.partition("## The rules")[2].partition("## ")[0]
    assert re.findall(r"^(\d+)\. \*\*", rules, re.MULTILINE) == [str(number) for number in range(1, 13)]


def test_default_slides_are_those_of_the_code() -> None:
    from contract.durations import parse_duration

    (listed,) = re.findall(r"the largest of (.*?) that divides", DOCUMENT, re.DOTALL)
    slides = [parse_duration(part) for part in " ".join(listed.split()).split(", ")]
    assert sorted(slides, reverse=True) == list(SLIDES)


def test_the_example_of_a_pattern_is_what_the_reference_says(lab: Any) -> None:
    (rows,) = tables(DOCUMENT.partition("## Patterns")[2].partition("## ")[0])
    (function,) = re.findall(r"^`(matches\(.*?\))` over an hour", DOCUMENT, re.MULTILINE)
    feature = lab.feature(function, None, 60 * MINUTE, MINUTE)
    events = [
        reference.Event(
            micros(f"{row['time']}:00"), number, {name: json.loads(row[name]) for name in ("small", "large")}
        )
        for number, row in enumerate(rows)
    ]
    log = dict(reference.feature_log([feature], events, 0, 10**12))
    values, value = [], None
    for event in events:
        value = log.get(event.ts + 1, (value,))[0]
        values.append(value)
    assert values == [int(row["value just after it"]) for row in rows]
