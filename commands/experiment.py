"""Prints how experiments stand, and lets a stopped arm go on. `make experiment`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from commands.settings import SettingError
from commands.table import show_table
from serving.config import load_config
from serving.experiments.monitor import ExperimentMonitor
from serving.experiments.stopped import resume_arm
from workspace.workspace import Workspace


class NoExperimentError(ValueError):
    """There is nothing to tell of."""


def main() -> None:
    """Print the experiment of SERVICE, by default all of them; with RESUME=alias, let that arm have its units again first.

    Raises:
        NoExperimentError: None is declared.
    """
    workspace = Workspace.from_env()
    declared = load_config(workspace.repo / "serving.yaml").experiments
    asked = os.environ.get("SERVICE")
    experiments = {name: one for name, one in declared.items() if asked in (None, "", name)}
    if not experiments:
        raise NoExperimentError(
            f"{asked or 'serving.yaml'}: no experiment is declared; write one in serving.yaml, as docs/experiments.md shows."
        )
    alias = os.environ.get("RESUME")
    if alias and len(experiments) > 1:
        raise SettingError(f"RESUME={alias}: of which service? Add SERVICE=, one of {', '.join(experiments)}.")
    if alias:
        (service,) = experiments
        stop = resume_arm(workspace.models, service, alias)
        print(f"{service}: {alias} goes on; it was stopped {stop.at} because {stop.reason}\n")
    monitor = ExperimentMonitor(workspace.data, workspace.models)
    for service, config in experiments.items():
        show_report(monitor.peek(service, config, threads=os.cpu_count() or 1))


def show_report(report: Mapping[str, Any]) -> None:
    """Print one report as a table: a line a measurement, a column an arm, and beside each challenger its difference."""
    arms = report["arms"]
    head = [f"{report['service']} by {report['unit']}"]
    for arm in arms:
        head += [arm["alias"]] + (["difference"] if arm is not arms[0] else [])
    rows = [
        _row("version", arms, lambda arm: str(arm["version"] or "none")),
        _row("weight", arms, lambda arm: "stopped" if arm["stopped"] else f"{arm['weight']:g}"),
    ]
    for name in dict.fromkeys(name for arm in arms for name in arm["counts"]):
        rows.append(_row(name, arms, lambda arm, name=name: _count(arm["counts"].get(name))))
    for name in dict.fromkeys(name for arm in arms for name in arm["metrics"]):
        label = f"{name} *" if name == report["metric"] else name
        cells = [label]
        for arm in arms:
            cells.append(_range(arm["metrics"].get(name)))
            if arm is not arms[0]:
                difference = arm["against_champion"].get(name)
                verdict = (difference or {}).get("verdict")
                cells.append(_range(difference, sign="+") + (f" {verdict}" if verdict else ""))
        rows.append(cells)
    for name in dict.fromkeys(name for arm in arms for name in arm["latency_ms"]):
        rows.append(_row(f"latency {name}, ms", arms, lambda arm, name=name: _range(arm["latency_ms"].get(name))))
    show_table(head, rows)
    outcomes = report["outcomes"]
    print(f"* what the experiment is about. {100 * (1 - report['alpha']):g} % intervals that hold at every look.")
    print(
        "A difference is against what the champion decided in the challenger's time, from its first decision to its last."
    )
    print(
        f"{outcomes['told']:,} decisions have an outcome, {outcomes['unmatched']:,} of them are not in the record (yet)"
    )
    for arm in arms:
        if arm["stopped"]:
            stop = arm["stopped"]
            print(f"{arm['alias']} is stopped since {stop['at']}: {stop['reason']}")
            print(f"  `make experiment SERVICE={report['service']} RESUME={arm['alias']}` lets it go on")
    print()


def _row(name: str, arms: Sequence[Mapping[str, Any]], cell: Any) -> list[str]:
    cells = [name]
    for arm in arms:
        cells += [cell(arm)] + ([""] if arm is not arms[0] else [])
    return cells


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _range(found: Mapping[str, float | None] | None, sign: str = "") -> str:
    """Write an estimate with its interval."""
    if not found or found["value"] is None:
        return ""
    value, low, high = found["value"], found["low"], found["high"]
    ends = "" if low is None and high is None else f" [{_end(low, sign)}, {_end(high, sign)}]"
    return f"{value:{sign}.4g}{ends}"


def _end(value: float | None, sign: str) -> str:
    return "?" if value is None else f"{value:{sign}.3g}"
