"""Records of decisions and outcomes as the service writes them, of a service whose events are invented."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contract.model_aliases import set_alias
from contract.records import decisions_folder, outcomes_folder
from serving.experiments.config import ExperimentConfig
from serving.recording.appender import ParquetAppender
from serving.recording.outcomes import SCHEMA

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DECISIONS = pa.schema(
    {
        "decision_id": pa.string(),
        "decided_at": pa.timestamp("us", tz="UTC"),
        "event_timestamp": pa.timestamp("us", tz="UTC"),
        "model_version": pa.string(),
        "arm": pa.string(),
        "score": pa.float64(),
        "decision": pa.string(),
        "degraded": pa.bool_(),
        "latency_us": pa.int64(),
        "user": pa.string(),
        "price": pa.float64(),
    }
)

Row = dict[str, Any]
Record = Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], None]


def _decision(number: int, arm: str = "champion", **changed: Any) -> Row:
    return {
        "decision_id": f"d{number}",
        "decided_at": NOW,
        "event_timestamp": NOW,
        "model_version": {"champion": "v1", "challenger": "v2"}.get(arm, "v3"),
        "arm": arm,
        "score": 0.5,
        "decision": "show",
        "degraded": False,
        "latency_us": 5000,
        "user": f"u{number}",
        "price": 2.0,
        **changed,
    }


def _outcome(number: int, happened: float, **changed: Any) -> Row:
    return {
        "decision_id": f"d{number}",
        "outcome": happened,
        "value": None,
        "event_timestamp": NOW,
        "received_at": NOW,
        **changed,
    }


@pytest.fixture
def decision() -> Callable[..., Row]:
    """Makes one decision of the service `ads`: `decision(7, "challenger", score=0.9)`."""
    return _decision


@pytest.fixture
def outcome() -> Callable[..., Row]:
    """Makes the outcome of the decision of a number: `outcome(7, 1.0)`."""
    return _outcome


@pytest.fixture
def simulate() -> Callable[..., tuple[list[Row], list[Row]]]:
    """Makes decisions that all accept, of so many users an arm, and outcomes that are positive at the arm's rate."""

    def draw(
        generator: np.random.Generator, sizes: Mapping[str, int], rates: Mapping[str, float], first: int = 0
    ) -> tuple[list[Row], list[Row]]:
        decisions: list[Row] = []
        outcomes: list[Row] = []
        for arm, size in sizes.items():
            for happened in (generator.random(size) < rates[arm]).astype(float).tolist():
                number = first + len(decisions)
                decisions.append(_decision(number, arm))
                outcomes.append(_outcome(number, happened))
        return decisions, outcomes

    return draw


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def models(tmp_path: Path, save_model: Callable[..., None]) -> Path:
    """Versions of the service `ads`: v1 is the champion, v2 the challenger."""
    models = tmp_path / "models"
    for version in ("v2", "v1"):
        save_model(models, "ads", version, columns=("user__clicks",))
    set_alias(models, "ads", "challenger", "v2")
    return models


@pytest.fixture
def record(data: Path) -> Record:
    """Records decisions and outcomes of the service `ads`."""

    def write(decisions: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]]) -> None:
        for folder, schema, rows in (
            (decisions_folder(data, "ads"), DECISIONS, decisions),
            (outcomes_folder(data, "ads"), SCHEMA, outcomes),
        ):
            if rows:
                appender = ParquetAppender(folder, schema, flush_s=3600, now=lambda: NOW)
                appender.append({name: [row[name] for row in rows] for name in schema.names})
                appender.close()

    return write


@pytest.fixture
def experiment() -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {
            "unit": "user",
            "arms": {"champion": 0.5, "challenger": 0.5},
            "accept": ["show"],
            "value": "price",
            "metric": "miss_rate",
            "guardrail": {"metric": "miss_rate"},
        }
    )
