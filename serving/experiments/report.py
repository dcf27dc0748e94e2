"""Says as JSON how an experiment stands: arms, counts, measurements with their intervals, differences, what was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from contract.model_aliases import CHAMPION
from serving.experiments.config import ExperimentConfig
from serving.experiments.measure import ArmMeasured, Measured
from serving.experiments.metrics import MetricName, better
from serving.experiments.sequential import Estimate, estimate_difference, estimate_mean
from serving.experiments.stopped import Stop

Json = dict[str, Any]


def report_path(data: Path, service: str) -> Path:
    """Return where the newest report of a service's experiment is kept."""
    return data / "experiments" / f"{service}.json"


def experiment_report(
    service: str,
    config: ExperimentConfig,
    versions: Mapping[str, str],
    stopped: Mapping[str, Stop],
    measured: Measured,
    now: datetime,
) -> Json:
    """Return the report; an interval's end is null where nothing can be said yet.

    What stands against the champion is against its decisions in the challenger's own time.
    """
    return {
        "service": service,
        "experiment": config.name,
        "unit": config.unit,
        "metric": config.metric,
        "alpha": config.alpha,
        "since": config.since.isoformat() if config.since else None,
        "at": now.isoformat(timespec="seconds"),
        "outcomes": {"told": measured.outcomes, "unmatched": measured.unmatched},
        "guardrail": [one.model_dump() for one in config.guardrail],
        "shadow": {alias: versions.get(alias) for alias in config.shadow},
        "arms": [
            {
                "alias": alias,
                "version": versions.get(alias),
                "weight": config.arms[alias],
                "stopped": asdict(stopped[alias]) if alias in stopped else None,
                **_arm(measured.arms.get(alias), config),
            }
            for alias in (CHAMPION, *config.challengers)
        ],
    }


def _arm(arm: ArmMeasured | None, config: ExperimentConfig) -> Json:
    if arm is None:
        return {"counts": {}, "metrics": {}, "latency_ms": {}, "against_champion": {}}
    means = {name: _json(estimate_mean(one, config.alpha, config.sharpest_at)) for name, one in arm.moments.items()}
    differences = {name: _difference(name, arm, config) for name in arm.moments if name in arm.champion_then}
    latency = {name: {"value": value, "low": low, "high": high} for name, (value, low, high) in arm.latency.items()}
    return {"counts": dict(arm.counts), "metrics": means, "latency_ms": latency, "against_champion": differences}


def _difference(name: MetricName, arm: ArmMeasured, config: ExperimentConfig) -> Json:
    estimate = estimate_difference(arm.moments[name], arm.champion_then[name], config.alpha, config.sharpest_at)
    found = _json(estimate)
    verdict = None
    if float(estimate.low) > 0 or float(estimate.high) < 0:
        is_more = float(estimate.low) > 0
        verdict = "better" if is_more == (better(name) == "more") else "worse"
    return {**found, "verdict": verdict}


def _json(estimate: Estimate) -> Json:
    return {
        "value": _number(float(estimate.value)),
        "low": _number(float(estimate.low)),
        "high": _number(float(estimate.high)),
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
