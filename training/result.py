"""What a training run found: everything its report, its model file and its closing table say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.data.split import TemporalSplit
from training.fitting.model import ModelParams
from training.fitting.search import Found
from training.measures.alerts import AlertRow
from training.measures.contributions import Contribution, Contributions
from training.measures.days import Day
from training.measures.measured import Measured
from training.measures.segments import Segment


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, and how many of them are positive."""

    rows: int
    positives: int


@dataclass(frozen=True, slots=True)
class Tested:
    """The test rows, for plots.

    Attributes:
        labels: Shape (rows,).
        scores: The model's answers, shape (rows,).
        raw: What its trees gave before the calibration, shape (rows,); the same where there is none.
        contributions: What moved the answers of some of them; None where there is no row.
        missing: What each row costs that is no alert, shape (rows,); None without a cost table.
        alert: What each alert costs; 0 without a cost table.
    """

    labels: npt.NDArray[Any]
    scores: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float64]
    contributions: Contributions | None = None
    missing: npt.NDArray[np.float64] | None = None
    alert: float = 0.0


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """One feature's part in the model.

    Attributes:
        name: Full feature name, `view__feature`.
        gain: Its share of the total gain of all splits, in [0, 1].
        missing: The share of training rows without a value, in [0, 1].
    """

    name: str
    gain: float
    missing: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """One finished training run.

    Attributes:
        predicts: `binary`, `regression` or `ranking`.
        label: `<file source>:<column>`.
        known_after: How long after its event a label is known.
        threshold_from: How the threshold was found, for people; empty where there is none.
        train: Rows trained on.
        test: Rows tested on, after the removal of known keys.
        removed: Test rows of known keys, left out; zero when the service names no key.
        drop_known: The key they were removed by, or None.
        metrics: Measured on the test rows.
        daily: (ISO date, share of positives among the k keys scored highest), by day; empty without a key.
        features: By falling gain.
        provenance: What the rows trained on and tested on were made of, under `train` and `test`.
        model: The model file.
        report: The HTML report.
        seconds: How long the run took.
        calibrated_by: Which calibration was chosen and why, for people; empty for what is not binary.
        alerts: What several thresholds give.
        segments: Parts of the test rows by themselves.
        train_days: The days trained on.
        test_days: The days tested on, with what the model makes of their rows.
        contributions: What moves its answers, by falling size.
        search: How the parameters were found; None where they were not searched for.
    """

    service: str
    predicts: str
    version: str
    label: str
    trained_at: datetime
    known_after: timedelta
    split: TemporalSplit
    params: ModelParams
    seed: int
    threshold_from: str
    train: Count
    test: Count
    removed: Count
    drop_known: str | None
    metrics: Measured
    daily: tuple[tuple[str, float], ...]
    features: tuple[FeatureUse, ...]
    provenance: Mapping[str, Mapping[str, Any]]
    model: Path
    report: Path
    seconds: float
    calibrated_by: str = ""
    alerts: tuple[AlertRow, ...] = ()
    segments: tuple[Segment, ...] = ()
    train_days: tuple[Day, ...] = ()
    test_days: tuple[Day, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    search: Found | None = None

    @property
    def chance(self) -> dict[str, float]:
        """Return what a model that knows nothing reaches on the same test rows."""
        return self.metrics.chance()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it; times ISO 8601, `known_after` and `seconds` in seconds."""
        return {
            "service": self.service,
            "predicts": self.predicts,
            "version": self.version,
            "label": self.label,
            "trained_at": self.trained_at.isoformat(),
            "known_after": self.known_after.total_seconds(),
            "split": self.split.to_dict(),
            "params": asdict(self.params),
            "seed": self.seed,
            "threshold_from": self.threshold_from,
            "train": asdict(self.train),
            "test": asdict(self.test),
            "removed": asdict(self.removed),
            "drop_known": self.drop_known,
            "metrics": self.metrics.to_dict(),
            "chance": self.chance,
            "daily": dict(self.daily),
            "features": [asdict(feature) for feature in self.features],
            "provenance": {part: dict(made_of) for part, made_of in self.provenance.items()},
            "model": str(self.model),
            "seconds": round(self.seconds, 3),
            "calibrated_by": self.calibrated_by,
            "alerts": [asdict(row) for row in self.alerts],
            "segments": [asdict(part) for part in self.segments],
            "train_days": [asdict(day) for day in self.train_days],
            "test_days": [asdict(day) for day in self.test_days],
            "contributions": [asdict(one) for one in self.contributions],
            "search": asdict(self.search) if self.search else None,
        }
