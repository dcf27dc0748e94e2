"""The record of outcomes: what really happened after a decision, as it was told, however often.

A decision's outcome is the one with the latest `event_timestamp`, of equal ones the one received last: so telling something again
changes nothing, and a correction counts. An outcome may be told before its decision can be read, or of a decision nobody
knows; it is kept, and counts from when there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from contract.records import outcomes_folder
from serving.recording.appender import AppendCounts, ParquetAppender

SCHEMA: Final = pa.schema(
    {
        "decision_id": pa.string(),
        "outcome": pa.float64(),
        "value": pa.float64(),
        "event_timestamp": pa.timestamp("us", tz="UTC"),
        "received_at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened after one decision.

    Attributes:
        decision_id: The decision's id.
        outcome: 1 or 0 where the service predicts whether something happens; else what was predicted.
        value: What it was worth; None where nobody said.
        event_timestamp_us: When it became known, UTC microseconds.
    """

    decision_id: str
    outcome: float
    value: float | None
    event_timestamp_us: int


class OutcomeRecord:
    """Records the outcomes of one service."""

    def __init__(self, appender: ParquetAppender) -> None:
        """Take an appender with `SCHEMA`."""
        self._appender = appender
        self._last_us = 0

    @classmethod
    def open(cls, data: Path, service: str) -> OutcomeRecord:
        """Return the record of a service in a data folder."""
        return cls(ParquetAppender(outcomes_folder(data, service), SCHEMA))

    @property
    def counts(self) -> AppendCounts:
        """Return what became of the outcomes that this process was told."""
        return self._appender.counts

    def append(self, outcomes: Sequence[Outcome], now_us: int) -> bool:
        """Take outcomes to be written, in the order told, and return at once; False where there was no room for them."""
        first_us = max(now_us, self._last_us + 1)  # in this process, no two times are equal
        self._last_us = first_us + len(outcomes) - 1
        return self._appender.append(
            {
                "decision_id": [one.decision_id for one in outcomes],
                "outcome": [one.outcome for one in outcomes],
                "value": [one.value for one in outcomes],
                "event_timestamp": np.array([one.event_timestamp_us for one in outcomes], "datetime64[us]"),
                "received_at": np.arange(first_us, self._last_us + 1).astype("datetime64[us]"),
            }
        )

    def close(self) -> AppendCounts:
        """Write what waits, and return the counts."""
        return self._appender.close()
