"""Says what the declarations mean against what is applied, before they are applied. `make diff`. It changes nothing.

Sample and figures: pipelines/batch/change_sample.py. What was applied: commands/applied.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from commands.applied import Declared, read_applied, read_declared
from commands.table import format_table
from pipelines.batch.change_sample import Sample, SampleError, sample_change
from pipelines.batch.lake import days_of
from pipelines.plan import ViewPlan
from pipelines.plan_change import Change, changes_of, describe_feature, lines_apart
from pipelines.plan_view import plan_views
from pipelines.trial.small_events import show_instant
from workspace.workspace import Workspace, load_config, open_store, read_declarations, silence_feast

MARKS = {"added": "+", "removed": "-", "changed": "~"}

STORES: Final[Mapping[str, frozenset[str]]] = {
    "hot": frozenset({"hot"}),
    "warm": frozenset({"warm"}),
    "both": frozenset({"hot", "warm"}),
}
"""The stores of a tiered one that hold a view's rows, by its tag `millrace.store`."""


@dataclass(frozen=True, slots=True)
class ViewDiff:
    """What becomes of one view.

    Attributes:
        view: The view.
        kind: `added`, `removed`, `changed` or `same`.
        changes: What changed in it.
        days: The first and the last day that must be computed anew; None where the log stays right.
        gone: Days of the log that are before the lake's first: they cannot be computed any more.
        sample: How values change; None where that was not asked or not possible.
        unsampled: Why there is no sample, where one was wanted.
    """

    view: str
    kind: str
    changes: tuple[Change, ...] = ()
    days: tuple[str, str] | None = None
    gone: int = 0
    sample: Sample | None = None
    unsampled: str = ""


def diff_views(old: Declared, new: Declared) -> Iterator[ViewDiff]:
    """Compare the views that the engines compute, by name."""
    ends = [day for plan in new.plans.values() for day in days_of(plan.table.lake)[-1:]]
    last = max(ends, default="")
    for view in sorted(old.plans.keys() | new.plans.keys() | old.unread.keys()):
        before, after = old.plans.get(view), new.plans.get(view)
        if after is None:
            yield ViewDiff(view, "removed")
        elif before is None:
            why = old.unread.get(view)
            change = (
                (Change("changed", "view", f"what was applied cannot be read ({why})", True, False),) if why else ()
            )
            yield ViewDiff(view, "changed" if why else "added", change, *_days(after, last))
        else:
            moved = _moved(old, new, view)
            store = (Change("changed", "store", moved, False, False),) if moved else ()
            yield _diff_view(before, after, old.sources.get(view, ""), new.sources.get(view, ""), store, last)


