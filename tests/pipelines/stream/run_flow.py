"""Runs the stream of one view in a process of its own, with recovery, and writes its rows to a file, a line each.

Usage: python run_flow.py ADDRESS TOPIC FOLDER WORKERS. The view is keyed by `user`, the topic by `item`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.transport.open import open_transport

MINUTE = 60_000_000
COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("user", "string"), ("item", "string"), ("money", "double"))


def view_of(topic: str, folder: Path) -> ViewPlan:
    """Return the view's plan."""
    window = Window(10 * MINUTE, MINUTE, 0, False)
    features = tuple(
        Feature(name, parse_function(function)[0], column, window, None, function)
        for name, function, column in (("total", "sum", "money"), ("events", "count", None))
    )
    table = EventTable(topic, str(folder / "lake"), "at", "id", topic, "item", COLUMNS, lateness=5 * MINUTE)
    return ViewPlan("spending", "stream", ("user",), features, table, str(folder / "log"))


class RowFile:
    """Appends rows and frontiers to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, results: list[ShardRows]) -> None:
        """Append what came, in one write."""
        lines = []
        for one in results:
            rows = [] if one.rows is None else one.rows.to_pylist()
            told = [
                [row["user"], int(row["event_timestamp"].timestamp() * 1e6), row["total"], row["events"]]
                for row in rows
            ]
            lines.append(json.dumps({"shard": one.shard, "frontier": one.frontier, "rows": told}) + "\n")
        with self._file.open("a") as file:
            file.write("".join(lines))


def main(address: str, topic: str, folder: Path, workers: int) -> None:
    """Run until the process is ended."""
    recovery = folder / "recovery"
    if not recovery.is_dir():
        unfinished = Path(tempfile.mkdtemp(dir=folder))
        init_db_dir(unfinished, 1)
        unfinished.rename(recovery)
    flow = build_dataflow(
        [view_of(topic, folder)],
        open_transport(address),
        lambda: RowFile(folder / "rows.jsonl"),
        dead_letters=folder / "dead",
        shards=3,
    )
    cli_main(
        flow,
        workers_per_process=workers,
        epoch_interval=timedelta(seconds=0.3),
        recovery_config=RecoveryConfig(str(recovery)),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
