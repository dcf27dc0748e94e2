"""Writes a run's report: one HTML page that needs nothing but itself, and the same facts as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from training.measures.metrics import Labels, Scores
from training.reports.plots import draw_plots
from training.result import TrainResult
from workspace.files import write_whole


def write_report(result: TrainResult, labels: Labels, scores: Scores, pages: Sequence[Path]) -> None:
    """Write the report to each of `pages` (`.html`), with a `.json` of the same name beside it.

    Args:
        result: The finished run.
        labels: The test labels, shape (rows,).
        scores: The model's answers, shape (rows,).
        pages: Where to write; folders are made, an older report is replaced in one step.
    """
    page = render_report(result, labels, scores)
    facts = json.dumps(result.to_dict(), indent=2) + "\n"
    for path in pages:
        write_whole(path, page)
        write_whole(path.with_suffix(".json"), facts)


def render_report(result: TrainResult, labels: Labels, scores: Scores) -> str:
    """Return the HTML page; see `write_report`."""
    environment = Environment(
        loader=PackageLoader("training.reports", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["span"] = _span
    return environment.get_template("report.html.j2").render(
        run=result,
        metrics=metric_rows(result),
        plots=[(text, base64.b64encode(svg.encode()).decode()) for text, svg in draw_plots(result, labels, scores)],
        days=_spans(result),
    )


def metric_rows(result: TrainResult) -> list[dict[str, str]]:
    """Return for each metric its title, value, chance and meaning as texts; a missing value says why in `reason`."""
    reasons = dict(result.metrics.reasons)
    return [
        {
            "name": name,
            "title": title.format(k=getattr(result.metrics, "k", "")),
            "value": _number(getattr(result.metrics, name)),
            "chance": _number(result.chance.get(name)),
            "meaning": meaning,
            "reason": reasons.get(name, ""),
        }
        for name, (title, meaning) in result.metrics.MEANING.items()
    ]


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
