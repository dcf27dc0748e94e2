"""Computes what is new of every batch view, at its slide, into log and online store. `make refresh`, from cron or EVERY=1h."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commands.materialize import materialize
from commands.plan import picked_plans
from commands.settings import read_duration
from commands.table import show_table
from contract.durations import MINUTE, SECOND, format_duration
from pipelines.batch.lake import LakeError, instant
from pipelines.batch.materialize import NothingToMaterializeError
from pipelines.batch.refresh import fill_due, find_due, slide_of
from pipelines.plan import ViewPlan
from stores.online import OnlineStoreUnavailable
from workspace.addresses import AddressError
from workspace.files import write_whole
from workspace.one_at_a_time import HeldError, one_at_a_time
from workspace.spark_session import SparkOnDemand
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore
    from pyspark.sql import SparkSession

FILE = "refreshed.json"
GRACE = 5 * MINUTE


class RefreshError(ValueError):
    """A refresh that cannot be done now."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did of one view.

    Attributes:
        view: The view.
        until: The instant of its last rows, microseconds; None where it was never refreshed.
        online: Rows written to the online store; None where nothing was due.
        seconds: Wall time.
        failed: Why it was not done; empty if it was.
    """

    view: str
    until: int | None
    online: int | None
    seconds: float = 0.0
    failed: str = ""


def refreshing(workspace: Workspace) -> AbstractContextManager[None]:
    """Hold a workspace while it is refreshed: one at a time.

    Raises:
        HeldError: Somebody else refreshes it.
    """
    return one_at_a_time(workspace.state / ".refreshing", f"{workspace.data} is being refreshed")


def refresh(
    spark: Callable[[], SparkSession],
    workspace: Workspace,
    store: FeatureStore,
    plans: Sequence[ViewPlan],
    landed: int | None,
) -> Iterator[Refreshed]:
    """Refresh each view up to the last instant of its slide before which all events have `landed`; yield what was done.

    A view is noted as refreshed when its rows are in the log and online: a refresh that is killed is done again, with the same
    result. A view that fails its gate stays as it was online, and the others go on.

    Raises:
        LakeError: A lake is empty.
        OnlineStoreUnavailable: The online store does not answer.
    """
    from validation.gates.report import ValidationFailed

    noted = read_refreshed(workspace)
    for plan in plans:
        began = time.monotonic()
        due = find_due(plan, noted.get(plan.view), landed)
        if due is None:
            yield Refreshed(plan.view, noted.get(plan.view), None)
            continue
        fill_due(spark, plan, due)
        try:
            online = sum(one.rows for one in materialize(spark, workspace, store, [plan], due.until))
        except NothingToMaterializeError:  # no entity has had an event yet
            online = 0
        except ValidationFailed as error:
            yield Refreshed(plan.view, noted.get(plan.view), None, time.monotonic() - began, str(error))
            continue
        noted[plan.view] = due.until
        write_whole(workspace.state / FILE, json.dumps(noted, indent=1), durable=True)
        yield Refreshed(plan.view, due.until, online, time.monotonic() - began)


def read_refreshed(workspace: Workspace) -> dict[str, int]:
    """Return the instant, microseconds, up to which each view has been refreshed."""
    file: Path = workspace.state / FILE
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def main() -> int:
    """Refresh once; with EVERY=1h go on, an hour after the other. VIEWS= picks some views.

    What happened before an instant has landed GRACE=5min after it; with CLOCK=event the newest event in the lake says how late
    it is, as for events that are not of today. Return 1 where a view failed its gate.
    """
    every, grace = read_duration("EVERY", 0), read_duration("GRACE", GRACE)
    workspace = Workspace.from_env()
    plans = [plan for plan in picked_plans(workspace) if plan.kind == "batch"]
    if not plans:
        raise RefreshError("no BatchFeatureView with aggregations; stream views are kept fresh by `make stream`.")
    by_events = os.environ.get("CLOCK") == "event"
    spark = SparkOnDemand("refresh", workspace.data / "spark.log")
    with refreshing(workspace):
        store = open_store(workspace)
        while True:
            failed = False
            try:
                landed = None if by_events else time.time_ns() // 1000 - grace
                failed = show_refreshed(plans, list(refresh(spark, workspace, store, plans, landed)))
            except (OnlineStoreUnavailable, AddressError, LakeError, HeldError) as error:
                if not every:
                    raise
                print(f"refresh: {error}", file=sys.stderr, flush=True)
            if not every:
                spark.stop()
                return int(failed)
            now = time.time_ns() // 1000 - grace
            time.sleep((every - now % every) / SECOND)


def show_refreshed(plans: Sequence[ViewPlan], done: Sequence[Refreshed]) -> bool:
    """Show what was done, and return whether a view failed."""
    slides = {plan.view: format_duration(slide_of(plan)) for plan in plans}
    rows = [
        (
            one.view,
            slides[one.view],
            f"{instant(one.until):%Y-%m-%d %H:%M}" if one.until is not None else "-",
            "failed" if one.failed else "up to date" if one.online is None else f"{one.online:,}",
            f"{one.seconds:.1f}",
        )
        for one in done
    ]
    show_table(("view", "slide", "up to", "rows online", "seconds"), rows)
    for one in done:
        if one.failed:
            print(f"{one.view}: {one.failed}", file=sys.stderr, flush=True)
    return any(one.failed for one in done)
