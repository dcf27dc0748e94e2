"""What was measured of a service's consistency, as JSON for gates and as a page for people.

`share_equal` in `<data>/reports/consistency/<service>.json` is what a promotion asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from validation.consistency.causes import CAUSES
from validation.consistency.measure import Consistency, Tally
from validation.pages.page import write_page

FOLDER: Final = Path("reports") / "consistency"
"""Where the reports are, below the data folder."""

KINDS: Final = ("equal", "different", "missing", "extra", "stale")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def describe_consistency(
    service: str, found: Consistency, at: datetime, span: str = "", bound: float | None = None
) -> dict[str, Any]:
    """Return everything as JSON holds it.

    Args:
        service: The service.
        found: What was measured.
        at: When, aware.
        span: The days of the decisions, for people.
        bound: The share that is asked for, if one is.
    """
    whole = _describe(found.features.values())
    views: dict[str, list[Tally]] = {}
    for name, tally in found.features.items():
        views.setdefault(name.partition("__")[0], []).append(tally)
    return {
        "service": service,
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "span": span,
        "bound": bound,
        **whole,
        "decisions": found.decisions,
        "later_than_the_logs": found.later,
        "logs_reach_to": (_EPOCH + timedelta(microseconds=found.until[0])).isoformat() if found.until else None,
        "by_view": {view: _describe(tallies) for view, tallies in views.items()},
        "by_feature": {
            name: {**_describe([tally]), "examples": tally.examples} for name, tally in found.features.items()
        },
    }


def write_consistency(data: Path, described: dict[str, Any]) -> Path:
    """Write a service's page and the JSON beside it; return the page."""
    page = data / FOLDER / f"{described['service']}.html"
    write_page(Path(__file__).parent / "consistency.html.j2", described | {"meaning": CAUSES}, page)
    return page


def _describe(tallies: Iterable[Tally]) -> dict[str, Any]:
    tallies = list(tallies)
    compared = sum(one.compared for one in tallies)
    equal = sum(one.equal for one in tallies)
    return {
        "share_equal": equal / compared if compared else None,
        "compared": compared,
        **{kind: sum(getattr(one, kind) for one in tallies) for kind in KINDS},
        "causes": dict(sum((one.causes for one in tallies), Counter[str]()).most_common()),
    }
