"""Writes what was found as a page for people, and the same facts as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from workspace.files import write_whole


def write_page(template: Path, found: Mapping[str, Any], page: Path) -> None:
    """Write `<page>.html` and `.json` of the same name; each replaces an older one in one step.

    Args:
        template: The page's template; it may extend `page.html.j2`, and sees what was found by its names.
        found: The facts, as JSON can hold them.
        page: Where to write; the folder is made.
    """
    folders = [str(template.parent), str(Path(__file__).parent)]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.2f} %"
    environment.filters["number"] = lambda value: "–" if value is None else f"{value:,.4g}"
    environment.filters["whole"] = lambda value: f"{value:,}"
    write_whole(page, environment.get_template(template.name).render(**found))
    write_whole(page.with_suffix(".json"), json.dumps(found, indent=2, default=str) + "\n")
