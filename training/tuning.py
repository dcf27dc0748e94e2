"""Prepares a search: one training set for all days that are needed, cut into folds; then searches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from training.data.dataset import TrainingSet
from training.data.folds import temporal_folds
from training.data.rows import TrainingRows
from training.data.split import TemporalSplit
from training.data.task import TrainingTask
from training.evaluate import rows_that_count
from training.fitting.folds import FoldRows
from training.fitting.model import ModelParams
from training.fitting.search import Found, Search, search
from training.options import TrainingOptions

if TYPE_CHECKING:
    from pathlib import Path

Say = Callable[[str], None]


def folds_of(
    task: TrainingTask, options: TrainingOptions, split: TemporalSplit, source: TrainingRows
) -> tuple[TemporalSplit, ...]:
    """Return the folds of a run, the newest first; none where nothing is searched for."""
    if not options.trials:
        return ()
    return temporal_folds(split, task.known_after, options.folds, source.span()[0], history=options.history)


def tune(
    task: TrainingTask,
    options: TrainingOptions,
    split: TemporalSplit,
    folds: tuple[TemporalSplit, ...],
    source: TrainingRows,
    rows: TrainingSet,
    start: ModelParams,
    file: Path,
    say: Say,
) -> Found:
    """Search for the parameters that do best on the folds.

    Args:
        task: What is trained.
        options: How.
        split: That of the run.
        folds: From `folds_of`.
        source: Where rows come from.
        rows: The training set of all their days.
        start: What is fitted without a search.
        file: Where studies are kept.
        say: Told of each trial.

    Raises:
        TrainingError: No fold can be learned from.
    """
    parts = [_fold_rows(task, options, split, fold, source, rows, start) for fold in folds]
    asked = Search(options.trials, options.seed, file, study_name(task, options, folds, rows, start))
    if options.trials_on != "ray":
        return search(parts, start, asked, say)
    from training.fitting.on_ray import RayTrials

    with RayTrials(parts, options.seed, options.trials) as trials:
        say(f"    on Ray: {trials.at_once} trials at once on {trials.nodes} nodes")
        return search(parts, start, trials.asked(asked), say, trials)


def study_name(
    task: TrainingTask,
    options: TrainingOptions,
    folds: tuple[TemporalSplit, ...],
    rows: TrainingSet,
    start: ModelParams,
) -> str:
    """Return a name that is equal for equal folds, rows, start and seed only."""
    known = options.known_since.isoformat() if options.known_since else None
    told = [
        [fold.to_dict() for fold in folds],
        dict(rows.provenance),
        asdict(start),
        options.seed,
        options.limit,
        known,
    ]
    return f"{task.service}-{hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:12]}"


def _fold_rows(
    task: TrainingTask,
    options: TrainingOptions,
    split: TemporalSplit,
    fold: TemporalSplit,
    source: TrainingRows,
    rows: TrainingSet,
    start: ModelParams,
) -> FoldRows:
    train = rows.between(fold.train_from, fold.train_to, task.arrived, fold.test_from)
    valid = rows.between(fold.test_from, fold.test_to)
    # Known keys leave a fold as they leave the test: those that were positive as long before its first day.
    since = None if options.known_since is None else fold.test_from - (split.test_from - options.known_since)
    counted = rows_that_count(task, fold, since, train, valid, source)
    return FoldRows.of(train, counted, start.negatives, options.seed)
