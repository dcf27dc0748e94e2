"""Shows what a workspace holds and how far its stream is. `make status`."""

from __future__ import annotations

from pathlib import Path

from commands.online import connection
from commands.plan import read_plans
from commands.table import show_table
from pipelines.batch.lake import EPOCH, days_of
from stores.redis.connection import OnlineStoreUnavailable, connect
from stores.redis.stream_rows import read_counters, read_frontier
from workspace.workspace import Workspace, open_store


def main() -> None:
    """Print, for each view, the days of its lake table and log and the instant that its stream has reached."""
    from datetime import timedelta

    workspace = Workspace.from_env()
    store = open_store(workspace)
    address, kind, master = connection(store)
    frontier: dict[str, int] = {}
    counters: dict[str, int] = {}
    try:
        client = connect(address, kind, sentinel_master=master)
        frontier, counters = read_frontier(client, store.config.project), read_counters(client, store.config.project)
    except OnlineStoreUnavailable as error:
        print(error)
    rows = []
    for plan in read_plans(workspace):
        reached = [t for shard, t in frontier.items() if shard.rpartition("/")[0] == plan.view]
        at = f"{EPOCH + timedelta(microseconds=min(reached)):%Y-%m-%d %H:%M:%S}" if reached else "-"
        events = f"{counters.get(f'{plan.view}:events', 0):,}"
        rows.append((plan.view, _span(plan.table.lake), _span(plan.log), at, events))
    show_table(("view", "lake", "feature log", "stream at", "streamed"), rows)
    dead = sum(1 for file in (workspace.data / "dead_letters").glob("*.jsonl") for _ in file.open())
    current = {p.parent.name: p.read_text().strip() for p in sorted(Path(workspace.models).glob("*/CURRENT"))}
    models = ", ".join(f"{service} {version}" for service, version in current.items()) or "none"
    print(f"models: {models}\ndead letters: {dead:,}")


def _span(folder: str) -> str:
    days = days_of(folder)
    return f"{days[0]} to {days[-1]}" if days else "-"
