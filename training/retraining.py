"""Says when a model is due to be trained anew: when enough days are known that no version has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from contract.model_aliases import CHAMPION, read_aliases
from contract.model_file import FILE, load_model
from training.comparison.comparison import FILE as COMPARISON
from training.data.label_events import label_span
from training.data.split import DAY, TemporalSplit, default_split
from training.data.task import TrainingTask
from training.fitting.model import ModelParams


@dataclass(frozen=True, slots=True)
class Due:
    """A training that is due.

    Attributes:
        split: The newest days, divided as the champion's were.
        params: What the champion was fitted with; what suits the kind of model when None.
        seed: The champion's.
        new_days: Days that no version has seen.
    """

    split: TemporalSplit
    params: ModelParams | None
    seed: int
    new_days: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A version, and the end of the days it was tested on."""

    version: str
    until: datetime


def newest_seen(models: Path, service: str) -> Seen:
    """Return the version that has seen the newest days; of several, the one trained last.

    Raises:
        ModelFileError: There is no version that can be read.
    """
    return max(_versions(models, service), key=lambda one: (one.until, one.version))


def find_due(task: TrainingTask, models: Path, until: datetime, least_days: int) -> Due | None:
    """Return the training that is due; None while fewer than `least_days` days are new.

    Args:
        task: What is trained.
        models: Where the versions are.
        until: The midnight up to which labels are known.
        least_days: How many new days are enough.

    Raises:
        ModelFileError: There is no champion whose days could be taken for a measure.
        TrainingError: No day is left to train on.
    """
    champion = load_model(models / task.service / read_aliases(models, task.service)[CHAMPION] / FILE)
    new_days = (until - newest_seen(models, task.service).until) // DAY
    if new_days < least_days:
        return None
    ends = {name: datetime.fromisoformat(f"{day}T00:00:00+00:00") for name, day in champion.split.items()}
    train_days, test_days = ((ends[f"{part}_to"] - ends[f"{part}_from"]) // DAY for part in ("train", "test"))
    last = until - timedelta(microseconds=1)
    split = default_split(last, task.known_after, train_days, test_days, label_span(task)[0])
    report = _report(champion.path.parent)
    return Due(split, _params(report), int(report.get("seed", 7)), new_days)


def is_compared(models: Path, service: str, seen: Seen) -> bool:
    """Say whether the newest version is champion, or was held against one: what a retraining ends with."""
    champion = read_aliases(models, service)[CHAMPION]
    return seen.version == champion or (models / service / seen.version / COMPARISON).is_file()


def _versions(models: Path, service: str) -> Iterator[Seen]:
    for path in (models / service).glob(f"*/{FILE}"):
        split = _report(path.parent).get("split") or load_model(path).split
        yield Seen(path.parent.name, datetime.fromisoformat(f"{split['test_to']}T00:00:00+00:00"))


def _params(report: dict[str, Any]) -> ModelParams | None:
    said = report.get("params")
    if not said:
        return None
    known = {one.name for one in fields(ModelParams)}
    return ModelParams(**{name: value for name, value in said.items() if name in known})


def _report(folder: Path) -> dict[str, Any]:
    path = folder / "report.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}
