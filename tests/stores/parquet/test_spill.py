"""A join that is larger than its memory goes on on disk, with the same result; what a killed process left there goes."""

from __future__ import annotations

import fcntl
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from stores.parquet.asof_join import asof_join
from stores.parquet.asof_sql import LogColumns
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.feature_log import FeatureLog
from stores.parquet.spill import spill_folder

ROWS = 200_000
LITTLE = "60MB"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogColumns, pa.Table]:
    """A log of some columns, and as many labels."""
    random = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("large")
    names = [f"f{n}" for n in range(8)]
    rows = {
        "user": random.integers(0, 1_000, ROWS),
        "at": pa.array(random.integers(0, 10**9, ROWS), pa.timestamp("us")),
    }
    FeatureLog("wide", folder).append(pa.table(rows | {name: random.random(ROWS) for name in names}), "at")
    columns = LogColumns(
        FeatureLog("wide", folder),
        (("user", "user"),),
        tuple((name, name) for name in names),
        "at",
        values=tuple(names),
    )
    at = pa.array(random.integers(0, 10**9, ROWS), pa.int64())
    return columns, pa.table({"user": random.integers(0, 1_000, ROWS), "__row": np.arange(ROWS), "__time": at})


def test_a_join_beyond_its_memory_spills_and_gives_the_same(large: tuple[LogColumns, pa.Table], tmp_path: Path) -> None:
    columns, labels = large
    with open_duckdb(1) as connection:
        expected = asof_join(connection, labels, columns)
    with open_duckdb(1, LITTLE, tmp_path / "spill") as connection:
        assert asof_join(connection, labels, columns).equals(expected)
    with open_duckdb(1, LITTLE, tmp_path / "spill") as connection:
        connection.execute("SET max_temp_directory_size = '0KB'")
        with pytest.raises(duckdb.OutOfMemoryException):  # so it was the disk that made it possible
            asof_join(connection, labels, columns)
    assert list((tmp_path / "spill").iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left, used, others = (tmp_path / f"millrace-duckdb-{name}" for name in ("left", "used", "others"))
    for folder in (left, used, others):
        folder.mkdir()
        (folder / "part.tmp").write_bytes(b"spilled")
    (left / "lock").touch()
    with (used / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with open_duckdb(1, spill=tmp_path):
            assert (left.exists(), used.exists(), others.exists()) == (False, True, True)


def test_it_spills_into_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_DATA", str(tmp_path))
    assert spill_folder(None, Path("repo")) == tmp_path / "tmp"
    assert spill_folder("../big", Path("repo")) == Path("repo/../big")
    monkeypatch.setenv("MILLRACE_DATA", "s3://bucket/data")
    assert spill_folder(None, None) is None
