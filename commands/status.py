"""Shows what a workspace holds and how far its stream is. `make status`."""

from __future__ import annotations

from pathlib import Path

from commands.plan import read_plans
from commands.table import show_table
from pipelines.batch.lake import days_of, instant
from pipelines.plan import ViewPlan
from pipelines.stream.transport.base import TransportError, TransportUnavailable
from pipelines.stream.transport.open import open_transport, transport_address
from stores.online import OnlineStoreUnavailable, Progress, ViewProgress, open_online
from workspace.workspace import Workspace, open_store


def main() -> None:
    """Print, for each view, the days of its lake table and log, and how far its stream is; then lag, models, dead letters.

    "complete up to" is the instant up to which no shard of the view misses anything; "furthest" the latest that one has
    given rows for.
    """
    workspace = Workspace.from_env()
    store = open_store(workspace)
    progress = Progress()
    try:
        progress = open_online(store.config).progress(store.config.project).read()
    except OnlineStoreUnavailable as error:
        print(error)
    plans = read_plans(workspace)
    rows = []
    for plan in plans:
        at = progress.views.get(plan.view, ViewProgress(0))
        rows.append(
            (plan.view, _span(plan.table.lake), _span(plan.log), _at(at.complete), _at(at.furthest), f"{at.events:,}")
        )
    show_table(("view", "lake", "feature log", "complete up to", "furthest", "events"), rows)
    _show_lag(plans)
    dead = sum(1 for file in (workspace.data / "dead_letters").glob("*.jsonl") for _ in file.open())
    current = {p.parent.name: p.read_text().strip() for p in sorted(Path(workspace.models).glob("*/CURRENT"))}
    models = ", ".join(f"{service} {version}" for service, version in current.items()) or "none"
    print(f"models: {models}\ndead letters: {dead:,}")


def _show_lag(plans: list[ViewPlan]) -> None:
    """Print how far the stream is behind the broker, for the partition of each topic that is furthest behind."""
    topics = sorted({plan.table.topic for plan in plans if plan.kind == "stream" and plan.table.topic})
    try:
        reader = open_transport(transport_address(plans)) if topics else None
        for topic in topics:
            lag = reader.lag(topic) if reader else {}
            if lag:
                worst = max(lag, key=lambda partition: lag[partition])
                print(f"lag of {topic}: {lag[worst]:.1f} s in partition {worst}, the furthest behind of {len(lag)}")
    except (TransportError, TransportUnavailable) as error:
        print(error)


def _at(t: int | None) -> str:
    return f"{instant(t):%Y-%m-%d %H:%M:%S}" if t is not None and t > 0 else "-"


def _span(folder: str) -> str:
    days = days_of(folder)
    return f"{days[0]} to {days[-1]}" if days else "-"
