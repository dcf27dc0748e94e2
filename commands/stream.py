"""Follows the broker and keeps the online store fresh until it is stopped. `make stream`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from commands.compact import compact_from_time_to_time
from commands.plan import read_plans
from commands.settings import SettingError, read_number, read_whole
from pipelines.stream.handover import read_cut
from pipelines.stream.meeting import meet
from pipelines.stream.outage import say
from pipelines.stream.store_watch import StoreWatch
from pipelines.stream.transport.open import open_transport, transport_address
from stores.cells.layout import ViewLayout, layouts_of
from stores.online import OnlineStore, online_opener
from stores.stream_writer import StreamWriter
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bytewax.dataflow import Dataflow

    from pipelines.plan import ViewPlan


class NothingToStreamError(ValueError):
    """A feature repo without a stream view."""


def stream_dataflow(
    workspace: Workspace,
    *,
    cold: bool,
    wall_clock: bool,
    shards: int,
    partitions: int | None = None,
    logs: bool = False,
    first: bool = True,
) -> Dataflow:
    """Build the dataflow of a workspace's stream views; the first process says in the online store which they are.

    Raises:
        NothingToStreamError: There is none.
        HandoverError: There is no handover and `cold` is not set.
        TransportError: The broker's address is not known, or a topic has another number of partitions.
        OnlineStoreUnavailable: The online store does not answer.
    """
    from pipelines.stream.dataflow import build_dataflow

    plans = stream_plans(workspace)
    if not plans:
        raise NothingToStreamError(
            f"{workspace.repo} declares no StreamFeatureView with aggregations; nothing to stream."
        )
    if not cold:
        for plan in plans:
            read_cut(workspace.state, plan)
    store = open_store(workspace)
    layouts = layouts_of(store, [plan.view for plan in plans])
    opener = online_opener(store.config)
    progress = opener().progress(store.config.project)
    begin = partial(progress.begin, {plan.view: shards for plan in plans})
    stored = progress.announced()
    if first and _starts_anew(workspace):
        _say_stored({plan.view: stored[plan.view] for plan in plans if plan.view in stored})
    if first:
        begin()

    def identify() -> str:
        if not progress.identity():
            begin()
        return progress.identity()

    tables = {plan.table.topic: plan.table for plan in plans if plan.table.topic}
    return build_dataflow(
        plans,
        open_transport(transport_address(plans), tables, partitions),
        partial(_open_writer, opener, store.config.project, layouts),
        dead_letters=workspace.data / "dead_letters",
        state=None if cold else workspace.state,
        shards=shards,
        clock=(lambda: time.time_ns() // 1000) if wall_clock else None,
        snapshots=workspace.data / "recovery" / "state",
        watch=StoreWatch(identify),
        logs=logs,
        stored=stored,
    )


def _say_stored(stored: Mapping[str, int]) -> None:
    for view, t in stored.items():
        say(
            f"online store: an earlier stream stored rows of {view} of until {datetime.fromtimestamp(t / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
            " UTC; until this one is past that, they are not replaced, and its clock stands."
        )


def _starts_anew(workspace: Workspace) -> bool:
    return os.environ.get("FRESH") == "1" or not (workspace.data / "recovery").is_dir()


@cache
def stream_plans(workspace: Workspace) -> list[ViewPlan]:
    """Return the plans of a workspace's stream views; a repo is read once."""
    return [plan for plan in read_plans(workspace) if plan.kind == "stream"]


def _open_writer(opener: Callable[[], OnlineStore], project: str, layouts: Mapping[str, ViewLayout]) -> StreamWriter:
    return StreamWriter(opener(), project, layouts)


