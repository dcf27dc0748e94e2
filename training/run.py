"""Runs a training from declarations to a model that serving can load: prepare, search, fit, evaluate, publish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from contract.model_aliases import promote, set_alias
from training.data.rows import JoinedRows, ServedRows, TrainingRows
from training.data.split import TemporalSplit, default_split
from training.data.task import TrainingTask
from training.evaluate import evaluate
from training.fitting.fitted import ChooseThreshold, fit_model
from training.fitting.model import default_params
from training.options import TrainingOptions
from training.publish import Trained, publish
from training.result import TrainResult
from training.tuning import folds_of, tune
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

    from training.data.dataset import TrainingSet
    from training.measures.metrics import Scores

Say = Callable[[str], None]
_say: Say = partial(print, flush=True)


def train(
    workspace: Workspace,
    store: FeatureStore,
    task: TrainingTask,
    options: TrainingOptions | None = None,
    *,
    gate: Callable[[pd.DataFrame], None] | None = None,
    test_gate: Callable[[pd.DataFrame, pd.DataFrame], None] | None = None,
    now: datetime | None = None,
    say: Say = _say,
) -> TrainResult:
    """Train one feature service's model, test it, save it with its report and make it current, or what an alias names.

    Args:
        workspace: Where models and reports go.
        store: The feature store.
        task: What to train, from `training.data.task.read_task`.
        options: How.
        gate: Called with the training frame before anything is fitted; its exception ends the run.
        test_gate: Called with the training frame and the test's before anything is measured, likewise.
        now: When the model is trained, aware; the clock's time when None.
        say: Told of each step.

    Raises:
        TrainingError: Something declared or asked for cannot be trained on. Nothing was written.
    """
    started, options = time.perf_counter(), options or TrainingOptions()
    params = options.params or default_params(task.predicts)
    if options.negatives is not None:
        params = replace(params, negatives=options.negatives)
    source: TrainingRows = ServedRows(workspace.data, task) if options.from_served else JoinedRows(store, task)
    split = choose_split(task, options, source)
    folds = folds_of(task, options, split, source)

    first = min((fold.train_from for fold in folds), default=split.train_from)
    served = ", as served" if options.from_served else ""
    say(
        f"1/5 {task.service}: training set of {min(first, split.train_from):%F} to {split.train_to:%F} (exclusive){served}"
    )
    rows = source.build(min(first, split.train_from), split.train_to, options.limit, split.test_from)
    training = rows.between(split.train_from, split.train_to) if first < split.train_from else rows
    say(f"    {len(training):,} rows, {training.positives:,} positive, {len(training.features)} features")
    if gate is not None:
        gate(training.frame)
    found = None
    if folds:
        spans = ", ".join(f"{fold.test_from:%F}" for fold in folds)
        say(
            f"    search: {options.trials} trials on {len(folds)} folds, validated on the {split.test_days} days from {spans}"
        )
        file = workspace.state / "search" / f"{task.service}.db"
        found = tune(task, options, split, folds, source, rows, params, file, say)
        params = found.params
    del rows

    say(f"2/5 fit {params.rounds} trees")
    fitted = fit_model(training, params, options.seed, options.threshold, cheapest_threshold(task, options))

    say(f"3/5 test set of {split.test_from:%F} to {split.test_to:%F} (exclusive)")
    asked = source.build(split.test_from, split.test_to, options.limit)
    if test_gate is not None:
        test_gate(training.frame, asked.frame)
    evaluation = evaluate(task, split, options, fitted, training, asked, source)

    say("4/5 model and report")
    trained = Trained(
        task, options, split, params, fitted, training, evaluation, now or datetime.now(UTC), started, found
    )
    result = publish(workspace, trained)

    if options.alias is None:
        say(f"5/5 {result.version} is current")
        promote(workspace.models, task.service, result.version, "trained", datetime.now(UTC))
    else:
        say(f"5/5 {result.version} is {options.alias}")
        set_alias(workspace.models, task.service, options.alias, result.version)
    return result


def choose_split(task: TrainingTask, options: TrainingOptions, source: TrainingRows) -> TemporalSplit:
    """Return the split that is asked for, else the last days there are labels for.

    Raises:
        TrainingError: There are no labels, or the gap is shorter than a label takes to become known.
    """
    split = options.split
    if split is None:
        first, last = source.span()
        days = (last - first).days + 1 if options.history else options.train_days
        split = default_split(last, task.known_after, days, options.test_days, first)
    split.require_gap(task.known_after)
    return split


def cheapest_threshold(task: TrainingTask, options: TrainingOptions) -> tuple[ChooseThreshold, str] | None:
    """Return what chooses the threshold that costs least, where there is a cost table."""
    costs = options.costs or task.costs
    if costs is None:
        return None

    def choose(held: TrainingSet, scores: Scores) -> float | None:
        return costs.best_threshold(costs.of_missing(held.frame, held.labels), scores)

    return choose, "the lowest cost"
