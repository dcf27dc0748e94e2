"""Numbers that others keep: a cache, the online store and its breakers, the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.drift_report import newest_report
from serving.metrics import families
from serving.metrics.counts import Counts, Labels
from serving.metrics.replica import Source
from serving.scoring.decision_record import DecisionRecord
from serving.scoring.freshness import Frontier
from serving.scoring.scorer import Scorer

_CALLS = ("reads", "failed", "retries", "timeouts", "broken", "moved", "by_replicas", "replicas_too_old", "asked_again")


def scorer_source(service: str, scorer: Scorer) -> Source:
    """Return what sets the numbers of one service."""

    def set_numbers(counts: Counts) -> None:
        told: dict[str, Any] = scorer.describe()
        _set_models(counts, service, {**told["arms"], **told["shadows"]})
        _set_cache(counts, service, told.get("cache"))
        _set_predictions(counts, service, told.get("predictions"))
        _set_store(counts, service, told.get("store") or {}, "")

    return set_numbers


def frontier_source(frontier: Frontier) -> Source:
    """Return what sets up to when the stream has brought each view."""

    def set_numbers(counts: Counts) -> None:
        numbers = counts.numbers(families.COMPLETE)
        for view, complete_us in frontier.complete_us.items():
            numbers[(view,)] = complete_us / 1e6

    return set_numbers


def record_source(service: str, record: DecisionRecord) -> Source:
    """Return what sets what became of the decisions of one service."""

    def set_numbers(counts: Counts) -> None:
        told = record.counts
        counts.numbers(families.LOG_WRITTEN)[(service,)] = told.written
        counts.numbers(families.LOG_DROPPED)[(service,)] = told.dropped

    return set_numbers


def drift_source(service: str, data: Path) -> Source:
    """Return what sets the measures of the newest report of drift; of columns that it no longer has, none."""

    def set_numbers(counts: Counts) -> None:
        columns = (newest_report(data, service) or {}).get("columns", {})
        measured: dict[Labels, float] = {
            (service, name, measure): value
            for name, one in columns.items()
            for measure, value in one["measures"].items()
        }
        _replace(counts.numbers(families.DRIFT), service, measured)
        alerts: dict[Labels, float] = {(service, name): float(bool(one["alerts"])) for name, one in columns.items()}
        _replace(counts.numbers(families.DRIFT_ALERT), service, alerts)

    return set_numbers


def _replace(numbers: dict[Labels, float], service: str, now: Mapping[Labels, float]) -> None:
    """Set a service's numbers, and remove those that are no more."""
    for gone in [labels for labels in numbers if labels[0] == service and labels not in now]:
        del numbers[gone]
    numbers.update(now)


def _set_models(counts: Counts, service: str, versions: Mapping[str, str]) -> None:
    now: dict[Labels, float] = {(service, alias, version): 1.0 for alias, version in versions.items()}
    _replace(counts.numbers(families.MODEL), service, now)


def _set_predictions(counts: Counts, service: str, told: Any) -> None:
    if told:
        numbers = counts.numbers(families.CACHE)
        numbers[service, "predictions", "hit"] = told["hits"]
        numbers[service, "predictions", "miss"] = told["misses"]


def _set_cache(counts: Counts, service: str, told: Any) -> None:
    if not told:
        return
    numbers = counts.numbers(families.CACHE)
    for field, result in (("hits", "hit"), ("misses", "miss"), ("joined", "joined"), ("stale", "stale")):
        numbers[service, "rows", result] = told[field]
    counts.numbers(families.CACHE_BYTES)[service, "rows"] = told["bytes"]


def _set_store(counts: Counts, service: str, told: Mapping[str, Any], tier: str) -> None:
    """Set what a store's reads did; a store in tiers tells of each under its name."""
    for field in _CALLS:
        if field in told:
            counts.numbers(families.STORE)[service, tier, field] = told[field]
    for name, part in told.items():
        if not isinstance(part, Mapping):
            continue
        if "state" in part and "refused" in part:
            labels = service, f"{tier} {name}".strip()
            counts.numbers(families.BREAKER_OPEN)[labels] = int(part["state"] != "closed")
            if "opened" in part:
                counts.numbers(families.BREAKER_OPENED)[labels] = part["opened"]
            counts.numbers(families.BREAKER_REFUSED)[labels] = part["refused"]
        else:
            _set_store(counts, service, part, name)
