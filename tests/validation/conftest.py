"""Readings of sensors: a domain that no part of the platform knows."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

with warnings.catch_warnings():
    # Great Expectations loads google.api_core, which misses the optional grpcio-status and says so.
    warnings.simplefilter("ignore", ImportWarning)
    from validation.gates.suites import EventSpec

READINGS = EventSpec(
    name="readings",
    columns={
        "reading_id": "int64",
        "taken_at": "timestamp[us, tz=UTC]",
        "sensor": "string",
        "site": "bigint",
        "value": "double",
    },
    keys=("sensor", "site"),
    timestamp="taken_at",
    event_id="reading_id",
)


@pytest.fixture
def spec() -> EventSpec:
    """The declaration of the readings."""
    return READINGS


@pytest.fixture
def readings() -> pd.DataFrame:
    """A hundred good readings, one a second."""
    return pd.DataFrame(
        {
            "reading_id": range(100),
            "taken_at": pd.date_range("2025-05-01", periods=100, freq="s", tz="UTC", unit="us"),
            "sensor": [f"s{row % 7}" for row in range(100)],
            "site": [row % 3 for row in range(100)],
            "value": [row / 10 for row in range(100)],
        }
    )
