"""Runs a training from declarations to a model that serving can load.

The steps: read what the service declares, split time, build the training set, pass the gate, choose the threshold and
fit, test on later days, write model and report, and only then make the model current.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pandas as pd
import xgboost as xgb

from training.dataset import TrainingSet, build_training_set
from training.declaration import TrainingDeclaration, default_service, read_declaration
from training.errors import TrainingError
from training.key_precision import daily_key_precision
from training.known_keys import without_known_positives
from training.label_events import label_span, read_label_events
from training.metrics import Scores, measure
from training.model import ModelParams, choose_threshold, predict, train_model
from training.model_file import save_model, set_current
from training.report import write_report
from training.result import Count, FeatureUse, TrainResult
from training.split import TemporalSplit, default_split
from workspace.workspace import Workspace, open_store

FALLBACK_THRESHOLD = 0.5
_say = partial(print, flush=True)


def train(
    workspace: Workspace,
    *,
    service: str | None = None,
    split: TemporalSplit | None = None,
    train_days: int = 7,
    test_days: int = 7,
    params: ModelParams | None = None,
    seed: int = 7,
    threshold: float | None = None,
    k: int = 100,
    limit: int | None = None,
    gate: Callable[[pd.DataFrame], None] | None = None,
    now: datetime | None = None,
    say: Callable[[str], None] = _say,
) -> TrainResult:
    """Train one feature service's model, test it, save it with its report and make it current.

    Args:
        workspace: Where declarations, data and models are.
        service: The feature service; the last labelled one in the registry when None.
        split: Training and test days; the last ones there are labels for when None.
        train_days: Days to train on, when no split is given.
        test_days: Days to test on, when no split is given.
        params: What to fit with.
        seed: For XGBoost; matters only with subsampling.
        threshold: The alert threshold in [0, 1]; chosen on training rows when None.
        k: For the precisions at k.
        limit: At most this many events to train on and to test on, spread evenly; all when None.
        gate: Called with the training frame before anything is fitted; its exception ends the run.
        now: When the model is trained, aware; the clock's time when None.
        say: Told of each step.

    Raises:
        TrainingError: Something declared or asked for cannot be trained on. Nothing was written.
    """
    started = time.perf_counter()
    store = open_store(workspace)
    declared = read_declaration(store, service or default_service(store))
    if split is None:
        first, last = label_span(declared)
        split = default_split(last, declared.known_after, train_days, test_days, first)
    split.require_gap(declared.known_after)
    if threshold is not None and not 0 <= threshold <= 1:
        raise TrainingError(f"threshold {threshold} is no probability; write one in [0, 1], such as --threshold 0.5.")
    params = params or ModelParams()

    say(f"1/5 {declared.service}: training set of {split.train_from:%F} to {split.train_to:%F} (exclusive)")
    training = build_training_set(store, declared.service, split.train_from, split.train_to, limit)
    say(f"    {len(training):,} rows, {training.positives:,} positive, {len(training.features)} features")
    if gate is not None:
        gate(training.frame)

    say(f"2/5 fit {params.rounds} trees")
    booster = train_model(training, params, seed)
    threshold, threshold_from = _threshold(training, params, seed, threshold)

    say(f"3/5 test set of {split.test_from:%F} to {split.test_to:%F} (exclusive)")
    everything = build_training_set(store, declared.service, split.test_from, split.test_to, limit)
    test = _without_known(declared, everything, split)
    scores = predict(booster, test.matrix)
    daily = _daily(declared, test, scores, k)
    metrics = measure(test.labels, scores, threshold, k, float(daily.mean()) if len(daily) else None)

    say("4/5 model and report")
    label = f"{declared.source}:{declared.label}"
    model = save_model(
        booster,
        workspace.models,
        service=declared.service,
        columns=training.features,
        label=label,
        metrics=metrics.to_dict(),
        split=split.to_dict(),
        trained_at=now or datetime.now(UTC),
    )
    latest = workspace.reports / "training" / f"{declared.service}.html"
    result = TrainResult(
        service=declared.service,
        version=model.version,
        label=label,
        trained_at=model.trained_at,
        known_after=declared.known_after,
        split=split,
        params=params,
        seed=seed,
        threshold_from=threshold_from,
        train=Count(len(training), training.positives),
        test=Count(len(test), test.positives),
        removed=Count(len(everything) - len(test), everything.positives - test.positives),
        drop_known=declared.drop_known,
        metrics=metrics,
        daily=tuple((f"{day:%F}", share) for day, share in daily.items()),
        features=_use(booster, training),
        model=model.path,
        report=latest,
        seconds=time.perf_counter() - started,
    )
    write_report(result, test.labels, scores, [model.path.with_name("report.html"), latest])

    say(f"5/5 {model.version} is current")
    set_current(workspace.models, declared.service, model.version)
    return result


def _threshold(training: TrainingSet, params: ModelParams, seed: int, given: float | None) -> tuple[float, str]:
    if given is not None:
        return given, "given"
    chosen = choose_threshold(training, params, seed)
    if chosen is None:
        return FALLBACK_THRESHOLD, "too few positives in the training span to choose one"
    return chosen, "the best F1 on the last quarter of the training rows, held out"


def _without_known(declared: TrainingDeclaration, test: TrainingSet, split: TemporalSplit) -> TrainingSet:
    """Leave out the test rows whose key is known to be positive before their day."""
    if declared.drop_known is None:
        return test
    events = read_label_events(declared, split.train_from, split.test_to, [declared.drop_known])
    stay = without_known_positives(
        test.frame,
        events,
        key=declared.drop_known,
        timestamp=declared.timestamp,
        label=declared.label,
        train_from=split.train_from,
        known_after=declared.known_after,
    )
    return test.where(stay)


def _daily(declared: TrainingDeclaration, test: TrainingSet, scores: Scores, k: int) -> pd.Series[float]:
    if declared.drop_known is None or not len(test):
        return pd.Series(dtype="float64")
    days = test.frame[declared.timestamp].dt.floor("D")
    return daily_key_precision(days, test.frame[declared.drop_known], test.labels, scores, k)


def _use(booster: xgb.Booster, training: TrainingSet) -> tuple[FeatureUse, ...]:
    gain = {name: float(np.sum(value)) for name, value in booster.get_score(importance_type="total_gain").items()}
    total = sum(gain.values()) or 1.0
    missing = np.isnan(training.matrix).mean(axis=0)
    used = [
        FeatureUse(name, gain.get(name, 0.0) / total, float(share))
        for name, share in zip(training.features, missing, strict=True)
    ]
    return tuple(sorted(used, key=lambda feature: (-feature.gain, feature.name)))
