"""Holds a day of what was served against what the champion was trained on. `make drift`. Changes nothing but its report."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import Any

from commands.settings import SettingError, read_day, read_number
from commands.table import show_table
from contract.model_file import current_version
from contract.reference import read_reference
from serving.config import load_config
from validation.drift.report import describe_drift, write_drift
from validation.drift.served import count_served, newest_whole_day
from workspace.workspace import Workspace

ALPHA = 0.01


def measure_day(
    workspace: Workspace, service: str, day: date | None = None, alpha: float = ALPHA, version: str | None = None
) -> dict[str, Any]:
    """Measure a day, by default the newest that is over, against a version, by default the champion, and write the report.

    Raises:
        DriftError: There are no decisions of that day.
        ModelFileError: There is no champion.
        ReferenceFileError: There is no such version, or none with a reference.
    """
    version = version or current_version(workspace.models, service)
    reference = read_reference(workspace.models, service, version)
    now = datetime.now(UTC)
    day = day or newest_whole_day(workspace.data, service, now.date())
    served = count_served(workspace.data, service, day, reference, version)
    described = describe_drift(service, version, reference, served, alpha, now)
    write_drift(workspace.data, described)
    return described


def main() -> int:
    """Measure SERVICE, by default the first that is served, on DAY, against VERSION; return 1 where a column has drifted.

    Raises:
        SettingError: A setting is not what it must be.
    """
    workspace = Workspace.from_env()
    alpha = read_number("ALPHA", ALPHA)
    if alpha >= 1:
        raise SettingError(f"ALPHA={alpha:g}: is a probability of false alarms a day; write such as ALPHA=0.01.")
    service = os.environ.get("SERVICE") or load_config(workspace.repo / "serving.yaml").services[0]
    described = measure_day(workspace, service, read_day("DAY"), alpha, os.environ.get("VERSION") or None)
    show_drift(described)
    return 1 if described["alerts"] else 0


def show_drift(described: dict[str, Any]) -> None:
    """Print the columns that have drifted, or the three that come nearest to it."""
    columns = described["columns"]
    shown = described["alerts"] or sorted(columns, key=lambda name: -columns[name]["measures"]["psi"])[:3]
    if shown:
        names = ("psi", "ks", "missing")
        head = ("column", *(cell for name in names for cell in (name, "bound")), "")
        show_table(head, [(one, *_cells(columns[one], names), ", ".join(columns[one]["alerts"])) for one in shown])
    said = f"{len(described['alerts'])} of {len(columns)} columns have drifted"
    print(f"{described['service']} {described['day']}: {said}, {described['decisions']:,} decisions")


def _cells(column: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    cells = []
    for name in names:
        bound = column["bounds"][name]
        cells += [f"{column['measures'][name]:.4f}", "none" if bound is None else f"{bound:.4f}"]
    return cells
