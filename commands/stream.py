"""Follows the broker and keeps Redis fresh until it is stopped. `make stream`."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from commands.online import stream_writer, view_layouts
from commands.plan import read_plans
from commands.settings import read_number, read_whole
from pipelines.plan import ViewPlan
from pipelines.stream.handover import read_cut
from pipelines.stream.transport.parquet_replay import ParquetReplay
from pipelines.stream.transport.redis_streams import Broker, open_broker
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from bytewax.dataflow import Dataflow


def stream_dataflow(workspace: Workspace, broker_url: str, *, cold: bool, wall_clock: bool, shards: int) -> Dataflow:
    """Build the dataflow of a workspace's stream views.

    Raises:
        HandoverError: There is no handover and `cold` is not set.
    """
    from pipelines.stream.dataflow import build_dataflow

    plans = [plan for plan in read_plans(workspace) if plan.kind == "stream"]
    if not cold:
        for plan in plans:
            read_cut(workspace.state, plan)
    store = open_store(workspace)
    return build_dataflow(
        plans,
        _broker(broker_url, plans),
        stream_writer(store, view_layouts(store, [plan.view for plan in plans])),
        dead_letters=workspace.data / "dead_letters",
        state=None if cold else workspace.state,
        shards=shards,
        clock=(lambda: time.time_ns() // 1000) if wall_clock else None,
    )


def _broker(url: str, plans: Sequence[ViewPlan]) -> Broker:
    """Open the broker that an address names; `parquet:FOLDER` replays `FOLDER/<topic>` and ends."""
    partitions = read_whole("PARTITIONS", 4)
    if url.startswith("parquet:"):
        tables = {plan.table.topic: plan.table for plan in plans if plan.table.topic}
        return ParquetReplay(Path(url.removeprefix("parquet:")), tables, partitions)
    return open_broker(url, partitions)


def main() -> None:
    """Run the stream.

    MILLRACE_BROKER names the broker: `redis://host:port`, or `parquet:FOLDER` to replay files and end. CLOCK=event lets only events and ticks move time (a replay); CLOCK=wall, the default,
    lets idle partitions follow the clock. COLD=1 starts without a handover, FRESH=1 forgets the last run. WORKERS and
    SHARDS say how many threads and how many parts of each view there are.
    """
    workspace = Workspace.from_env()
    broker = os.environ.get("MILLRACE_BROKER", "redis://localhost:6379")
    flow = stream_dataflow(
        workspace,
        broker,
        cold=os.environ.get("COLD") == "1",
        wall_clock=os.environ.get("CLOCK", "wall") == "wall",
        shards=read_whole("SHARDS", 1),
    )
    from bytewax.recovery import RecoveryConfig, init_db_dir
    from bytewax.run import cli_main

    recovery = workspace.data / "recovery"
    if os.environ.get("FRESH") == "1":
        shutil.rmtree(recovery, ignore_errors=True)
    if not recovery.is_dir():
        recovery.mkdir(parents=True)
        init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    # Ended where it stands: the snapshots of the last epoch and idempotent writes make a clean exit needless.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: os._exit(0))
    print(f"streaming from {broker}; Ctrl-C stops", flush=True)
    cli_main(  # type: ignore[no-untyped-call]
        flow,
        workers_per_process=read_whole("WORKERS", 1),
        epoch_interval=timedelta(seconds=read_number("EPOCH_SECONDS", 10.0)),
        recovery_config=RecoveryConfig(str(recovery)),  # type: ignore[no-untyped-call]
    )
