"""The monitor: what it stops, what it leaves, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.label import ServiceError
from serving.experiments.config import ExperimentConfig
from serving.experiments.monitor import ExperimentMonitor
from serving.experiments.report import report_path
from serving.experiments.stopped import read_stopped, resume_arm

Row = dict[str, Any]
Record = Callable[[Sequence[Row], Sequence[Row]], None]
Simulate = Callable[..., tuple[list[Row], list[Row]]]
Look = Callable[..., dict[str, Any]]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZES = {"champion": 2000, "challenger": 1000}


@pytest.fixture
def look(data: Path, models: Path, experiment: ExperimentConfig) -> Look:
    """Looks once: `look(guardrail=())` at another experiment."""
    monitor = ExperimentMonitor(data, models, now=lambda: NOW)

    def run(**changed: Any) -> dict[str, Any]:
        config = ExperimentConfig.model_validate({**experiment.model_dump(), **changed})
        return monitor.look("ads", config)

    return run


def arm(report: dict[str, Any], alias: str) -> dict[str, Any]:
    return next(one for one in report["arms"] if one["alias"] == alias)


def test_an_arm_that_does_harm_is_stopped_for_a_reason_until_a_person_resumes_it(
    look: Look, models: Path, record: Record, simulate: Simulate
) -> None:
    record(*simulate(np.random.default_rng(1), SIZES, {"champion": 0.05, "challenger": 0.15}))
    report = look()
    (stop,) = read_stopped(models, "ads").values()
    assert (stop.version, stop.at) == ("v2", "2026-03-01T12:00:00+00:00")
    assert stop.reason.startswith("miss_rate is 0.1")
    assert "the champion's 0.0" in stop.reason
    assert arm(report, "challenger")["stopped"]["reason"] == stop.reason
    assert look()["arms"] == report["arms"]  # it stays stopped, for its first reason
    assert resume_arm(models, "ads", "challenger") == stop
    assert read_stopped(models, "ads") == {}


def test_an_arm_that_is_better_or_alike_goes_on(look: Look, models: Path, record: Record, simulate: Simulate) -> None:
    record(*simulate(np.random.default_rng(1), SIZES, {"champion": 0.15, "challenger": 0.05}))
    assert arm(look(), "challenger")["against_champion"]["miss_rate"]["verdict"] == "better"
    assert read_stopped(models, "ads") == {}


def test_harm_within_the_margin_is_allowed(look: Look, models: Path, record: Record, simulate: Simulate) -> None:
    record(*simulate(np.random.default_rng(1), SIZES, {"champion": 0.05, "challenger": 0.15}))
    report = look(guardrail=[{"metric": "miss_rate", "margin": 0.1}])
    assert arm(report, "challenger")["against_champion"]["miss_rate"]["verdict"] == "worse"
    assert read_stopped(models, "ads") == {}


def test_an_arm_that_declines_everybody_is_stopped_though_nothing_in_it_varies(
    look: Look, models: Path, record: Record, decision: Callable[..., Row]
) -> None:
    champions = [decision(n, decision="show" if n % 10 else "skip") for n in range(1000)]
    challengers = [decision(1000 + n, "challenger", decision="skip") for n in range(200)]
    record([*champions, *challengers], [])
    look(guardrail=[{"metric": "accept_rate"}])
    assert "accept_rate is 0, the champion's 0.9" in read_stopped(models, "ads")["challenger"].reason


def test_nothing_is_stopped_over_a_handful_of_decisions(
    look: Look, models: Path, record: Record, simulate: Simulate
) -> None:
    record(*simulate(np.random.default_rng(1), {"champion": 100, "challenger": 5}, {"champion": 0, "challenger": 1}))
    report = look()
    assert read_stopped(models, "ads") == {}
    assert arm(report, "challenger")["against_champion"]["miss_rate"] == {
        "value": 1.0,
        "low": None,
        "high": None,
        "verdict": None,
    }


def test_the_report_says_how_each_arm_stands_and_is_kept_for_readers(
    look: Look, data: Path, record: Record, simulate: Simulate, outcome: Callable[..., Row]
) -> None:
    decisions, outcomes = simulate(np.random.default_rng(1), SIZES, {"champion": 0.1, "challenger": 0.1})
    record(decisions, [*outcomes, outcome(99_999, 1.0)])
    report = look()
    assert json.loads(report_path(data, "ads").read_text()) == report
    assert report["outcomes"] == {"told": 3001, "unmatched": 1}
    assert [(one["alias"], one["version"], one["weight"]) for one in report["arms"]] == [
        ("champion", "v1", 0.5),
        ("challenger", "v2", 0.5),
    ]
    challenger = arm(report, "challenger")
    assert (challenger["counts"]["decisions"], challenger["stopped"]) == (1000, None)
    rate = challenger["metrics"]["miss_rate"]
    assert rate["low"] < 0.1 < rate["high"]
    assert arm(report, "champion")["against_champion"] == {}


def test_an_arm_without_a_model_is_reported_without_decisions(look: Look, record: Record, simulate: Simulate) -> None:
    record(*simulate(np.random.default_rng(1), {"champion": 10}, {"champion": 0.5}))
    report = look(arms={"champion": 1, "bold": 1})
    assert (arm(report, "bold")["version"], arm(report, "bold")["counts"]) == (None, {})


def test_an_arm_that_is_not_stopped_cannot_be_resumed(models: Path) -> None:
    with pytest.raises(ServiceError, match="ads: challenger is not stopped; stopped are none"):
        resume_arm(models, "ads", "challenger")


def test_damaged_file_of_stopped_arms_is_told(models: Path) -> None:
    (models / "ads" / "STOPPED.json").write_text('{"challenger": "bad"}')
    with pytest.raises(ServiceError, match=r"STOPPED.json: is not an object of alias and at, reason, version"):
        read_stopped(models, "ads")
