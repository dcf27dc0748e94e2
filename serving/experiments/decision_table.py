"""Joins the records of decisions and outcomes into a table of one row a decision, in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from serving.experiments.config import ExperimentConfig

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEAST_PROBABILITY: Final = 1e-7
"""Scores nearer to 0 or 1 than this count as this, in the log loss."""


def make_outcomes(connection: DuckDBPyConnection, files: list[str]) -> None:
    """Make a table of what counts of the outcomes: of each decision's the latest, and of equal times the last received."""
    if not files:
        connection.execute("CREATE TEMP TABLE outcomes (decision_id TEXT, outcome DOUBLE, worth DOUBLE)")
        return
    connection.execute(
        """
        CREATE TEMP TABLE outcomes AS
        SELECT decision_id, told[1] AS outcome, told[2] AS worth FROM (
            SELECT decision_id, arg_max((outcome, value), (event_timestamp, received_at)) AS told
            FROM read_parquet($files, union_by_name = true) GROUP BY decision_id)
        """,
        {"files": files},
    )


def make_decisions(
    connection: DuckDBPyConnection, files: list[str], config: ExperimentConfig, versions: Mapping[str, str]
) -> None:
    """Make a table of the decisions that count, each with its outcome where that is known; units are 64 bits of a hash."""
    value = _quoted(config.value) if config.value else "NULL"
    connection.execute(
        f"""
        CREATE TEMP TABLE decisions AS
        SELECT arm, unit, decided_at, decision, degraded, latency_us, score, outcome,
            greatest({LEAST_PROBABILITY}, least(1 - {LEAST_PROBABILITY}, score)) AS probability,
            coalesce(decision IN (SELECT unnest($accept::TEXT[])), false) AS is_accepted,
            outcome IS NOT NULL AS is_known,
            coalesce(outcome > 0.5, false) AS is_positive,
            coalesce(worth, stake, 0)::DOUBLE AS stake
        FROM (
            SELECT decision_id, arm, decided_at, decision, degraded, latency_us, score,
                hash({_quoted(config.unit)}) AS unit, {value} AS stake
            FROM read_parquet($files, union_by_name = true)
            SEMI JOIN (SELECT unnest($aliases::TEXT[]) AS arm, unnest($versions::TEXT[]) AS model_version) USING (arm, model_version)
        ) LEFT JOIN outcomes USING (decision_id)
        """,
        {
            "accept": list(config.accept),
            "files": files,
            "aliases": list(versions),
            "versions": list(versions.values()),
        },
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
