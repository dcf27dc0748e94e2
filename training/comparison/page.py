"""Shows a comparison: a table for the command line, and one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from training.comparison.comparison import Comparison
from training.measures.paired import LEVEL, LOWER_IS_BETTER, Difference, title_of
from workspace.files import write_whole


def describe_comparison(found: Comparison) -> str:
    """Return the table and the verdict."""
    of = f"{found.against}/{found.champion}" if found.against else found.champion
    by = f", drawn by {found.clustered_by} ({found.clusters:,})" if found.clustered_by else ""
    left = f", {found.removed:,} of known keys left out" if found.removed else ""
    lines = [
        "",
        f"{found.service}: challenger {found.challenger} against champion {of}",
        f"  {found.start:%F} to {found.end:%F}, {found.rows:,} rows, {found.positives:,} positive{left}{by}",
        "",
        f"  {'metric':<30}{'champion':>10}{'challenger':>12}{'difference':>12}  {100 * LEVEL:g} % interval",
    ]
    for one in found.differences:
        lower = " (lower is better)" if one.metric in LOWER_IS_BETTER else ""
        title = title_of(found.predicts, one.metric, found.k) + lower
        cells = f"{number(one.champion):>10}{number(one.challenger):>12}{number(one.difference, '+'):>12}"
        test = f", DeLong p {one.p:.2g}" if one.p is not None else ""
        lines.append(f"  {title:<30}{cells}  {interval_of(one)}  {one.verdict}{test}")
    lines += ["", f"  verdict   {sentence(found)}"]
    return "\n".join(lines)


def sentence(found: Comparison) -> str:
    """Say in a line what decides."""
    one = found.main
    title = title_of(found.predicts, one.metric, found.k)
    if one.gain is None:
        return f"{title} is undefined on these rows: nothing can be said"
    return f"{found.verdict}: {title} {number(one.difference, '+')} {interval_of(one)}"


def write_page(found: Comparison, pages: Sequence[Path]) -> None:
    """Write the page to each path."""
    environment = Environment(
        loader=PackageLoader("training.comparison", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template("comparison.html.j2").render(
        found=found,
        rows=_rows(found),
        sentence=sentence(found),
        level=f"{100 * LEVEL:g}",
    )
    for path in pages:
        write_whole(path, text)


def _rows(found: Comparison) -> list[dict[str, object]]:
    """Return each metric's cells, and where its gain in percent of the champion's figure lies on an axis of -100 to 100."""
    gains = {one.metric: _percent(one) for one in found.differences}
    widest = max((abs(end) for gain in gains.values() if gain for end in gain), default=0.0) or 1.0
    return [
        {
            "title": title_of(found.predicts, one.metric, found.k),
            "lower": one.metric in LOWER_IS_BETTER,
            "champion": number(one.champion),
            "challenger": number(one.challenger),
            "difference": number(one.difference, "+"),
            "interval": interval_of(one),
            "verdict": one.verdict,
            "p": "" if one.p is None else f"{one.p:.2g}",
            "gain": gain and [round(100 * end / widest, 2) for end in gain],
            "widest": f"{widest:.3g}",
        }
        for one, gain in zip(found.differences, gains.values(), strict=True)
    ]


def _percent(one: Difference) -> tuple[float, ...] | None:
    if one.gain is None or not one.champion:
        return None
    return tuple(100 * end / abs(one.champion) for end in one.gain)


def number(value: float | None, sign: str = "") -> str:
    """Write a figure."""
    return "–" if value is None else f"{value:{sign}.4f}"


def interval_of(one: Difference) -> str:
    """Write a difference's interval."""
    return f"[{number(one.low, '+')}, {number(one.high, '+')}]"
