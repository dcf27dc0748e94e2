"""What a user's file must look like, and what its errors say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.events_file import EventsFileError, read_events
from simulator.generator import SCHEMA, World, generate

TABLE = generate(World(customers=20, terminals=30, days=2, seed=5))
SAMPLES = Path(__file__).parents[2].parent / "shared" / "data"


def with_column(name: str, column: pa.Array) -> pa.Table:
    return TABLE.set_column(TABLE.column_names.index(name), name, column)


def with_value(name: str, row: int, value: object) -> pa.Table:
    values = TABLE[name].to_pylist()
    values[row] = value
    return with_column(name, pa.array(values, SCHEMA.field(name).type))


def stored(table: pa.Table, folder: Path) -> Path:
    path = folder / "events.parquet"
    pq.write_table(table, path)
    return path


def test_file_comes_back_as_it_was_generated(tmp_path: Path) -> None:
    assert read_events(stored(TABLE, tmp_path)).equals(TABLE)


def test_disorder_narrow_integers_and_extra_columns_are_taken(tmp_path: Path) -> None:
    narrow = with_column("customer_id", TABLE["customer_id"].cast(pa.int32()))
    shuffled = narrow.append_column("note", pa.nulls(TABLE.num_rows)).sort_by([("amount", "ascending")])
    assert read_events(stored(shuffled, tmp_path)).equals(TABLE)


@pytest.mark.parametrize("type_", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", tz="America/New_York")])
def test_timestamp_of_any_unit_and_zone_is_the_same_instant(tmp_path: Path, type_: pa.DataType) -> None:
    table = with_column("event_timestamp", TABLE["event_timestamp"].cast(type_))
    assert read_events(stored(table, tmp_path)).equals(TABLE)


def test_nanoseconds_are_cut_to_microseconds(tmp_path: Path) -> None:
    late = [
        value + 999
        for value in TABLE["event_timestamp"].cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_pylist()
    ]
    table = with_column("event_timestamp", pa.array(late).cast(pa.timestamp("ns")))
    assert read_events(stored(table, tmp_path)).equals(TABLE)


def test_float_noise_is_rounded_to_cents(tmp_path: Path) -> None:
    noisy = [value + 3e-13 for value in TABLE["amount"].to_pylist()]
    assert read_events(stored(with_column("amount", pa.array(noisy)), tmp_path)).equals(TABLE)


def test_scenario_is_optional(tmp_path: Path) -> None:
    assert read_events(stored(TABLE.drop_columns("fraud_scenario"), tmp_path)).column_names == SCHEMA.names[:-1]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventsFileError, match=r"nowhere\.parquet: no such file; give the path of one Parquet file"):
        read_events(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("content", [b"transaction_id,amount\n1,2\n", b""], ids=["csv", "zero-bytes"])
def test_other_format_is_refused_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(content)
    with pytest.raises(EventsFileError, match=r"events\.csv: not a Parquet file .* Convert it first"):
        read_events(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda: TABLE.slice(0, 0), r"the file has no rows; give a file with at least one", id="empty"),
        pytest.param(
            lambda: TABLE.drop_columns(["amount", "is_fraud"]),
            r"missing amount, is_fraud; it has transaction_id, .* has transaction_id \(int64\), .*amount \(double\)",
            id="missing-columns",
        ),
        pytest.param(
            lambda: with_value("customer_id", 3, None),
            r"1 customer_id value is null \(first rows: 3\); fill in or drop these rows",
            id="null-key",
        ),
        pytest.param(
            lambda: with_value("is_fraud", 3, 2),
            r"1 is_fraud value is neither 0 nor 1 \(first rows: 3\); write 1 for a fraud",
            id="no-label",
        ),
        pytest.param(
            lambda: with_value("amount", 4, float("nan")),
            r"1 amount value is not a finite number \(first rows: 4\)",
            id="not-a-number",
        ),
        pytest.param(
            lambda: with_value("transaction_id", 1, 0),
            r"1 transaction_id values occur more than once \(first: 0\); keep one row of each",
            id="duplicate-id",
        ),
        pytest.param(
            lambda: with_column("customer_id", TABLE["customer_id"].cast(pa.string())),
            r"column customer_id has the type string, but must be an integer; convert it to int64",
            id="text-key",
        ),
        pytest.param(
            lambda: with_column("event_timestamp", TABLE["event_timestamp"].cast(pa.int64())),
            r"column event_timestamp has the type int64, but must be a timestamp; convert it",
            id="integer-time",
        ),
        pytest.param(
            lambda: with_column("terminal_id", pa.array([2**63] * TABLE.num_rows, pa.uint64())),
            r"column terminal_id has a value that does not fit int64",
            id="overflow",
        ),
    ],
)
def test_file_that_does_not_fit_is_refused_with_what_to_do(
    tmp_path: Path, change: Callable[[], pa.Table], message: str
) -> None:
    with pytest.raises(EventsFileError, match=message):
        read_events(stored(change(), tmp_path))


def test_only_the_first_rows_of_many_are_shown(tmp_path: Path) -> None:
    table = with_column("amount", pa.nulls(TABLE.num_rows, pa.float64()))
    with pytest.raises(
        EventsFileError, match=rf"{TABLE.num_rows} amount values are null \(first rows: 0, 1, 2, 3, 4\)"
    ):
        read_events(stored(table, tmp_path))


@pytest.mark.skipif(
    not (SAMPLES / "transactions-sample.parquet").exists(), reason=f"no transactions-sample.parquet in {SAMPLES}"
)
def test_sample_of_the_handbook_is_taken_whole() -> None:
    table = read_events(SAMPLES / "transactions-sample.parquet")
    assert table.schema == SCHEMA
    assert table.num_rows == 20_003
