"""Which days two models may be compared on, and up to which day labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from contract.model_file import ModelFile
from training.data.label_events import label_span
from training.data.split import DAY, whole_days
from training.data.task import TrainingTask
from training.errors import TrainingError

MOST_DAYS = 28


def known_until(task: TrainingTask, now: datetime) -> datetime:
    """Return the midnight up to which every label is known at `now`: its days are over, and their labels' delay as well.

    Raises:
        TrainingError: There are no label events.
    """
    _, last = label_span(task)
    return min(midnight(last) + DAY, midnight(now) - whole_days(task.known_after))


def days_of_neither(
    task: TrainingTask, models: Sequence[ModelFile], until: datetime | None = None, most_days: int = MOST_DAYS
) -> tuple[datetime, datetime]:
    """Return the span of the newest labelled days on which none of the models was trained, the end exclusive.

    It starts when the last label that a model learned from was known: a model that decides could not have been there before.

    Args:
        task: Where labels are, and how long they take.
        models: The models.
        until: The midnight at which the days end; when None, all days there are labels for.
        most_days: At most so many days.

    Raises:
        TrainingError: There is no such day.
    """
    end = until or midnight(label_span(task)[1]) + DAY
    trained = max(datetime.fromisoformat(f"{model.split['train_to']}T00:00:00+00:00") for model in models)
    start = max(trained + whole_days(task.known_after), end - most_days * DAY)
    if start >= end:
        raise TrainingError(
            f"{task.service}: no labelled day that neither model was trained on: one learned from days before {trained:%F}, "
            f"whose labels took {whole_days(task.known_after).days} d, and labels end {end:%F}; compare when there are newer "
            f"labels, or train the challenger on earlier days (TRAIN= TEST=)."
        )
    return start, end


def midnight(at: datetime) -> datetime:
    """Return the UTC midnight before an instant."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
