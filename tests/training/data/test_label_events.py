"""Label events: only the days asked for are opened, and their span is known without reading them all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.data.label_events import label_span, read_label_events
from training.data.task import TrainingTask
from training.errors import TrainingError

DAY = datetime(2024, 3, 2, tzinfo=UTC)


def declared(folder: Path) -> TrainingTask:
    return TrainingTask("ads", "clicked", "clicks", str(folder), "at", "id", timedelta(0), None, (), (), ("v__f",))


def events(*times: str, zone: str | None = "UTC") -> pd.DataFrame:
    at = pd.to_datetime(pd.Series(times), format="ISO8601").dt.as_unit("us")
    return pd.DataFrame(
        {"id": range(len(times)), "at": at.dt.tz_localize(zone) if zone else at, "clicked": 0, "bid": 1.0}
    )


def write(folder: Path, day: str, frame: pd.DataFrame) -> Path:
    path = folder / f"date={day}" / "part-0.parquet"
    path.parent.mkdir(parents=True)
    frame.to_parquet(path, index=False)
    return path


def test_days_outside_the_span_are_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "2024-03-01", events("2024-03-01 10:00"))
    write(tmp_path, "2024-03-02", events("2024-03-02 10:00", "2024-03-02 23:59:59.999999"))
    write(tmp_path, "2024-03-03", events("2024-03-03 00:00")).write_text("not a Parquet file")
    found = read_label_events(declared(tmp_path), DAY, DAY + timedelta(days=1))
    assert found["at"].dt.hour.tolist() == [10, 23]
    assert found.columns.tolist() == ["id", "at", "clicked", "bid"]


def test_event_on_the_end_belongs_to_the_next_span(tmp_path: Path) -> None:
    write(tmp_path, "2024-03-02", events("2024-03-02 00:00", "2024-03-02 12:00"))
    noon = DAY + timedelta(hours=12)
    assert read_label_events(declared(tmp_path), DAY, noon)["id"].tolist() == [0]
    assert read_label_events(declared(tmp_path), noon, DAY + timedelta(days=1))["id"].tolist() == [1]


def test_naive_times_are_utc_and_columns_can_be_chosen(tmp_path: Path) -> None:
    events("2024-03-01 23:59", "2024-03-02 00:00", zone=None).to_parquet(tmp_path / "all.parquet", index=False)
    found = read_label_events(declared(tmp_path), DAY, DAY + timedelta(days=1), columns=[])
    assert found.columns.tolist() == ["id", "at", "clicked"]
    assert found["at"].tolist() == [pd.Timestamp(DAY)]
    assert label_span(declared(tmp_path)) == (DAY - timedelta(minutes=1), DAY)


def test_span_reads_the_first_and_the_last_day_alone(tmp_path: Path) -> None:
    write(tmp_path, "2024-03-01", events("2024-03-01 10:00", "2024-03-01 09:00"))
    write(tmp_path, "2024-03-02", events("2024-03-02 10:00")).write_text("not a Parquet file")
    write(tmp_path, "2024-03-03", events("2024-03-03 07:00", "2024-03-03 08:00"))
    assert label_span(declared(tmp_path)) == (
        datetime(2024, 3, 1, 9, tzinfo=UTC),
        datetime(2024, 3, 3, 8, tzinfo=UTC),
    )


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_folder_without_events_says_to_backfill(tmp_path: Path, folder: str) -> None:
    with pytest.raises(TrainingError, match=r"clicks: .*`make simulate`"):
        label_span(declared(tmp_path / folder))


def test_labels_that_became_known_later_are_left_out_where_somebody_notes_when(tmp_path: Path) -> None:
    at = pa.array([datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in range(3)], pa.timestamp("us", "UTC"))
    came = pa.array([datetime(2026, 3, day, tzinfo=UTC) if day else None for day in (2, 9, 0)], at.type)
    (tmp_path / "date=2026-03-01").mkdir()
    table = pa.table({"id": [1, 2, 3], "at": at, "bad": [0, 1, 1], "came": came})
    pq.write_table(table, tmp_path / "date=2026-03-01" / "part.parquet")
    task = TrainingTask("s", "bad", "labels", str(tmp_path), "at", "id", timedelta(0), None, (), (), (), arrived="came")
    span = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert read_label_events(task, *span)["id"].tolist() == [1, 2, 3]
    assert read_label_events(task, *span, known_by=datetime(2026, 3, 9, tzinfo=UTC))["id"].tolist() == [1, 3]
