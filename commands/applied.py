"""Keeps what was applied: the plans and the services, as JSON beside the registry, for Feast's registry forgets some (ADR 4)."""

from __future__ import annotations

import base64
import inspect
import json
import linecache
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.durations import parse_duration
from contract.tags import read_tags, read_tier
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window
from workspace.files import write_whole
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast.repo_contents import RepoContents

FILE = "applied_plans.json"
FORMAT = 1


class AppliedError(ValueError):
    """What is kept of the last apply cannot be read."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a repo declares, or declared when it was applied, as it can be compared.

    Attributes:
        plans: The plans by view.
        sources: The text of each view's transform; views without one are not in it.
        others: Views that no engine of ours computes: their parts as text, by view.
        services: The services: their parts as text, by service; features are among the parts.
        unread: Views whose plan this version cannot read, and why.
        at: When it was applied; empty for what is only declared.
        tiers: Where the rows of each online view lie, by view; a record of before this was kept has none.
    """

    plans: Mapping[str, ViewPlan]
    sources: Mapping[str, str]
    others: Mapping[str, Mapping[str, str]]
    services: Mapping[str, Mapping[str, str]]
    unread: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    tiers: Mapping[str, str] = field(default_factory=dict)


def read_declared(declared: RepoContents, plans: Sequence[ViewPlan]) -> Declared:
    """Return what a repo declares now."""
    linecache.checkcache()  # sources that were edited since they were first read
    planned = {plan.view: plan for plan in plans}
    views = [*declared.feature_views, *declared.stream_feature_views]
    others = {view.name: _plain(view) for view in views if view.name not in planned}
    others |= {view.name: _on_demand(view) for view in declared.on_demand_feature_views}
    return Declared(
        planned,
        {plan.view: source_of(plan.transform) for plan in plans if plan.transform is not None},
        others,
        {service.name: _service(service) for service in declared.feature_services},
        tiers={
            view.name: read_tier(view.name, read_tags(view.name, view.tags, "view")) for view in views if view.online
        },
    )


def write_applied(workspace: Workspace, now: Declared) -> None:
    """Keep what has just been applied."""
    record = {
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(" ", "seconds"),
        "plans": [json.loads(plan.to_json()) for plan in now.plans.values()],
        "sources": now.sources,
        "transforms": {p.view: _pickled(p.transform, workspace.repo) for p in now.plans.values() if p.transform},
        "others": now.others,
        "services": now.services,
        "tiers": now.tiers,
    }
    write_whole(workspace.data / FILE, json.dumps(record, indent=1))


def read_applied(workspace: Workspace) -> Declared | None:
    """Return what was applied last; None where nothing was, or not by `make apply`.

    Raises:
        AppliedError: The file is of another version.
    """
    file = workspace.data / FILE
    if not file.is_file():
        return None
    record = json.loads(file.read_text())
    if record.get("format") != FORMAT:
        raise AppliedError(f"{file} is of format {record.get('format')}, this is {FORMAT}; run `make apply` once.")
    plans, unread = {}, {}
    for one in record["plans"]:
        view = one["view"]
        try:
            plans[view] = _plan(one, record["transforms"].get(view))
        except Exception as error:  # whatever a version that is gone wrote, or a transform that needs what is gone
            unread[view] = f"{type(error).__name__}: {error}"
    tiers = record.get("tiers", {})
    return Declared(plans, record["sources"], record["others"], record["services"], unread, record["at"], tiers)


def source_of(function: Any) -> str:
    """Return the text of a function; where there is no file, that of its compiled code."""
    try:
        return inspect.getsource(function).strip()
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        return f"{getattr(function, '__qualname__', function)} {code.co_code.hex() if code else ''}".strip()


def _plan(record: Mapping[str, Any], transform: str | None) -> ViewPlan:
    """Return the plan that `ViewPlan.to_json` wrote."""
    table = EventTable(**{**record["table"], "columns": tuple(record["table"]["columns"].items())})
    function = pickle.loads(base64.b64decode(transform)) if transform else None
    return ViewPlan(
        record["view"],
        record["kind"],
        tuple(record["keys"]),
        tuple(_feature(one, record["kind"] == "batch") for one in record["features"]),
        table,
        record["log"],
        parse_duration(record["ttl"]),
        function,
    )


def _feature(record: Mapping[str, Any], aligned: bool) -> Feature:
    size, slide, delay = (parse_duration(record[name]) for name in ("size", "slide", "delay"))
    aggregator, gap = parse_function(record["function"])
    return Feature(
        record["name"], aggregator, record["column"], Window(size, slide, delay, aligned), gap, record["function"]
    )


def _pickled(function: Callable[[Any], Any], repo: Path) -> str:
    """Return a transform with all of the repo's code that it needs: the files will say something else by then."""
    from pyspark import cloudpickle

    ours = [module for module in list(sys.modules.values()) if _lies_in(module, repo)]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        return base64.b64encode(cloudpickle.dumps(function)).decode()  # type: ignore[no-untyped-call]
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _lies_in(module: Any, repo: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).resolve().is_relative_to(repo)


def _plain(view: Any) -> dict[str, str]:
    source = view.batch_source
    return {
        "keys": _listed(one.name for one in view.entity_columns),
        "features": _listed(f"{one.name} {one.dtype}" for one in view.features),
        "source": str(getattr(source, "path", "") or getattr(source, "name", "")),
        "timestamp": str(getattr(source, "timestamp_field", "")),
        "ttl": str(view.ttl),
        "online": str(view.online),
    }


def _on_demand(view: Any) -> dict[str, str]:
    read = [f"{p.name}:{one.name}" for p in view.source_feature_view_projections.values() for one in p.features]
    asked = [f"request:{one.name}" for source in view.source_request_sources.values() for one in source.schema]
    return {
        "features": _listed(f"{one.name} {one.dtype}" for one in view.features),
        "inputs": _listed([*read, *asked]),
        "mode": str(view.mode),
        "function": source_of(getattr(view.feature_transformation, "udf", None)),
    }


def _service(service: Any) -> dict[str, str]:
    features = [f"{p.name_to_use()}:{one.name}" for p in service.feature_view_projections for one in p.features]
    return {"features": _listed(features), **{f"tag {name}": value for name, value in service.tags.items()}}


def _listed(names: Any) -> str:
    return "\n".join(sorted(names))
