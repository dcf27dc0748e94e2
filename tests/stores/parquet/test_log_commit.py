"""Days of a log are replaced whole or not at all, wherever the job is killed; and readers see that at every moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import fs

from pipelines.batch.log_files import (
    DayFile,
    drop_staging,
    has_day,
    open_staging,
    replace_days,
    rows_staged,
    write_days,
)
from stores.parquet import log_commit
from stores.parquet.feature_log import FeatureLog
from stores.parquet.log_commit import held_files

DAY = 86_400_000_000
FIRST = 20_000 * DAY  # 2024-10-04
STOP = FIRST + 2 * DAY


class Killed(BaseException):
    """The process ends here."""


def rows(value: int, days: int = 2) -> pa.Table:
    """A row a day."""
    at = pa.array([FIRST + day * DAY for day in range(days)], pa.timestamp("us", "UTC"))
    return pa.table({"n": pa.array([value] * days, pa.int64()), "event_timestamp": at})


def fill(log: str, value: int, days: int = 2) -> list[DayFile]:
    """Replace both days."""
    staging = open_staging(log)
    files = list(write_days(rows(value, days), staging))
    replace_days(log, staging, files, FIRST, STOP)
    return files


def values(log: str) -> list[int]:
    """What a reader finds."""
    found = [pa.parquet.read_table(path, partitioning=None)["n"].to_pylist() for path in held_files(log)]
    return [value for one in found for value in one]


def killing(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end before the given step of putting files into place: each moves, deletes or removes something."""
    left = iter(range(step))

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(fs.LocalFileSystem, name)

        def call(self: fs.LocalFileSystem, *arguments: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return real(self, *arguments)

        return call

    class Mortal(fs.LocalFileSystem):  # type: ignore[misc]
        """A file system whose user is killed."""

    for name in ("move", "delete_file", "delete_dir"):
        setattr(Mortal, name, counted(name))
    monkeypatch.setattr(log_commit, "open_address", lambda address: (Mortal(), str(Path(address).resolve())))


def test_new_files_take_the_place_of_old_ones(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    fill(log, 1)
    fill(log, 2)
    assert values(log) == [2, 2]
    assert sorted(path.name for path in Path(log).iterdir()) == ["date=2024-10-04", "date=2024-10-05"]


def test_a_day_without_new_rows_goes(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    fill(log, 1)
    fill(log, 2, days=1)
    assert values(log) == [2]
    assert (has_day(log, "2024-10-04"), has_day(log, "2024-10-05")) == (True, False)


@pytest.mark.parametrize("step", range(5))
def test_a_job_killed_after_its_commit_has_replaced_all_and_the_next_one_tidies_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    log = str(tmp_path / "log")
    fill(log, 1)
    with monkeypatch.context() as patch:
        killing(step, patch)
        with pytest.raises(Killed):
            fill(log, 2)
    assert values(log) == [2, 2]
    assert len(FeatureLog("view", log).files()) == 2
    drop_staging(open_staging(log))
    assert sorted(path.name for path in Path(log).iterdir()) == ["date=2024-10-04", "date=2024-10-05"]
    assert values(log) == [2, 2]


def test_a_job_killed_before_its_commit_has_changed_nothing(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    fill(log, 1)
    list(write_days(rows(2), open_staging(log)))
    assert values(log) == [1, 1]
    fill(log, 3)
    assert values(log) == [3, 3]


def test_rows_under_way_are_counted_until_they_are_in_place(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    assert rows_staged(log) == 0
    staging = open_staging(log)
    files = list(write_days(rows(2), staging))
    assert rows_staged(log) == 2
    replace_days(log, staging, files, FIRST, STOP)
    assert rows_staged(log) == 0


def test_files_that_others_add_to_a_day_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = str(tmp_path / "log")
    fill(log, 1)
    with monkeypatch.context() as patch:
        killing(1, patch)
        with pytest.raises(Killed):
            fill(log, 2)
    FeatureLog("view", log).append(rows(7, days=1), "event_timestamp")
    assert sorted(values(log)) == [2, 2, 7]
    drop_staging(open_staging(log))
    assert sorted(values(log)) == [2, 2, 7]
