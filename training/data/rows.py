"""Where a training's rows come from: point-in-time joins, or what was served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from training.data.dataset import TrainingSet, build_training_set
from training.data.label_events import label_span, read_label_events
from training.data.served import build_served_set, served_span
from training.data.task import TrainingTask

if TYPE_CHECKING:
    from feast import FeatureStore


class TrainingRows(Protocol):
    """Gives the rows to train and to test on."""

    def build(
        self, start: datetime, end: datetime, limit: int | None = None, known_by: datetime | None = None
    ) -> TrainingSet:
        """Return the rows of `[start, end)`; see `build_training_set`."""
        ...

    def span(self) -> tuple[datetime, datetime]:
        """Return the times of the oldest and the newest row that may have a label, aware."""
        ...

    def labels(self, start: datetime, end: datetime, key: str) -> pd.DataFrame:
        """Return the time, the label and a key column of what was labelled in `[start, end)`."""
        ...


@dataclass(frozen=True, slots=True)
class JoinedRows:
    """Label events, joined with the features that held when they happened."""

    store: FeatureStore
    task: TrainingTask

    def build(
        self, start: datetime, end: datetime, limit: int | None = None, known_by: datetime | None = None
    ) -> TrainingSet:
        """Return the label events of a span with their features."""
        return build_training_set(self.store, self.task, start, end, limit, known_by)

    def span(self) -> tuple[datetime, datetime]:
        """Return the times of the oldest and the newest label event."""
        return label_span(self.task)

    def labels(self, start: datetime, end: datetime, key: str) -> pd.DataFrame:
        """Return label events."""
        return read_label_events(self.task, start, end, [key])


@dataclass(frozen=True, slots=True)
class ServedRows:
    """Decisions that were served, with the features as they were then and what came of them."""

    data: Path
    task: TrainingTask

    def build(
        self, start: datetime, end: datetime, limit: int | None = None, known_by: datetime | None = None
    ) -> TrainingSet:
        """Return the labelled decisions of a span."""
        return build_served_set(self.data, self.task, start, end, limit, known_by)

    def span(self) -> tuple[datetime, datetime]:
        """Return the times of the oldest and the newest decision that may have a label."""
        return served_span(self.data, self.task)

    def labels(self, start: datetime, end: datetime, key: str) -> pd.DataFrame:
        """Return labelled decisions."""
        return self.build(start, end).frame
