"""Writes what a training made: the model file, and the report beside it and among the reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from contract.model_file import save_model
from contract.reference import write_reference
from training.data.dataset import TrainingSet
from training.data.split import TemporalSplit
from training.data.task import TrainingTask
from training.evaluate import Evaluation
from training.fitting.fitted import FittedModel
from training.fitting.model import ModelParams
from training.fitting.search import Found
from training.measures.contributions import explain
from training.measures.days import by_day
from training.options import TrainingOptions
from training.reference import reference_of
from training.reports.report import write_report
from training.result import Count, FeatureUse, Tested, TrainResult
from workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training, before anything of it is written; `started` is a reading of `time.perf_counter`."""

    task: TrainingTask
    options: TrainingOptions
    split: TemporalSplit
    params: ModelParams
    fitted: FittedModel
    training: TrainingSet
    evaluation: Evaluation
    at: datetime
    started: float
    found: Found | None = None


def publish(workspace: Workspace, trained: Trained) -> TrainResult:
    """Write the model file, and the report beside it and among the reports."""
    task, options, training, evaluation = trained.task, trained.options, trained.training, trained.evaluation
    label = f"{task.source}:{task.label}"
    tested, asked = evaluation.tested, evaluation.asked
    model = save_model(
        trained.fitted.booster,
        workspace.models,
        service=task.service,
        columns=training.features,
        label=label,
        metrics=evaluation.metrics.to_dict(),
        split=trained.split.to_dict(),
        trained_at=trained.at,
        predicts=task.predicts,
        calibration=trained.fitted.calibration,
    )
    name = task.service if options.alias is None else f"{task.service}-{options.alias}"
    latest = workspace.reports / "training" / f"{name}.html"
    costs = options.costs or task.costs
    rows = Tested(
        labels=tested.labels,
        scores=evaluation.scores,
        raw=evaluation.raw,
        contributions=explain(trained.fitted.booster, tested.matrix, tested.features, evaluation.scores),
        missing=costs.of_missing(tested.frame, tested.labels) if costs and task.predicts == "binary" else None,
        alert=costs.alert if costs else 0.0,
    )
    result = TrainResult(
        service=task.service,
        predicts=task.predicts,
        version=model.version,
        label=label,
        trained_at=model.trained_at,
        known_after=task.known_after,
        split=trained.split,
        params=trained.params,
        seed=options.seed,
        threshold_from=trained.fitted.threshold_from,
        train=Count(len(training), training.positives),
        test=Count(len(tested), tested.positives),
        removed=Count(len(asked) - len(tested), asked.positives - tested.positives),
        drop_known=task.drop_known,
        metrics=evaluation.metrics,
        daily=tuple((f"{day:%F}", share) for day, share in evaluation.daily.items()),
        features=feature_use(trained),
        provenance={"train": training.provenance, "test": asked.provenance},
        model=model.path,
        report=latest,
        seconds=time.perf_counter() - trained.started,
        calibrated_by=trained.fitted.calibrated_by,
        alerts=evaluation.alerts,
        segments=evaluation.segments,
        train_days=by_day(_days_of(task, training), training.labels),
        test_days=by_day(_days_of(task, tested), tested.labels, evaluation.scores, trained.fitted.threshold),
        contributions=tuple(rows.contributions.ranked()) if rows.contributions else (),
        search=trained.found,
    )
    write_reference(model.path.parent, reference_of(training, asked, tested, evaluation.scores))
    write_report(result, rows, [model.path.with_name("report.html"), latest])
    return result


def _days_of(task: TrainingTask, rows: TrainingSet) -> pd.Series[Any]:
    return rows.frame[task.timestamp].dt.floor("D")


def feature_use(trained: Trained) -> tuple[FeatureUse, ...]:
    """Return each feature's share of the gain and of the rows without it, by falling gain."""
    training, booster = trained.training, trained.fitted.booster
    gain = {name: float(np.sum(value)) for name, value in booster.get_score(importance_type="total_gain").items()}
    total = sum(gain.values()) or 1.0
    missing = np.isnan(training.matrix).mean(axis=0)
    used = [
        FeatureUse(name, gain.get(name, 0.0) / total, float(share))
        for name, share in zip(training.features, missing, strict=True)
    ]
    return tuple(sorted(used, key=lambda feature: (-feature.gain, feature.name)))
