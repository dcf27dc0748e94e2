"""Compares two models on the same events, each fed its own features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.model_file import ModelFile
from training.comparison.comparison import Comparison
from training.comparison.days import MOST_DAYS, days_of_neither
from training.data.dataset import TrainingSet, build_training_set
from training.data.known_keys import without_known_positives
from training.data.label_events import read_label_events
from training.data.task import TrainingTask
from training.errors import TrainingError
from training.measures.paired import RESAMPLES, PairedRows, compare_scores

if TYPE_CHECKING:
    from feast import FeatureStore

Say = Callable[[str], None]
_say: Say = partial(print, flush=True)

LEAST_CLUSTERS = 50
"""Of fewer, a key's rows are too coarse to draw from."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the two: a model, and the task of the service it is fed by."""

    task: TrainingTask
    model: ModelFile


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How two models are compared.

    Attributes:
        until: The midnight at which the days end; when None, all days there are labels for.
        most_days: At most so many of the newest days.
        limit: At most so many events, spread evenly; all when None.
        k: For the precision of keys.
        cluster: The column whose equal values are drawn together; what the service says when None.
        resamples: How many draws.
        seed: For the draws.
    """

    until: datetime | None = None
    most_days: int = MOST_DAYS
    limit: int | None = None
    k: int = 100
    cluster: str | None = None
    resamples: int = RESAMPLES
    seed: int = 7


def compare(
    store: FeatureStore,
    champion: Contender,
    challenger: Contender,
    options: CompareOptions | None = None,
    *,
    now: datetime | None = None,
    say: Say = _say,
) -> Comparison:
    """Compare a challenger with the champion on the newest labelled days that neither was trained on.

    Keys that are known to be positive are left out for both, by the longer of the two memories.

    Raises:
        TrainingError: They predict different things, no such day is there, or a column of a model cannot be had any more.
    """
    options = options or CompareOptions()
    task = challenger.task
    for one in ("label", "source", "predicts", "event_id"):
        if getattr(champion.task, one) != getattr(task, one):
            raise TrainingError(
                f"{task.service}: predicts {task.source}:{task.label} ({task.predicts}), and {champion.task.service} "
                f"{champion.task.source}:{champion.task.label} ({champion.task.predicts}); compare models of the same label."
            )
    models = (champion.model, challenger.model)
    start, end = days_of_neither(task, models, options.until, options.most_days)
    say(f"1/2 {task.service}: rows of {start:%F} to {end:%F} (exclusive)")
    same = champion.task.service == task.service
    asked = _rows_of(store, task, models if same else (challenger.model,), start, end, options.limit)
    of_champion = asked if same else _rows_of(store, champion.task, (champion.model,), start, end, options.limit)
    if not of_champion.frame[task.event_id].equals(asked.frame[task.event_id]):
        raise TrainingError(f"{task.service}: label events changed while they were read; compare again.")
    stay = _unknown(champion.task, asked, models, start, end)
    rows, say_by = asked.where(stay), _cluster(champion.task, asked, options.cluster)
    say(f"2/2 {len(rows):,} rows, {options.resamples} draws")
    paired = PairedRows(
        predicts=task.predicts,
        labels=rows.labels,
        champion=_answers(champion.model, of_champion.where(stay)),
        challenger=_answers(challenger.model, rows),
        clusters=rows.frame[say_by].to_numpy() if say_by else None,
        groups=rows.groups if task.predicts == "ranking" else None,
        days=rows.frame[task.timestamp].dt.floor("D"),
        keys=rows.frame[champion.task.drop_known] if champion.task.drop_known else None,
        k=options.k,
    )
    if not len(rows):
        raise TrainingError(f"{task.service}: every key of {start:%F} to {end:%F} is known; compare on newer days.")
    return Comparison(
        service=task.service,
        predicts=task.predicts,
        champion=champion.model.version,
        challenger=challenger.model.version,
        against="" if champion.task.service == task.service else champion.task.service,
        at=now or datetime.now(UTC),
        start=start,
        end=end,
        rows=len(rows),
        positives=rows.positives,
        removed=len(asked) - len(rows),
        clusters=int(rows.frame[say_by].nunique()) if say_by else len(rows),
        clustered_by=say_by,
        k=options.k,
        differences=compare_scores(paired, options.resamples, options.seed),
        events=str(asked.provenance["events"]["files"]["sha256"]),
    )


def _rows_of(
    store: FeatureStore,
    task: TrainingTask,
    models: Sequence[ModelFile],
    start: datetime,
    end: datetime,
    limit: int | None,
) -> TrainingSet:
    """Build the events with all that the models are fed: their service's features, and columns that it had before."""
    columns = tuple(dict.fromkeys((*task.features, *(column for model in models for column in model.columns))))
    return build_training_set(store, replace(task, features=columns), start, end, limit)


def _answers(model: ModelFile, rows: TrainingSet) -> npt.NDArray[np.float64]:
    """Return a model's answers, shape (rows,), from its own columns in its own order."""
    return model.predict(np.asarray(rows.frame[list(model.columns)], dtype="float64"))


def _unknown(
    task: TrainingTask, asked: TrainingSet, models: tuple[ModelFile, ...], start: datetime, end: datetime
) -> pd.Series[bool]:
    """Say for each row whether its key is not known to be positive on its day."""
    if task.drop_known is None:
        return pd.Series(True, index=asked.frame.index)
    since = min(datetime.fromisoformat(f"{model.split['train_from']}T00:00:00+00:00") for model in models)
    return without_known_positives(
        asked.frame,
        read_label_events(task, min(since, start), end, [task.drop_known]),
        key=task.drop_known,
        timestamp=task.timestamp,
        label=task.label,
        train_from=since,
        known_after=task.known_after,
    )


def _cluster(task: TrainingTask, rows: TrainingSet, asked: str | None) -> str:
    """Return the column whose equal values are drawn together: the key that is judged, the list, or an entity with many values."""
    if asked is not None:
        if asked not in rows.frame:
            raise TrainingError(
                f"{task.service}: CLUSTER={asked} is no column of {task.source}; write one of its columns."
            )
        return asked
    known: Any = [one for one in (task.drop_known, task.group) if one]
    many = [key for key in task.keys if rows.frame[key].nunique() >= LEAST_CLUSTERS]
    return str((known or many or [""])[0])
