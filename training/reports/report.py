"""Writes a run's report: one HTML page that needs nothing but itself, and the same facts as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from sklearn import metrics as sk

from training.measures.metrics import Metrics
from training.reports.explorer import explorer_facts
from training.reports.plots import draw_plots, draw_wide_plots
from training.result import Tested, TrainResult
from workspace.files import write_whole


def write_report(result: TrainResult, tested: Tested, pages: Sequence[Path]) -> None:
    """Write the report to each of `pages` (`.html`), with a `.json` of the same name beside it.

    Args:
        result: The finished run.
        tested: Its test rows.
        pages: Where to write; folders are made, an older report is replaced in one step.
    """
    page = render_report(result, tested)
    facts = json.dumps(result.to_dict(), indent=2) + "\n"
    for path in pages:
        write_whole(path, page)
        write_whole(path.with_suffix(".json"), facts)


def render_report(result: TrainResult, tested: Tested) -> str:
    """Return the HTML page; see `write_report`."""
    environment = Environment(
        loader=PackageLoader("training.reports", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["span"] = _span
    environment.filters["number"] = _number
    environment.filters["interval"] = interval_text
    return environment.get_template("report.html.j2").render(
        run=result,
        metrics=metric_rows(result),
        plots=[(text, _embedded(svg)) for text, svg in draw_plots(result, tested)],
        wide={name: _embedded(svg) for name, svg in draw_wide_plots(result, tested).items()},
        explorer=_explorer(result, tested),
        data=provenance_rows(result),
        days=_spans(result),
        calibration=calibration_rows(tested) if result.calibrated_by else [],
    )


def _embedded(svg: str) -> str:
    return base64.b64encode(svg.encode()).decode()


def _explorer(result: TrainResult, tested: Tested) -> dict[str, Any] | None:
    if not isinstance(result.metrics, Metrics):
        return None
    days = max(len(result.test_days), 1)
    return explorer_facts(tested.labels, tested.scores, days, result.metrics.threshold, tested.missing, tested.alert)


def provenance_rows(result: TrainResult) -> list[tuple[str, str, str, str]]:
    """Return (what, rows, files, digest) of everything that the rows trained on and tested on were made of."""
    found = []
    for part, made_of in result.provenance.items():
        if "declarations" in made_of:
            found.append((f"{part}: declarations", "", "", str(made_of["declarations"])[:16]))
        events = made_of.get("events", {})
        read = {"label events": {**events.get("files", {}), "rows": events.get("rows", 0)}, **made_of.get("logs", {})}
        for name, one in read.items():
            digest = str(one.get("sha256", ""))[:16]
            found.append((f"{part}: {name}", f"{one.get('rows', 0):,}", f"{one.get('files', 0):,}", digest))
    return found


def metric_rows(result: TrainResult) -> list[dict[str, str]]:
    """Return for each metric its title, value, interval, chance and meaning as texts; a missing value says why in `reason`."""
    reasons, bounds = dict(result.metrics.reasons), result.metrics.intervals
    return [
        {
            "name": name,
            "title": title.format(k=getattr(result.metrics, "k", "")),
            "value": _number(getattr(result.metrics, name)),
            "interval": interval_text(bounds.get(name)),
            "chance": _number(result.chance.get(name)),
            "meaning": meaning,
            "reason": reasons.get(name, ""),
        }
        for name, (title, meaning) in result.metrics.MEANING.items()
    ]


def calibration_rows(tested: Tested) -> list[tuple[str, str, str]]:
    """Return (name, log loss, Brier score) of the scores before and after their calibration."""
    if not len(tested.labels):
        return []
    found = []
    for name, scores in (("before calibration", tested.raw), ("after it", tested.scores)):
        loss, brier = sk.log_loss(tested.labels, scores, labels=[0, 1]), ((scores - tested.labels) ** 2).mean()
        found.append((name, f"{loss:.5f}", f"{brier:.5f}"))
    return found


def interval_text(bounds: tuple[float, float] | None) -> str:
    """Return an interval as people read it; nothing where there is none."""
    return "" if bounds is None else f"{bounds[0]:.4f} to {bounds[1]:.4f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(span: timedelta) -> str:
    """Say a span of time in its largest whole unit: 7 days, 36 hours."""
    seconds = round(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"


def _spans(result: TrainResult) -> dict[str, int]:
    """Count the days of the three parts of the split."""
    split = result.split
    return {
        "train": (split.train_to - split.train_from).days,
        "gap": split.gap.days,
        "test": (split.test_to - split.test_from).days,
    }
