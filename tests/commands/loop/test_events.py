"""Events from a file, from a folder, from the repo's own `events.py`; and every refusal by its text."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.event_tables import Source
from commands.loop.events import EventsError, Simulation, conform, load_events, open_simulation

EVENTS_PY = """
import pyarrow as pa
DAYS = 3
def generate(first, number):
    at = pa.array([(first.toordinal() - 719163 + number) * 86_400_000_000], pa.timestamp("us", "UTC"))
    return {
        "orders": pa.table({"order_id": [f"o{number}"], "placed_at": at, "shop": ["s"], "price": [1]}),
        "returns": pa.table({"order_id": [f"o{number}"], "placed_at": at, "returned": [0]}),
    }
"""


def test_history_that_a_repo_makes_ends_today(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(EVENTS_PY)
    made = open_simulation(tmp_path, sources, today=date(2026, 3, 5))
    days = [at.date() for at in made.history()["orders"]["placed_at"].to_pylist()]
    assert days == [date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)]
    assert next(made.after())["orders"]["placed_at"][0].as_py().date() == date(2026, 3, 6)
    assert made.history()["orders"]["price"].type == pa.float64()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(None, r"events.py does not exist, and EVENTS= names no file; give a Parquet file", id="none"),
        pytest.param("DAYS = 3", "holds no DAYS and generate; write DAYS = 60 and def generate", id="no function"),
        pytest.param(
            "DAYS = 1\ndef generate(first, number): return {'orders': None}",
            "generate gives orders, not returns; return a table of each",
            id="a table too few",
        ),
    ],
)
def test_an_events_module_that_cannot_be_used_is_told(
    sources: list[Source], tmp_path: Path, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / "events.py").write_text(text)
    with pytest.raises(EventsError, match=told):
        open_simulation(tmp_path, sources).history()


def test_one_file_feeds_every_table_whose_columns_it_has(
    sources: list[Source], simulation: Simulation, tmp_path: Path
) -> None:
    day = simulation.day(0)
    whole = day["orders"].append_column("returned", day["returns"]["returned"])
    pq.write_table(whole, tmp_path / "whole.parquet")
    pq.write_table(day["orders"], tmp_path / "orders.parquet")
    both = load_events(tmp_path / "whole.parquet", tmp_path, sources)
    assert both["orders"].column_names == ["order_id", "placed_at", "shop", "price"]
    assert both["returns"]["returned"].to_pylist() == day["returns"]["returned"].to_pylist()
    assert set(load_events(tmp_path / "orders.parquet", tmp_path, sources)) == {"orders"}


def test_a_folder_holds_a_file_or_a_folder_for_each_table(
    sources: list[Source], simulation: Simulation, tmp_path: Path
) -> None:
    day = simulation.day(0)
    folder = tmp_path / "events"
    (folder / "returns").mkdir(parents=True)
    pq.write_table(day["orders"], folder / "orders.parquet")
    pq.write_table(day["returns"], folder / "returns" / "part-0.parquet")
    assert {name: len(table) for name, table in load_events(folder, tmp_path, sources).items()} == {
        "orders": 10,
        "returns": 10,
    }


def changed(table: pa.Table, column: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, pa.array(values))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda t: t.slice(0, 0), "no rows; give at least one event", id="empty"),
        pytest.param(lambda t: t.drop_columns(["price"]), "no column price; have order_id", id="column"),
        pytest.param(
            lambda t: changed(t, "shop", [None, *["s"] * 9]), r"1 events have no shop \(first rows: 0\)", id="null key"
        ),
        pytest.param(
            lambda t: changed(t, "order_id", ["same"] * 10), "1 order_id values occur more than once", id="id twice"
        ),
        pytest.param(
            lambda t: changed(t, "price", ["dear"] * 10), "column price is string and does not fit double", id="type"
        ),
        pytest.param(
            lambda t: changed(t, "placed_at", list(range(10))),
            r"column placed_at is int64 .*a time is wanted",
            id="time",
        ),
    ],
)
def test_events_that_cannot_be_played_are_refused(
    sources: list[Source], simulation: Simulation, change: Any, told: str
) -> None:
    with pytest.raises(EventsError, match=told):
        conform(sources[0], change(simulation.day(0)["orders"]), "orders.parquet")


def test_integers_of_any_width_and_times_of_any_unit_are_taken(sources: list[Source], simulation: Simulation) -> None:
    orders = simulation.day(0)["orders"]
    narrow = changed(orders, "price", pa.array(range(10), pa.int8()))
    at = orders["placed_at"].cast(pa.timestamp("ns"))
    narrow = narrow.set_column(1, "placed_at", at)
    assert conform(sources[0], narrow, "x")["placed_at"].equals(orders["placed_at"])


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_a_file_that_is_none_is_told(sources: list[Source], tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "events.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventsError, match="no such file; give the path" if content is None else "not a Parquet file"):
        load_events(path, tmp_path, sources)