def diff_parts(
    old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield (name, kind, what) for services, or for views that others compute."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new or name not in old:
            yield name, "removed" if name not in new else "added", ""
        else:
            for part in sorted(old[name].keys() | new[name].keys()):
                before, after = old[name].get(part, ""), new[name].get(part, "")
                if before != after:
                    yield name, "changed", f"{part}: {_apart(before, after)}"


def views_to_fill(old: Declared, new: Declared) -> list[str]:
    """Return the views that are now also in a store that has none of their rows until they are materialized."""
    both = old.tiers.keys() & new.tiers.keys()
    return sorted(view for view in both if STORES[new.tiers[view]] - STORES[old.tiers[view]])


def registered_names(workspace: Workspace) -> set[str]:
    """Return the names of all views and services in the registry.

    A registry file that is not there stays away: opening the store would make an empty one.
    """
    silence_feast()
    registry: Any = load_config(workspace).registry
    if (
        registry.registry_type == "file"
        and "://" not in registry.path
        and not (workspace.repo / registry.path).exists()
    ):
        return set()
    store = open_store(workspace)
    named: list[Any] = [*store.list_all_feature_views(), *store.list_feature_services()]
    return {one.name for one in named}


def describe_diff(old: Declared, new: Declared, views: list[ViewDiff]) -> str:
    """Return the page: every difference, what to compute anew, and a table at the end."""
    lines: list[str] = []
    for one in views:
        lines += _describe_view(one, new.plans.get(one.view), old.plans.get(one.view))
    services = list(diff_parts(old.services, new.services))
    others = list(diff_parts(old.others, new.others))
    plain = (name for name in sorted(old.others.keys() & new.others.keys()) if _moved(old, new, name))
    others += [(name, "changed", f"store: {_moved(old, new, name)}") for name in plain]
    for title, found in (("view", others), ("service", services)):
        lines += [f"{MARKS[kind]} {title} {name}{f': {what}' if what else ''}" for name, kind, what in found]
    stale = [one for one in views if one.days]
    moved = {one.view for one in views if one.kind == "removed" or any(c.values for c in one.changes)}
    moved |= {one.view for one in views if one.sample is not None and one.sample.differ}
    affected = sorted(name for name, parts in new.services.items() if moved & _views_of(parts))
    if lines:
        lines.append("")
    for days in dict.fromkeys(one.days for one in stale):
        names = ",".join(one.view for one in stale if one.days == days)
        lines += [f"after `make apply`: make backfill FROM={days[0]} TO={days[1]} VIEWS={names}"] if days else []
    if stale:
        lines.append(
            "then `make materialize`, and start a stream that runs anew from that backfill: make stream FRESH=1"
        )
    fill = views_to_fill(old, new)
    if fill:
        lines.append(
            f"after `make apply`, to fill the store that they are new in: make materialize VIEWS={','.join(fill)}"
        )
    if affected:
        lines.append(
            f"services whose values change: {', '.join(affected)}; models trained on them should be trained anew"
        )
    counts = [
        _count("views of engines", [one.kind for one in views if one.kind != "same"]),
        _count(
            "features", [change.kind for one in views for change in one.changes if _is_feature(change, one, old, new)]
        ),
        _count("other views", _kinds(others)),
        _count("services", _kinds(services)),
    ]
    lines.append(format_table(("", "added", "removed", "changed"), counts))
    return "\n".join(lines)


def main() -> None:
    """Print what `make apply` would mean."""
    workspace = Workspace.from_env()
    contents = read_declarations(workspace)
    now = read_declared(contents, plan_views(contents))
    registered = registered_names(workspace)
    applied = read_applied(workspace) if registered else None
    if not registered:
        print(f"nothing is applied yet in {workspace.data}: all that is declared is new; `make apply` registers it.\n")
    elif applied is None:
        names = {*now.plans, *now.others, *now.services}
        print(
            f"{len(registered)} views and services are registered, but not by a `make apply` that keeps its plans: only"
            " names can be compared.\nRun `make apply` once; from then on meaning is compared as well.\n"
        )
        for sign, some in (("+", names - registered), ("-", registered - names)):
            print("".join(f"{sign} {name}\n" for name in sorted(some)), end="")
        return
    else:
        print(f"against what `make apply` registered at {applied.at}")
        known = {*applied.plans, *applied.unread, *applied.others, *applied.services}
        if known != registered:
            print(
                f"the registry has been changed since by something else ({', '.join(sorted(known ^ registered))}); what"
                " that changed is not compared"
            )
        print()
    before = applied or Declared({}, {}, {}, {})
    views = list(diff_views(before, now))
    print(describe_diff(before, now, views))
    if (
        applied
        and before.services == now.services
        and before.others == now.others
        and not any(_moved(before, now, name) for name in now.others)
        and all(v.kind == "same" for v in views)
    ):
        print("\nno differences")


def _moved(old: Declared, new: Declared, view: str) -> str:
    """Return what the tag `millrace.store` of a view changes, and what that means for its rows; empty where it does not."""
    before, after = old.tiers.get(view), new.tiers.get(view)
    if before is None or after is None or before == after:
        return ""
    came, left = STORES[after] - STORES[before], STORES[before] - STORES[after]
    said = [f"{before} -> {after}"]
    if came and left:
        said.append(f"reads find nothing until {''.join(came)} is filled: materialize again")
    elif came:
        said.append(f"{''.join(came)} has none of its rows yet: materialize again")
    else:
        said.append(f"{after} has its rows already")
    if left:
        said.append(f"those in {''.join(left)} stay there, unread")
    return "; ".join(said)


def _diff_view(
    old: ViewPlan, new: ViewPlan, old_source: str, new_source: str, store: tuple[Change, ...], last: str
) -> ViewDiff:
    changes = (*changes_of(old, new, old_source, new_source), *store)
    sample, why = None, ""
    # A transform may call what its own text does not show, so such a view is always sampled.
    if any(change.values for change in changes) or new.transform is not None:
        try:
            sample = sample_change(old, new)
        except SampleError as error:
            why = str(error)
    if not changes and sample is not None and sample.differ:
        changes = (Change("changed", "transform", "its text is the same, what it calls is not", True, True),)
    if not changes:
        return ViewDiff(new.view, "same")
    days, gone = _days(new, last) if any(change.recompute for change in changes) else (None, 0)
    return ViewDiff(new.view, "changed", changes, days, gone, sample, why)


def _days(plan: ViewPlan, last: str) -> tuple[tuple[str, str] | None, int]:
    """Return the first and the last day to compute anew, and how many days of the log are before the lake's first.

    A change reaches all rows: from the first day of events to the last one of any table, or of the log if that is later,
    for a delayed view has rows when its own events have long ended.
    """
    lake, log = days_of(plan.table.lake), days_of(plan.log)
    if not lake:
        return None, len(log)
    return (lake[0], max(last, *lake[-1:], *log[-1:])), sum(day < lake[0] for day in log)


def _describe_view(one: ViewDiff, new: ViewPlan | None, old: ViewPlan | None) -> list[str]:
    plan = new or old
    if one.kind == "same":
        return []
    lines = [f"{MARKS[one.kind]} view {one.view}{f' ({plan.kind})' if plan else ''}"]
    if one.kind == "added" and new is not None:
        lines += [f"    + {feature.name}: {describe_feature(feature)}" for feature in new.features]
    for change in one.changes:
        said = change.said.replace("\n", "\n        ")
        lines.append(f"    {MARKS[change.kind]} {change.what}: {said}")
    if one.days:
        lines.append(f"    days to compute anew: {one.days[0]} to {one.days[1]} ({_count_days(*one.days)})")
    if one.gone:
        lines.append(
            f"    days of the log that the lake does not have any more, and that keep the old meaning: {one.gone}"
        )
    if one.unsampled:
        lines.append(f"    values: no sample; {one.unsampled}")
    return lines + (_describe_sample(one.sample) if one.sample else [])


def _describe_sample(sample: Sample) -> list[str]:
    lines = [
        f"    values: {sample.differ:,} of {sample.reads:,} rows differ, read for {sample.entities:,} entities from"
        f" {show_instant(sample.start)} to {show_instant(sample.stop)} ({sample.events:,} events)"
    ]
    if sample.cut:
        lines.append(
            "    there are too many events for the whole of the windows: the oldest are left out, on both sides"
        )
    moved = [feature for feature in sample.features if feature.differ]
    if moved:
        rows = [(f.name, f"{f.differ:,}", "-" if f.mean is None else f"{f.mean:.6g}") for f in moved]
        lines += [f"      {line}" for line in format_table(("feature", "differ", "mean change"), rows).splitlines()]
        lines += [
            f"      {f.name} of {who} at {show_instant(t)}: {_short(a)} -> {_short(b)}"
            for f in moved
            for who, t, a, b in f.examples
        ]
    return lines


def _count_days(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _apart(before: str, after: str) -> str:
    """Return how two texts differ; of longer ones the lines that went and came."""
    if max(before.count("\n"), after.count("\n")) == 0:
        return f"{before or 'none'} -> {after or 'none'}"
    return "".join(f"\n    {line}" for line in lines_apart(before, after))


def _views_of(service: Mapping[str, str]) -> set[str]:
    return {line.partition(":")[0] for line in service.get("features", "").splitlines()}


def _is_feature(change: Change, one: ViewDiff, old: Declared, new: Declared) -> bool:
    plans = (old.plans.get(one.view), new.plans.get(one.view))
    return change.what in {feature.name for plan in plans if plan for feature in plan.features}


def _kinds(found: list[tuple[str, str, str]]) -> list[str]:
    return list({name: kind for name, kind, _ in found}.values())


def _count(what: str, kinds: list[str]) -> tuple[str, ...]:
    return (what, *(str(kinds.count(kind)) for kind in MARKS))
