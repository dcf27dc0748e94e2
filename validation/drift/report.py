"""Measures the drift of a served day, as JSON for metrics and as a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

from contract.drift_report import drift_folder
from contract.reference import ColumnReference
from validation.drift.bounds import FEWEST_DAYS, TESTS, bounded_measures, noise_of
from validation.drift.measures import Counts, jensen_shannon
from validation.drift.served import ServedDay
from validation.pages.page import write_page

FEWEST_ROWS: Final = 30
"""Of fewer values nothing is said."""

JS: Final = "js"


def describe_drift(
    service: str, version: str, reference: Mapping[str, ColumnReference], served: ServedDay, alpha: float, at: datetime
) -> dict[str, Any]:
    """Return everything as JSON holds it: each column's measures, their bounds and whether they are more.

    Args:
        service: The service.
        version: The model's version, whose reference it is.
        reference: From `contract.reference`.
        served: The day.
        alpha: How often, at most, a day without drift may alarm.
        at: When it is measured, aware.
    """
    able = [name for name, counts in served.counts.items() if counts.sum() >= FEWEST_ROWS]
    each = alpha / max(TESTS * len(able), 1)
    columns = {name: _column(reference[name], served.counts[name], each) for name in able}
    return {
        "service": service,
        "version": version,
        "day": served.day.isoformat(),
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "alpha": alpha,
        "decisions": served.decisions,
        "alerts": [name for name, one in columns.items() if one["alerts"]],
        "columns": columns,
        "left_out": {name: _why(name, served.counts) for name in reference if name not in columns},
    }


def write_drift(data: Path, described: Mapping[str, Any]) -> Path:
    """Write a day's page and the JSON beside it; return the page."""
    page = drift_folder(data, described["service"]) / f"{described['day']}.html"
    write_page(Path(__file__).parent / "drift.html.j2", described, page)
    return page


def _column(reference: ColumnReference, served: Counts, alpha: float) -> dict[str, Any]:
    days = reference.array()
    whole = days[: reference.trained].sum(axis=0)
    found = bounded_measures(noise_of(days, reference.trained), served, alpha)
    return {
        "rows": int(served.sum()),
        "days": len(reference.days),
        "measures": {name: one.value for name, one in found.items()} | {JS: jensen_shannon(whole, served)},
        "bounds": {name: one.bound if isfinite(one.bound) else None for name, one in found.items()},
        "alerts": [name for name, one in found.items() if one.is_alert],
        "edges": list(reference.edges),
        "trained": [round(float(one), 6) for one in whole / max(whole.sum(), 1)],
        "served": [round(float(one), 6) for one in served / served.sum()],
        "note": ""
        if len(reference.days) >= FEWEST_DAYS
        else f"trained on {len(reference.days)} days: too few for bounds",
    }


def _why(name: str, counts: Mapping[str, Counts]) -> str:
    return f"{int(counts[name].sum())} values, too few" if name in counts else "nothing was recorded"
