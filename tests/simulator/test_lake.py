"""What the lake holds: two event tables, a file per UTC day, the newest writing of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from simulator.generator import World, generate
from simulator.lake import LABEL_DELAY, Written, write_lake

TABLE = generate(World(customers=20, terminals=30, days=4, start=date(2025, 2, 27), seed=5))
COLUMNS = ["transaction_id", "event_timestamp", "customer_id", "terminal_id", "amount"]


def read(folder: Path) -> pa.Table:
    return ds.dataset(folder, format="parquet").to_table().sort_by("transaction_id")


def test_lake_holds_every_transaction_and_label_by_utc_day(tmp_path: Path) -> None:
    written = write_lake(TABLE, tmp_path)
    assert written == Written(TABLE.num_rows, TABLE.num_rows, 8)
    assert read(tmp_path / "transactions").equals(TABLE.select(COLUMNS).combine_chunks())
    labels = read(tmp_path / "fraud_labels")
    assert labels.column_names == [*COLUMNS, "is_fraud"]
    assert labels.schema.field("is_fraud").type == pa.int64()
    assert labels["is_fraud"].to_pylist() == TABLE["is_fraud"].to_pylist()
    for name in ("transactions", "fraud_labels"):
        days = sorted(path.name for path in (tmp_path / name).iterdir())
        assert days == ["date=2025-02-27", "date=2025-02-28", "date=2025-03-01", "date=2025-03-02"]
    second = pq.read_table(tmp_path / "transactions/date=2025-02-28/part-0.parquet", partitioning=None)
    assert {instant.date() for instant in second["event_timestamp"].to_pylist()} == {date(2025, 2, 28)}


def test_scenario_never_reaches_the_lake(tmp_path: Path) -> None:
    write_lake(TABLE, tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        assert "fraud_scenario" not in pq.read_schema(path).names


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    write_lake(TABLE, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_lake(TABLE, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_rewritten_day_replaces_all_files_it_had_and_no_other_day(tmp_path: Path) -> None:
    write_lake(TABLE, tmp_path)
    stray = tmp_path / "transactions/date=2025-02-27/part-1.parquet"
    pq.write_table(TABLE.select(COLUMNS).slice(0, 1), stray)
    write_lake(TABLE.slice(0, 2), tmp_path)
    assert [path.name for path in stray.parent.iterdir()] == ["part-0.parquet"]
    assert pq.read_metadata(stray.with_name("part-0.parquet")).num_rows == 2
    assert (tmp_path / "transactions/date=2025-03-02/part-0.parquet").exists()


def test_limits_are_exclusive(tmp_path: Path) -> None:
    row = TABLE.num_rows - 10
    edge = TABLE["event_timestamp"][row].as_py()
    written = write_lake(TABLE, tmp_path, until=edge, labels_until=edge + timedelta(microseconds=1))
    assert (written.transactions, written.fraud_labels) == (row, row + 1)


def test_labels_lag_behind_their_transactions(tmp_path: Path) -> None:
    now = datetime(2025, 3, 6, tzinfo=UTC)
    write_lake(TABLE, tmp_path, until=now, labels_until=now - LABEL_DELAY)
    assert not (tmp_path / "fraud_labels").exists()
    assert len(list((tmp_path / "transactions").iterdir())) == 4


def test_unsorted_table_is_written_in_the_order_of_time(tmp_path: Path) -> None:
    write_lake(TABLE.sort_by([("amount", "descending")]), tmp_path)
    assert read(tmp_path / "transactions").equals(TABLE.select(COLUMNS).combine_chunks())


def test_naive_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"until=.* has no time zone; write until=instant.replace\(tzinfo=UTC\)"):
        write_lake(TABLE, tmp_path, until=datetime(2025, 3, 1))
