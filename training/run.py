"""Runs a training from declarations to a model that serving can load: prepare, fit, evaluate, publish."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xgboost as xgb

from contract.model_aliases import promote, set_alias
from contract.model_file import save_model
from training.data.dataset import TrainingSet, build_training_set
from training.data.label_events import label_span
from training.data.split import TemporalSplit, default_split
from training.data.task import TrainingTask
from training.evaluate import Evaluation, evaluate
from training.fitting.model import ModelParams, default_params, train_model
from training.options import TrainingOptions
from training.reports.report import write_report
from training.result import Count, FeatureUse, TrainResult
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore

Say = Callable[[str], None]
_say: Say = partial(print, flush=True)


def train(
    workspace: Workspace,
    store: FeatureStore,
    task: TrainingTask,
    options: TrainingOptions | None = None,
    *,
    gate: Callable[[pd.DataFrame], None] | None = None,
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
        now: When the model is trained, aware; the clock's time when None.
        say: Told of each step.

    Raises:
        TrainingError: Something declared or asked for cannot be trained on. Nothing was written.
    """
    started, options = time.perf_counter(), options or TrainingOptions()
    params = options.params or default_params(task.predicts)
    split = choose_split(task, options)

    say(f"1/5 {task.service}: training set of {split.train_from:%F} to {split.train_to:%F} (exclusive)")
    training = build_training_set(store, task, split.train_from, split.train_to, options.limit, split.test_from)
    say(f"    {len(training):,} rows, {training.positives:,} positive, {len(training.features)} features")
    if gate is not None:
        gate(training.frame)

    say(f"2/5 fit {params.rounds} trees")
    booster = train_model(training, params, options.seed)

    say(f"3/5 test set of {split.test_from:%F} to {split.test_to:%F} (exclusive)")
    asked = build_training_set(store, task, split.test_from, split.test_to, options.limit)
    evaluation = evaluate(task, split, options, params, booster, training, asked)

    say("4/5 model and report")
    result = _publish(
        workspace, task, split, options, params, booster, training, evaluation, now or datetime.now(UTC), started
    )

    if options.alias is None:
        say(f"5/5 {result.version} is current")
        promote(workspace.models, task.service, result.version, "trained", datetime.now(UTC))
    else:
        say(f"5/5 {result.version} is {options.alias}")
        set_alias(workspace.models, task.service, options.alias, result.version)
    return result


def choose_split(task: TrainingTask, options: TrainingOptions) -> TemporalSplit:
    """Return the split that is asked for, else the last days there are labels for.

    Raises:
        TrainingError: There are no labels, or the gap is shorter than a label takes to become known.
    """
    split = options.split
    if split is None:
        first, last = label_span(task)
        split = default_split(last, task.known_after, options.train_days, options.test_days, first)
    split.require_gap(task.known_after)
    return split


def _publish(
    workspace: Workspace,
    task: TrainingTask,
    split: TemporalSplit,
    options: TrainingOptions,
    params: ModelParams,
    booster: xgb.Booster,
    training: TrainingSet,
    evaluation: Evaluation,
    now: datetime,
    started: float,
) -> TrainResult:
    """Write the model file, and the report beside it and among the reports."""
    label = f"{task.source}:{task.label}"
    tested, asked = evaluation.tested, evaluation.asked
    model = save_model(
        booster,
        workspace.models,
        service=task.service,
        columns=training.features,
        label=label,
        metrics=evaluation.metrics.to_dict(),
        split=split.to_dict(),
        trained_at=now,
        predicts=task.predicts,
    )
    name = task.service if options.alias is None else f"{task.service}-{options.alias}"
    latest = workspace.reports / "training" / f"{name}.html"
    result = TrainResult(
        service=task.service,
        predicts=task.predicts,
        version=model.version,
        label=label,
        trained_at=model.trained_at,
        known_after=task.known_after,
        split=split,
        params=params,
        seed=options.seed,
        threshold_from=evaluation.threshold_from,
        train=Count(len(training), training.positives),
        test=Count(len(tested), tested.positives),
        removed=Count(len(asked) - len(tested), asked.positives - tested.positives),
        drop_known=task.drop_known,
        metrics=evaluation.metrics,
        daily=tuple((f"{day:%F}", share) for day, share in evaluation.daily.items()),
        features=_use(booster, training),
        provenance={"train": training.provenance, "test": asked.provenance},
        model=model.path,
        report=latest,
        seconds=time.perf_counter() - started,
    )
    write_report(result, tested.labels, evaluation.scores, [model.path.with_name("report.html"), latest])
    return result


def _use(booster: xgb.Booster, training: TrainingSet) -> tuple[FeatureUse, ...]:
    gain = {name: float(np.sum(value)) for name, value in booster.get_score(importance_type="total_gain").items()}
    total = sum(gain.values()) or 1.0
    missing = np.isnan(training.matrix).mean(axis=0)
    used = [
        FeatureUse(name, gain.get(name, 0.0) / total, float(share))
        for name, share in zip(training.features, missing, strict=True)
    ]
    return tuple(sorted(used, key=lambda feature: (-feature.gain, feature.name)))