def main() -> None:
    """Run the stream.

    MILLRACE_BROKER names the broker, where the sources' own address is not meant: `redis://host:port`, or
    `parquet:FOLDER` to replay files and end. CLOCK=event lets only events and ticks move time (a replay); CLOCK=wall, the
    default, lets idle partitions follow the clock. COLD=1 starts without a handover, FRESH=1 forgets the last run.
    WORKERS and SHARDS say how many threads and how many parts of each view there are; both may change over a restart.
    ADDRESSES="host:port host:port ..." are those of several processes, of which PROCESS=0, 1, ... is this one.
    PARTITIONS says how many partitions new topics get. FEATURE_LOG=1 writes the feature logs as well. A snapshot is taken,
    and events are landed, every EPOCH_SECONDS: what a restart reads again.
    """
    workspace = Workspace.from_env()
    shards, (process, addresses) = read_whole("SHARDS", 1), read_processes()
    flow = stream_dataflow(
        workspace,
        cold=os.environ.get("COLD") == "1",
        wall_clock=os.environ.get("CLOCK", "wall") == "wall",
        shards=shards,
        partitions=read_partitions(),
        logs=os.environ.get("FEATURE_LOG") == "1",
        first=process == 0,
    )
    recovery = workspace.data / "recovery"
    prepare = partial(_prepare, workspace, recovery, shards)
    meet(workspace.data / "stream-processes", process, len(addresses) or 1, prepare, say)
    from bytewax.errors import BytewaxRuntimeError
    from bytewax.recovery import RecoveryConfig
    from bytewax.run import cli_main

    # Ended where it stands: the snapshots of the last epoch and idempotent writes make a clean exit needless.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: os._exit(0))
    if os.environ.get("MILLRACE_PARENT"):
        threading.Thread(target=_end_with, args=(int(os.environ["MILLRACE_PARENT"]),), daemon=True).start()
    if (
        os.environ.get("CLOCK", "wall") == "wall" and process == 0
    ):  # a replay ends, and may land another day's events at any time
        tidy = partial(compact_from_time_to_time, stream_plans(workspace), say)
        threading.Thread(target=tidy, name="compaction", daemon=True).start()
    # Workers and the threads that write take turns after half a millisecond, not five: each step of a small batch waits for that.
    sys.setswitchinterval(0.0005)
    gc.freeze()  # a look through all that was imported holds the stream up for a tenth of a second
    print("streaming; Ctrl-C stops", flush=True)
    try:
        cli_main(  # type: ignore[no-untyped-call]
            flow,
            workers_per_process=read_whole("WORKERS", 1),
            process_id=process if addresses else None,
            addresses=addresses or None,
            epoch_interval=timedelta(seconds=read_number("EPOCH_SECONDS", 20.0)),
            recovery_config=RecoveryConfig(str(recovery)),  # type: ignore[no-untyped-call]
        )
    except BytewaxRuntimeError as error:
        raise _reason(error) from error  # Bytewax says where in the flow it was, its cause says what to do
    finally:
        gc.unfreeze()  # else libraries say at the end that they leak


def _prepare(workspace: Workspace, recovery: Path, shards: int) -> None:
    """Make the recovery store ready for so many shards."""
    from bytewax.recovery import init_db_dir

    from pipelines.stream.rescale import rescale

    if _starts_anew(workspace):
        shutil.rmtree(recovery, ignore_errors=True)
    if not recovery.is_dir():
        unfinished = recovery.with_name(f".recovery-{os.getpid()}")  # a kill may come at any time
        unfinished.mkdir(parents=True)
        init_db_dir(unfinished, 1)  # type: ignore[no-untyped-call]
        unfinished.rename(recovery)
    rescale(recovery, recovery / "state", partial(_steps, workspace), shards, say)


def _steps(workspace: Workspace) -> list[str]:
    """Return the names under which the dataflow keeps state; some may have none."""
    from pipelines.stream.view_logic import log_step

    views = [plan.view for plan in stream_plans(workspace)]
    return [*views, *map(log_step, views)]


def _end_with(parent: int) -> None:
    """End when the process that started this one is gone, however it ended: nobody else would."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _reason(error: BaseException) -> BaseException:
    """Return the error that ended a flow."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def read_processes() -> tuple[int, list[str]]:
    """Return PROCESS and ADDRESSES: which process this is, and where each is reached; no addresses where it is the only one.

    Raises:
        SettingError: They do not fit each other.
    """
    addresses = os.environ.get("ADDRESSES", "").replace(",", " ").split()
    process = os.environ.get("PROCESS") or "0"
    wrong = [one for one in addresses if not one.rpartition(":")[0] or not one.rpartition(":")[2].isdecimal()]
    if wrong:
        raise SettingError(f"ADDRESSES: {wrong[0]} is not a host and a port; write such as node-1:2101.")
    if not process.isdecimal() or int(process) >= max(len(addresses), 1):
        raise SettingError(
            f"PROCESS={process} is none of {len(addresses)} addresses; write the place of this process in ADDRESSES, from 0."
        )
    return int(process), addresses


def read_partitions() -> int | None:
    """Return PARTITIONS, None where it is not set: a topic knows its own.

    Raises:
        SettingError: It is not a whole number of at least 1.
    """
    return read_whole("PARTITIONS", 4) if os.environ.get("PARTITIONS") else None
