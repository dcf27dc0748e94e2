"""The status of a workspace as text: what was found, laid out for a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from commands.table import format_table
from pipelines.batch.lake import instant
from pipelines.plan import ViewPlan
from pipelines.stream.letter_counts import LetterCount
from pipelines.stream.transport.base import PartitionState
from stores.online import Progress, ViewProgress

_NONE = "-"


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What a restart would go on from: bytes on the disk, and when the latest was written, seconds."""

    bytes: int
    written: float


@dataclass(frozen=True, slots=True)
class Status:
    """What was found of a workspace at one moment.

    Attributes:
        now: The clock, seconds.
        plans: The planned views.
        spans: By lake folder or feature log: its days, in words.
        progress: How far the stream is.
        topics: By topic, how its partitions are.
        letters: Dead letters by topic and reason.
        snapshots: The stream's snapshots; None where there are none.
        models: By service, the version that is served.
        troubles: What could not be asked, and why.
    """

    now: float
    plans: Sequence[ViewPlan]
    spans: Mapping[str, str]
    progress: Progress
    topics: Mapping[str, Mapping[int, PartitionState]] = field(default_factory=dict)
    letters: Mapping[tuple[str, str], LetterCount] = field(default_factory=dict)
    snapshots: Snapshots | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    troubles: Sequence[str] = ()


def status_page(status: Status, before: Status | None = None) -> str:
    """Return the page; rates are since `before`, where it is given."""
    parts = [
        *status.troubles,
        _views(status),
        _stream(status, before),
        _topics(status),
        _letters(status),
        _rest(status),
    ]
    return "\n\n".join(part for part in parts if part)


def _views(status: Status) -> str:
    head = ("view", "lake", "feature log", "complete up to", "furthest", "events", "rows")
    rows = []
    for plan in status.plans:
        at = status.progress.views.get(plan.view, ViewProgress(0))
        rows.append(
            (
                plan.view,
                status.spans.get(plan.table.lake, _NONE),
                status.spans.get(plan.log, _NONE),
                shown_time(at.complete),
                shown_time(at.furthest),
                f"{at.events:,}",
                f"{at.rows:,}",
            )
        )
    return format_table(head, rows)


def _stream(status: Status, before: Status | None) -> str:
    """Return how the stream is in a line or two: rate, freshness, state, snapshots."""
    if not status.progress.views:
        return ""
    complete = status.progress.complete
    told = ["stream: complete up to " + shown_time(complete)]
    if complete is not None and complete > 0:
        told.append(f"{shown_age(status.now - complete / 1e6)} behind the clock")
    if before is not None and status.now > before.now:
        events, rows = (_sum(status.progress, n) - _sum(before.progress, n) for n in ("events", "rows"))
        seconds = status.now - before.now
        told.append(f"{max(events, 0) / seconds:,.0f} events/s into views, {max(rows, 0) / seconds:,.0f} rows/s out")
    lines = [", ".join(told)]
    held = state_of(status.progress)
    if held:
        lines.append(f"state: {held}")
    if status.snapshots is not None:
        age = shown_age(status.now - status.snapshots.written)
        lines.append(f"snapshots: {shown_bytes(status.snapshots.bytes)}, the latest {age} ago")
    return "\n".join(lines)


def state_of(progress: Progress) -> str:
    """Return what the views hold, in words; empty where the stream does not tell.

    They are added up over the views.
    """
    total: dict[str, int] = {}
    for view in progress.views.values():
        for name, number in view.held.items():
            total[name] = total.get(name, 0) + number
    return ", ".join(shown_bytes(n) if name == "bytes" else f"{n:,} {name}" for name, n in total.items())


def _topics(status: Status) -> str:
    rows, lost = [], []
    for topic, partitions in sorted(status.topics.items()):
        for partition, one in sorted(partitions.items()):
            behind = _NONE if one.behind is None else f"{one.behind:.1f} s"
            rows.append((topic, str(partition), _count(one.held), _count(one.unread), behind))
            if one.lost:
                lost.append(f"{topic}, partition {partition}: {one.lost}.")
    if not rows:
        return ""
    return "\n".join([format_table(("topic", "partition", "entries", "unread", "behind"), rows), *lost])


def _letters(status: Status) -> str:
    if not status.letters:
        return "dead letters: none"
    rows = [
        (topic, code or _NONE, f"{one.count:,}", one.latest[:19].replace("T", " "))
        for (topic, code), one in sorted(status.letters.items())
    ]
    return format_table(("dead letters of", "reason", "events", "latest (UTC)"), rows)


def _rest(status: Status) -> str:
    return "models: " + (", ".join(f"{name} {version}" for name, version in status.models.items()) or "none")


def _sum(progress: Progress, name: str) -> int:
    return sum(getattr(view, name) for view in progress.views.values())


def _count(number: int | None) -> str:
    return _NONE if number is None else f"{number:,}"


def shown_time(t: int | None) -> str:
    """Return a time in microseconds as people read it, UTC; a dash for none."""
    return f"{instant(t):%Y-%m-%d %H:%M:%S}" if t is not None and t > 0 else _NONE


def shown_age(seconds: float) -> str:
    """Return a duration in the unit that fits it.

    >>> [shown_age(s) for s in (0.04, 59.9, 60, 7200, 200_000)]
    ['0.0 s', '59.9 s', '1 min', '2 h', '2 d']
    """
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(seconds, 0.0):.1f} s"


def shown_bytes(count: int) -> str:
    """Return a number of bytes in the unit that fits it.

    >>> [shown_bytes(n) for n in (0, 999, 1_500, 34_000_000, 5_100_000_000)]
    ['0 B', '999 B', '1.5 kB', '34.0 MB', '5.1 GB']
    """
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"
