"""Shows what a workspace holds and how far its stream is. `make status`, `make status WATCH=2`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from commands.plan import read_plans
from commands.settings import read_number
from commands.status_page import Snapshots, Status, status_page
from pipelines.batch.lake import days_of
from pipelines.plan import ViewPlan
from pipelines.stream.letter_counts import LetterCounts
from pipelines.stream.transport.base import EventReader, Measured, PartitionState, TransportError, TransportUnavailable
from pipelines.stream.transport.open import open_transport, transport_address
from stores.online import OnlineStoreUnavailable, Progress, ProgressLog, open_online
from workspace.workspace import Workspace, open_store

SAMPLE = 1.0  # seconds over which a page that is shown once takes its rates
CLEAR = "\x1b[H\x1b[2J"


def find_status(
    workspace: Workspace,
    plans: Sequence[ViewPlan],
    read_progress: Callable[[], Progress],
    letters: LetterCounts,
    reader: EventReader | None,
    troubles: Sequence[str] = (),
) -> Status:
    """Return how a workspace is now; what does not answer is among the troubles."""
    found = list(troubles)
    progress = Progress()
    try:
        progress = read_progress()
    except OnlineStoreUnavailable as error:
        found.append(str(error))
    topics: dict[str, Mapping[int, PartitionState]] = {}
    if isinstance(reader, Measured):
        try:
            topics = {topic: reader.measure(topic) for topic in topics_of(plans)}
        except (TransportError, TransportUnavailable) as error:
            found.append(str(error))
    folders = {folder for plan in plans for folder in (plan.table.lake, plan.log)}
    return Status(
        time.time(),
        plans,
        {folder: _span(folder) for folder in folders},
        progress,
        topics,
        dict(letters.read()),
        find_snapshots(workspace.data / "recovery"),
        {file.parent.name: file.read_text().strip() for file in sorted(Path(workspace.models).glob("*/CURRENT"))},
        found,
    )


def topics_of(plans: Sequence[ViewPlan]) -> list[str]:
    """Return the topics that are streamed."""
    return sorted({plan.table.topic for plan in plans if plan.kind == "stream" and plan.table.topic})


def find_snapshots(folder: Path) -> Snapshots | None:
    """Return what the recovery store of a stream holds; None where there is none."""
    files = [file.stat() for file in folder.rglob("*") if file.is_file()]
    if not files:
        return None
    return Snapshots(sum(one.st_size for one in files), max(one.st_mtime for one in files))


def main() -> None:
    """Print the page, once, or every WATCH seconds until Ctrl-C.

    "complete up to" is the instant up to which no shard of the view misses anything; "furthest" the latest that one has
    given rows for.
    """
    watch = read_number("WATCH", 2.0) if os.environ.get("WATCH") else None
    workspace = Workspace.from_env()
    store = open_store(workspace)
    plans = read_plans(workspace)
    troubles: list[str] = []
    reader = None
    try:
        reader = open_transport(transport_address(plans)) if topics_of(plans) else None
    except TransportError as error:
        troubles.append(str(error))
    letters = LetterCounts(workspace.data / "dead_letters")

    @lru_cache(maxsize=1)  # an error is not remembered: the store is opened anew until it answers
    def progress_log() -> ProgressLog:
        return open_online(store.config).progress(store.config.project)

    def find() -> Status:
        return find_status(workspace, plans, lambda: progress_log().read(), letters, reader, troubles)

    before = find()
    if watch is None:
        if before.progress.views:
            time.sleep(SAMPLE)
            print(status_page(find(), before))
        else:
            print(status_page(before))
        return
    while True:
        now = find()
        page = status_page(now, before)
        print(f"{CLEAR}{page}" if sys.stdout.isatty() else f"{page}\n", flush=True)
        before = now
        time.sleep(watch)


def _span(folder: str) -> str:
    days = days_of(folder)
    return f"{days[0]} to {days[-1]}" if days else "-"
