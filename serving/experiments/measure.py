"""Measures the arms of an experiment from the records of decisions and outcomes.

Only decisions count that an arm's present version made, from the experiment's first day on; and a challenger is held against what
the champion decided in the same time, from the challenger's first decision to its last. The work is a pass over some columns of those
days, in DuckDB, with one row a unit in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contract.model_aliases import CHAMPION
from contract.records import decisions_folder, outcomes_folder, recorded_files
from serving.experiments.auroc import auroc_moments
from serving.experiments.config import ExperimentConfig
from serving.experiments.decision_table import make_decisions, make_outcomes
from serving.experiments.metrics import METRICS, NEEDS_ACCEPT, NEEDS_VALUE, MetricName
from serving.experiments.sequential import Moments, estimate_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
TRIES: Final = 5

MOST_FOR_AUROC: Final = 200_000
"""About how many decisions of an arm the area under the ROC curve is taken from."""

MEMORY: Final = "1GB"
"""How much of the decisions is held in memory while it measures; the rest goes to the disk."""

_CHOSEN: Final = (
    "arm = $arm AND decided_at BETWEEN (SELECT min(decided_at) FROM decisions WHERE arm = $time_of)"
    " AND (SELECT max(decided_at) FROM decisions WHERE arm = $time_of)"
)
"""An arm's decisions in the time of another, or of itself."""

Range = tuple[float, float | None, float | None]
"""An estimate and its interval; an end is None where nothing can be said yet."""


@dataclass(frozen=True, slots=True)
class ArmMeasured:
    """What the decisions of one arm came to.

    Attributes:
        counts: `decisions`, `units`, `known` (outcomes), `positives`, and `caught` and `missed` of them; the last two, and what
            was `saved` and `lost`, where the experiment says what accepts and what is at stake.
        moments: By metric.
        latency: Its quantiles, milliseconds.
        champion_then: The champion's moments in the time of this challenger; of the champion itself, none.
    """

    counts: Mapping[str, float]
    moments: Mapping[MetricName, Moments]
    latency: Mapping[str, Range]
    champion_then: Mapping[MetricName, Moments]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of an experiment.

    Attributes:
        arms: By alias; an arm without decisions is absent.
        outcomes: How many decisions have been told an outcome.
        unmatched: How many of those decisions are not in the record of the days that count, so far.
    """

    arms: Mapping[str, ArmMeasured]
    outcomes: int
    unmatched: int


def measured_metrics(config: ExperimentConfig) -> tuple[MetricName, ...]:
    """Return what can be measured of an experiment."""
    return tuple(
        name
        for name in METRICS
        if (config.accept or name not in NEEDS_ACCEPT) and (config.value or name not in NEEDS_VALUE)
    )


def measure(
    data: Path,
    service: str,
    config: ExperimentConfig,
    versions: Mapping[str, str],
    is_binary: bool = True,
    threads: int = 1,
) -> Measured:
    """Measure the arms of a service's experiment.

    Args:
        data: The data folder.
        service: The service.
        config: Its experiment.
        versions: The version of each alias now.
        is_binary: Whether outcomes are 0 or 1; the scores are then probabilities.
        threads: How many the work may take.
    """
    import duckdb

    spill = data / "experiments" / ".measuring"
    spill.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": MEMORY,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    for attempt in range(TRIES):
        try:
            with duckdb.connect(config=settings) as connection:
                return _measure(connection, data, service, config, versions, is_binary)
        except (
            duckdb.IOException,
            FileNotFoundError,
        ):  # a file was merged into another between its listing and its reading
            if attempt == TRIES - 1:
                raise
    raise AssertionError


def _measure(
    connection: DuckDBPyConnection,
    data: Path,
    service: str,
    config: ExperimentConfig,
    versions: Mapping[str, str],
    is_binary: bool,
) -> Measured:
    decisions = [str(path) for path in recorded_files(decisions_folder(data, service), config.since)]
    outcomes = [str(path) for path in recorded_files(outcomes_folder(data, service), config.since)]
    if not decisions:
        return Measured({}, 0, 0)
    make_outcomes(connection, outcomes)
    make_decisions(
        connection, decisions, config, {alias: versions[alias] for alias in config.arms if alias in versions}
    )
    metrics = measured_metrics(config)
    if not is_binary:
        metrics = tuple(one for one in metrics if one in ("outcome_rate", "accept_rate", "degraded_rate", "latency_ms"))
    counts = _counts(connection)
    arms = {}
    for alias in (one for one in config.arms if one in counts):
        moments = _moments(connection, metrics, alias, is_binary)
        then = {} if alias == CHAMPION else _moments(connection, metrics, CHAMPION, is_binary, alias)
        arms[alias] = ArmMeasured(_told(counts[alias], config), moments, _latency(connection, alias, config), then)
    told, matched = connection.execute(
        "SELECT (SELECT count(*) FROM outcomes),"
        " (SELECT count(*) FROM outcomes SEMI JOIN read_parquet($files, union_by_name = true) USING (decision_id))",
        {"files": decisions},
    ).fetchall()[0]
    return Measured(arms, told, told - matched)


def _moments(
    connection: DuckDBPyConnection,
    metrics: tuple[MetricName, ...],
    arm: str,
    is_binary: bool,
    time_of: str | None = None,
) -> dict[MetricName, Moments]:
    """Return an arm's moments of every metric, in the time of another arm where one is named; none without decisions."""
    sums, means, deviations = [], [], []
    for index, name in enumerate(metrics):
        value, of = METRICS[name].value, METRICS[name].of
        sums.append(
            f"count(*) FILTER ({of}) AS n{index}, coalesce(sum({value}) FILTER ({of}), 0)::DOUBLE AS s{index},"
            f" coalesce(sum(({value})::DOUBLE * ({value})) FILTER ({of}), 0) AS q{index}"
        )
        means.append(f"sum(s{index}) / nullif(sum(n{index}), 0) AS m{index}")
        z = f"(s{index} - m{index} * n{index})"
        deviations.append(
            f"sum(n{index})::DOUBLE, sum(s{index}), sum(q{index}), count_if(n{index} > 0)::DOUBLE,"
            f" coalesce(sum({z} ** 2), 0), coalesce(sum({z} ** 4), 0)"
        )
    rows = connection.execute(
        f"""
        WITH units AS (SELECT unit, {", ".join(sums)} FROM decisions WHERE {_CHOSEN} GROUP BY unit),
        means AS (SELECT {", ".join(means)} FROM units)
        SELECT {", ".join(deviations)} FROM units, means HAVING count(*) > 0
        """,
        {"arm": arm, "time_of": time_of or arm},
    ).fetchall()
    if not rows:
        return {}
    found = {name: Moments.of_sums(*rows[0][6 * index : 6 * index + 6]) for index, name in enumerate(metrics)}
    return {**found, "auroc": _auroc(connection, arm, time_of)} if is_binary else found


