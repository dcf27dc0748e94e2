"""Pages for people: the last report of each suite as HTML, and the same as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from validation.gates.report import Report
from workspace.files import write_whole

FOLDER = Path("reports") / "validation"
"""Where the pages are, below the data folder."""


def write_docs(reports: Iterable[Report], data: Path, at: datetime) -> list[Path]:
    """Write ``<data>/reports/validation/<suite>.html`` and ``.json`` for each report, and an index of all suites.

    A page replaces the one of the suite's report before. The pages need nothing from the network.

    Args:
        reports: What was checked, passed or not.
        data: The data folder.
        at: When it was checked, aware; shown in UTC on the pages.

    Returns:
        The HTML pages written, without the index.
    """
    folder = data / FOLDER
    jinja = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    pages = []
    for report in reports:
        page = folder / f"{report.suite}.html"
        write_whole(page, jinja.get_template("report.html.j2").render(report=report, at=at.isoformat(" ", "seconds")))
        content = {"checked_at": at.isoformat(), **report.to_dict()}
        write_whole(page.with_suffix(".json"), json.dumps(content, indent=2, default=str))
        pages.append(page)
    known = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    write_whole(folder / "index.html", jinja.get_template("index.html.j2").render(reports=known))
    return pages
