"""Computes the feature log of a view over history, by day, and the state that a stream starts from."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.batch.compute import log_task, row_schema
from pipelines.batch.lake import DAY, day_of, read_events
from pipelines.plan import ViewPlan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EVENTS_A_TASK = 250_000


@dataclass(frozen=True, slots=True)
class Filled:
    """What the backfill of one view did.

    Attributes:
        view: The view.
        events: Events read, those before the first day included.
        rows: Rows written to the feature log.
        seconds: Wall time.
    """

    view: str
    events: int
    rows: int
    seconds: float


def run_backfill(spark: "SparkSession", plans: Sequence[ViewPlan], start: int, stop: int) -> Iterator[Filled]:
    """Compute the feature log of each view for `start <= event_timestamp < stop`, and yield what was done, one by one.

    Both are microseconds; `start` is a midnight UTC. The days asked for are replaced as a whole, other days are not
    touched; doing it again gives the same. Only the days that can matter are read.

    Raises:
        LakeError: The lake has no such events.
        EventError: Events without key, time or id.
    """
    for plan in plans:
        began = time.monotonic()
        events = _needed(spark, plan, start - plan.reach, stop)
        count = events.count()
        rows = _write(_log(events, plan, start, stop, tasks=-(-count // EVENTS_A_TASK)), plan, start, stop)
        yield Filled(plan.view, count, rows, time.monotonic() - began)


def hand_over(spark: "SparkSession", plans: Sequence[ViewPlan], cut: int, state: Path) -> None:
    """Write, for each stream view, the events that still matter at `cut` (microseconds): what its stream starts from.

    One folder a view: `events/` in Parquet, and `cut.json`, written last.
    """
    for plan in plans:
        if plan.kind == "stream":
            folder = state / plan.view
            mark = folder / "cut.json"
            mark.unlink(missing_ok=True)
            _needed(spark, plan, cut - plan.reach, cut).write.mode("overwrite").parquet(str(folder / "events"))
            mark.write_text(json.dumps({"view": plan.view, "cut": cut}))


def _needed(spark: "SparkSession", plan: ViewPlan, start: int, stop: int) -> "DataFrame":
    """Return the events of a span, with only the columns that the view reads (all of them, if it has a transform)."""
    events = read_events(spark, plan.table, start, stop)
    if plan.transform is not None:
        return events
    names = dict.fromkeys((*plan.keys, plan.table.timestamp, plan.table.event_id, *plan.inputs))
    return events.select(*names)


def _log(events: "DataFrame", plan: ViewPlan, start: int, stop: int, tasks: int) -> "DataFrame":
    from pyspark.cloudpickle import register_pickle_by_value
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    if plan.transform is not None:
        register_pickle_by_value(sys.modules[plan.transform.__module__])  # type: ignore[no-untyped-call]
    columns = row_schema(plan, to_arrow_schema(events.schema, timezone="UTC"))
    schema = from_arrow_schema(columns.append(pa.field("date", pa.string())))
    by_entity = events.repartition(max(tasks, events.sparkSession.sparkContext.defaultParallelism), *plan.keys)
    return by_entity.mapInArrow(log_task(plan, start, stop), schema)


def _write(rows: "DataFrame", plan: ViewPlan, start: int, stop: int) -> int:
    """Replace the days of the log and return the number of rows written."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F  # noqa: N812

    spark = rows.sparkSession
    before = _files(spark, plan.log, start, stop)
    counted = Observation()
    watched = rows.observe(counted, F.count(F.lit(1)).alias("rows"))
    watched.write.mode("overwrite").partitionBy("date").parquet(plan.log)
    after = _files(spark, plan.log, start, stop)
    for day, names in after.items():
        if names and names == before.get(day):
            _delete(spark, f"{plan.log}/date={day}")  # a day that has no row any more
    return int(counted.get["rows"])


def _files(spark: "SparkSession", log: str, start: int, stop: int) -> dict[str, frozenset[str]]:
    found = {}
    for midnight in range(start - start % DAY, stop, DAY):
        day = day_of(midnight)
        path = _path(spark, f"{log}/date={day}")
        system = path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
        if system.exists(path):
            found[day] = frozenset(str(status.getPath().getName()) for status in system.listStatus(path))
    return found


def _delete(spark: "SparkSession", folder: str) -> None:
    path = _path(spark, folder)
    path.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf()).delete(path, True)


def _path(spark: "SparkSession", name: str) -> Any:
    jvm: Any = spark._jvm
    return jvm.org.apache.hadoop.fs.Path(name)