def _counts(connection: DuckDBPyConnection) -> dict[str, dict[str, float]]:
    found = connection.execute(
        """
        SELECT arm, count(*) AS decisions, count(DISTINCT unit) AS units, count_if(is_known) AS known,
            count_if(is_positive) AS positives, count_if(is_positive AND NOT is_accepted) AS caught,
            count_if(is_positive AND is_accepted) AS missed,
            coalesce(sum(stake) FILTER (is_positive AND NOT is_accepted), 0) AS saved,
            coalesce(sum(stake) FILTER (is_positive AND is_accepted), 0) AS lost
        FROM decisions GROUP BY arm
        """
    )
    names = [one[0] for one in found.description or ()][1:]
    return {arm: dict(zip(names, values, strict=True)) for arm, *values in found.fetchall()}


def _told(counts: Mapping[str, float], config: ExperimentConfig) -> dict[str, float]:
    """Leave out the counts that the experiment gives no meaning."""
    without = set() if config.accept and config.value else {"saved", "lost"}
    without |= set() if config.accept else {"caught", "missed"}
    return {name: value for name, value in counts.items() if name not in without}


def _auroc(connection: DuckDBPyConnection, arm: str, time_of: str | None) -> Moments:
    """Return the area's moments; of many decisions those of some units, which their hash chooses."""
    chosen = {"arm": arm, "time_of": time_of or arm}
    known = connection.execute(f"SELECT count(*) FROM decisions WHERE is_known AND {_CHOSEN}", chosen).fetchall()[0][0]
    found: dict[str, Any] = connection.execute(
        f"SELECT score, is_positive, unit FROM decisions WHERE is_known AND unit <= $last AND {_CHOSEN}",
        {**chosen, "last": min(2**64 - 1, 2**64 * MOST_FOR_AUROC // max(known, 1))},
    ).fetchnumpy()
    scores, is_positive = np.asarray(found["score"], np.float64), np.asarray(found["is_positive"], np.bool_)
    return auroc_moments(scores, is_positive, np.unique(found["unit"], return_inverse=True)[1])


def _latency(connection: DuckDBPyConnection, alias: str, config: ExperimentConfig) -> dict[str, Range]:
    """Return quantiles with intervals: those at the ends of the interval of the share of decisions that are quicker."""
    size = float(connection.execute("SELECT count(latency_us) FROM decisions WHERE arm = ?", [alias]).fetchall()[0][0])
    if not size:
        return {}
    asked: list[float] = []
    for share in QUANTILES.values():
        spread, rare = np.array(share * (1 - share)), np.array(size * min(share, 1 - share))
        moments = Moments(np.array(share), spread / size, spread, np.array(size), rare)
        estimate = estimate_mean(moments, config.alpha, config.sharpest_at)
        asked += [share, max(float(estimate.low), -1.0), min(float(estimate.high), 2.0)]
    (quantiles,) = connection.execute(
        "SELECT quantile_cont(latency_us / 1000, $shares) FROM decisions WHERE arm = $arm",
        {"shares": [min(max(one, 0.0), 1.0) for one in asked], "arm": alias},
    ).fetchall()[0]
    ends = [value if 0 <= share <= 1 else None for share, value in zip(asked, quantiles, strict=True)]
    return {name: (quantiles[3 * index], *ends[3 * index + 1 : 3 * index + 3]) for index, name in enumerate(QUANTILES)}
