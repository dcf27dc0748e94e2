"""What is measured of recorded decisions, held against slow and obvious Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.experiments import measure as module
from serving.experiments.config import ExperimentConfig
from serving.experiments.measure import Measured, measure
from serving.experiments.sequential import Moments

Row = dict[str, Any]
Make = Callable[..., Row]
Record = Callable[[Sequence[Row], Sequence[Row]], None]
VERSIONS = {"champion": "v1", "challenger": "v2"}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def measured(data: Path, experiment: ExperimentConfig) -> Callable[..., Measured]:
    """Measures what is recorded: `measured(alpha=0.1)` with another experiment."""

    def run(versions: Mapping[str, str] = VERSIONS, is_binary: bool = True, **changed: Any) -> Measured:
        return measure(data, "ads", experiment.model_copy(update=changed), versions, is_binary)

    return run


def values_of(name: str, row: Row, happened: float | None) -> float | None:
    """Say what one decision is worth to a metric; None where it does not count."""
    accepts, known = row["decision"] == "show", happened is not None
    positive = known and happened == 1
    probability = min(max(row["score"], 1e-7), 1 - 1e-7)
    found: dict[str, tuple[bool, float]] = {
        "accept_rate": (row["decision"] is not None, float(accepts)),
        "outcome_rate": (known, float(happened or 0)),
        "catch_rate": (positive, float(not accepts)),
        "miss_rate": (known, float(positive and accepts)),
        "saved": (known, row["price"] if positive and not accepts else 0.0),
        "lost": (known, row["price"] if positive and accepts else 0.0),
        "log_loss": (known, -math.log(probability if positive else 1 - probability)),
        "degraded_rate": (True, float(row["degraded"])),
        "latency_ms": (True, row["latency_us"] / 1000),
    }
    counts, value = found[name]
    return value if counts else None


def slow_moments(name: str, rows: Sequence[Row], happened: Mapping[str, float]) -> Moments:
    by_unit: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = values_of(name, row, happened.get(row["decision_id"]))
        if value is not None:
            by_unit[row["user"]].append(value)
    values = [value for unit in by_unit.values() for value in unit]
    mean = sum(values) / len(values)
    z = np.array([sum(unit) - mean * len(unit) for unit in by_unit.values()])
    units = len(by_unit)
    variance = float((z**2).sum()) / len(values) ** 2 * units / (units - 1)
    made = (mean, variance, np.var(values), units, (z**2).sum() ** 2 / (z**4).sum())
    return Moments(*(np.array(float(one)) for one in made))


def test_every_metric_is_the_mean_over_its_decisions_with_its_variance_over_units(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    generator = np.random.default_rng(3)
    rows = [
        decision(
            number,
            "champion" if generator.random() < 0.6 else "challenger",
            user=f"u{generator.integers(40)}",
            score=float(generator.choice([0.0, 0.25, 0.5, 0.75, 1.0])),
            decision=[None, "show", "skip"][generator.integers(3)],
            degraded=bool(generator.random() < 0.2),
            latency_us=int(generator.integers(1000, 9000)),
            price=float(generator.integers(1, 50)),
        )
        for number in range(400)
    ]
    happened = {f"d{n}": float(generator.random() < 0.5) for n in range(400) if generator.random() < 0.7}
    record(rows, [outcome(int(name[1:]), value) for name, value in happened.items()])
    found = measured()
    for arm in VERSIONS:
        of_arm = [row for row in rows if row["arm"] == arm]
        assert set(found.arms[arm].moments) == {*module.METRICS, "auroc"}
        for name in module.METRICS:
            expected, got = slow_moments(name, of_arm, happened), found.arms[arm].moments[name]
            for part in ("mean", "variance", "spread", "units", "carrying"):
                assert float(getattr(got, part)) == pytest.approx(float(getattr(expected, part)), rel=1e-9), (
                    name,
                    part,
                )
        counts = found.arms[arm].counts
        positives = [row for row in of_arm if happened.get(row["decision_id"]) == 1]
        assert (counts["decisions"], counts["units"]) == (len(of_arm), len({row["user"] for row in of_arm}))
        assert counts["known"] == sum(row["decision_id"] in happened for row in of_arm)
        assert counts["caught"] + counts["missed"] == counts["positives"] == len(positives)
        assert counts["lost"] == sum(row["price"] for row in positives if row["decision"] == "show")
        latencies = [row["latency_us"] / 1000 for row in of_arm]
        assert found.arms[arm].latency["p50"][0] == pytest.approx(np.quantile(latencies, 0.5))
        low, high = found.arms[arm].latency["p50"][1:]
        assert low is not None
        assert high is not None
        assert low < np.quantile(latencies, 0.5) < high


def test_the_area_of_many_decisions_is_taken_from_some_of_their_units(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(4)
    happened = (generator.random(3000) < 0.5).astype(float).tolist()
    record(
        [decision(n, score=float(generator.random() + 0.3 * happened[n]) / 2, user=f"u{n // 3}") for n in range(3000)],
        [outcome(n, happened[n]) for n in range(3000)],
    )
    whole = measured().arms["champion"].moments["auroc"]
    monkeypatch.setattr(module, "MOST_FOR_AUROC", 1000)
    some = measured().arms["champion"].moments["auroc"]
    assert 800 < float(whole.units) <= 1000
    assert 0.2 < float(some.units / whole.units) < 0.5
    assert abs(float(some.mean - whole.mean)) < 4 * float(some.variance) ** 0.5


def test_the_latest_outcome_counts_in_whatever_order_it_is_told(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    later, second = NOW + timedelta(hours=1), timedelta(seconds=1)
    record(
        [decision(number) for number in range(3)],
        [
            outcome(0, 1.0, event_timestamp=later),
            outcome(0, 0.0, received_at=NOW + second),  # an older message, sent again
            outcome(1, 0.0, value=7.0, received_at=NOW + second),
            outcome(1, 1.0),
            outcome(2, 1.0),
            outcome(2, 1.0),
        ],
    )
    counts = measured().arms["champion"].counts
    assert (counts["known"], counts["positives"]) == (3, 2)


def test_the_value_told_with_an_outcome_is_what_was_at_stake(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record([decision(1), decision(2)], [outcome(1, 1.0, value=11.0), outcome(2, 1.0)])
    assert measured().arms["champion"].counts["lost"] == 11.0 + 2.0


def test_outcomes_of_unknown_decisions_are_counted_until_the_decision_is_there(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record([decision(1)], [outcome(1, 1.0), outcome(2, 0.0), outcome(2, 0.0)])
    found = measured()
    assert (found.outcomes, found.unmatched, found.arms["champion"].counts["known"]) == (2, 1, 1)
    record([decision(2)], [])
    found = measured()
    assert (found.outcomes, found.unmatched, found.arms["champion"].counts["known"]) == (2, 0, 2)


def test_only_decisions_of_the_versions_now_in_the_arms_count(
    decision: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record(
        [decision(1), decision(2, "challenger"), decision(3, "challenger", model_version="v0"), decision(4, "bold")], []
    )
    found = measured()
    assert {alias: arm.counts["decisions"] for alias, arm in found.arms.items()} == {"champion": 1, "challenger": 1}
    assert set(measured({"champion": "v9", "challenger": "v2"}).arms) == {"challenger"}


def test_a_challenger_is_held_against_what_the_champion_decided_in_the_same_time(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    hours = [timedelta(hours=one) for one in range(10)]
    champions = [decision(n, decided_at=NOW + hours[n]) for n in range(10)]
    challengers = [decision(10 + n, "challenger", decided_at=NOW + hours[n]) for n in (3, 5)]
    record([*champions, *challengers], [outcome(n, float(n in (4, 5, 9))) for n in range(10)])
    found = measured().arms
    assert found["champion"].counts["decisions"] == 10
    assert float(found["champion"].moments["outcome_rate"].mean) == pytest.approx(3 / 10)
    then = found["challenger"].champion_then["outcome_rate"]
    assert (float(then.units), float(then.mean)) == (3, pytest.approx(2 / 3))
    assert found["champion"].champion_then == {}


def test_days_before_the_experiment_do_not_count(
    decision: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record([decision(1)], [])
    assert set(measured(since=date(2026, 3, 1)).arms) == {"champion"}
    assert measured(since=date(2026, 3, 2)).arms == {}


def test_without_records_nothing_is_measured(measured: Callable[..., Measured]) -> None:
    assert measured() == Measured({}, 0, 0)


def test_what_the_experiment_does_not_name_is_not_measured(
    decision: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record([decision(1)], [])
    arm = measured(accept=(), value=None).arms["champion"]
    assert not {"accept_rate", "saved", "lost", "miss_rate"} & {*arm.moments, *arm.counts}


def test_a_number_that_is_predicted_has_a_mean_and_no_log_loss(
    decision: Make, outcome: Make, record: Record, measured: Callable[..., Measured]
) -> None:
    record([decision(1), decision(2)], [outcome(1, 3.0), outcome(2, 8.0)])
    moments = measured(is_binary=False).arms["champion"].moments
    assert float(moments["outcome_rate"].mean) == 5.5
    assert not {"log_loss", "auroc", "catch_rate"} & set(moments)


def test_file_that_is_merged_while_it_is_read_is_found_again(
    decision: Make, record: Record, measured: Callable[..., Measured], monkeypatch: pytest.MonkeyPatch
) -> None:
    record([decision(1)], [])
    listed, real = [], module.recorded_files

    def first_a_file_that_is_gone(folder: Path, since: date | None = None) -> list[Path]:
        listed.append(folder)
        found = real(folder, since)
        return [one.with_name("gone-1.parquet") for one in found] if len(listed) == 1 else found

    monkeypatch.setattr(module, "recorded_files", first_a_file_that_is_gone)
    assert measured().arms["champion"].counts["decisions"] == 1
