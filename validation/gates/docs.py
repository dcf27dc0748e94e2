"""Data Docs, pages for people: the last report of each suite and how it went before, as HTML, and the same as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from validation.gates.report import Report
from validation.gates.runs import SuiteRun, note_run, outcome_of, read_runs
from workspace.files import write_whole

FOLDER = Path("reports") / "validation"
"""Where the pages are, below the data folder."""

_RUNS = ".runs.jsonl"


def write_docs(reports: Iterable[Report], data: Path, at: datetime) -> list[Path]:
    """Write ``<data>/reports/validation/<suite>.html`` and ``.json`` for each report, and an index of all suites.

    A page replaces the one of the suite's report before, whose outcome stays in the trend. The pages need nothing from the
    network.

    Args:
        reports: What was checked, passed or not.
        data: The data folder.
        at: When it was checked, aware; shown in UTC on the pages.

    Returns:
        The HTML pages written, without the index.
    """
    folder = data / FOLDER
    pages = []
    for report in reports:
        page = folder / f"{report.suite}.html"
        runs = note_run(folder / f"{report.suite}{_RUNS}", report, at)
        template = _templates().get_template("report.html.j2")
        write_whole(page, template.render(report=report, at=at.isoformat(" ", "seconds"), runs=runs, bars=_bars(runs)))
        content = {"checked_at": at.isoformat(), "outcome": outcome_of(report), **report.to_dict()}
        write_whole(page.with_suffix(".json"), json.dumps(content, indent=2, default=str))
        pages.append(page)
    write_index(data)
    return pages


def write_index(data: Path) -> Path | None:
    """Write the page of all suites from what is there, and return it; None where nothing was ever checked."""
    folder = data / FOLDER
    read = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    known = [one for one in read if "outcome" in one]  # a report of before outcomes were kept waits for its next check
    if not known:
        return None
    worst = {"failed": 0, "warned": 1, "passed": 2}
    known.sort(key=lambda one: (worst[one["outcome"]], one["suite"]))
    trends = {one["suite"]: read_runs(folder / f"{one['suite']}{_RUNS}") for one in known}
    bars = {suite: _bars(runs) for suite, runs in trends.items()}
    page = folder / "index.html"
    write_whole(page, _templates().get_template("index.html.j2").render(reports=known, trends=trends, bars=bars))
    return page


def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _bars(runs: list[SuiteRun]) -> list[dict[str, Any]]:
    """Return a bar a run, its height in percent by the number of rows."""
    most = max((run.rows for run in runs), default=0) or 1
    return [{"run": run, "height": max(round(100 * run.rows / most), 8)} for run in runs]
