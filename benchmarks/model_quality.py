"""Measures the models of the card example on the Fraud Detection Handbook's own weeks, features all computed by this platform.

    python -m benchmarks.model_quality --events transactions-handbook.parquet [--home data-quality] [--trials 0]

The home keeps lake, feature logs and studies: the first run lands and backfills them. A row is a model trained on days that end seven
days before its test week begins, tested without the cards known to be fraudulent since a fortnight before that week, as the
handbook does. Parameters are those that a search found on the four validation weeks before 2018-08-01 (`--trials 20` searches
again, and prints them); the test weeks take no part in any choice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.handbook_lake import prepare_lake
from training.data.dataset import TrainingSet
from training.data.rows import JoinedRows
from training.data.split import DAY, TemporalSplit, read_day
from training.data.task import TrainingTask, read_task
from training.evaluate import rows_that_count
from training.fitting.fitted import fit_model
from training.fitting.model import ModelParams
from training.measures.bootstrap import bootstrap, draw_counts, interval, point
from training.measures.key_precision import of_keys
from training.measures.statistics import of_order, together
from training.options import TrainingOptions
from training.tuning import folds_of, tune
from workspace.workspace import Workspace, open_store

WEEK = 7 * DAY
FIRST = read_day("first", "2018-05-08")  # from here on, all windows are full
WEEKS = tuple(read_day("week", f"2018-08-{day:02}") for day in (8, 15, 22, 29))
METRICS = {"auroc": "AUROC", "average_precision": "average precision", "key_precision_at_k": "card precision@100"}
PUBLISHED = {"week": (0.862, 0.639, 0.273), "mean": (0.869, 0.687, 0.303)}
LEAK = {"auroc": 0.91, "average_precision": 0.80}
SERVICE = "fraud_v3"
START = ModelParams(
    rounds=150, max_depth=5, learning_rate=0.1, min_child_weight=5.0, subsample=0.8, max_bin=512, negatives=0.2
)
CHOSEN = replace(  # what --trials 20 prints
    START,
    rounds=78,
    max_depth=6,
    learning_rate=0.08250722299912884,
    min_child_weight=1.288786460607635,
    subsample=0.6747087624496823,
    colsample_bytree=0.8826034027748767,
    reg_lambda=1.250973017172483,
    scale_pos_weight=2.0600162361851257,
)


@dataclass(frozen=True, slots=True)
class Week:
    """A test week's rows, and the scores that a model gives them."""

    rows: TrainingSet
    scores: npt.NDArray[np.float64]


def main() -> int:
    """Measure and print; exit 1 when a figure is too good to be true."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_quality", description=__doc__)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--home", type=Path, default=Path("data-quality"))
    parser.add_argument("--trials", type=int, default=0, help="search again, on the validation weeks")
    given = parser.parse_args()
    workspace = Workspace.from_env({"REPO": "examples/cards", "MILLRACE_DATA": str(given.home)})
    prepare_lake(given.events, workspace)
    store = open_store(workspace)
    task = read_task(store, SERVICE)
    source = JoinedRows(store, task)
    rows = source.build(FIRST, WEEKS[-1] + WEEK)
    params = search_again(task, source, rows, workspace, given.trials) if given.trials else CHOSEN
    print(f"\n{'':36}" + "".join(f"{title:>24}" for title in METRICS.values()))
    show("published, a week, 08-08", dict(zip(METRICS, PUBLISHED["week"], strict=True)))
    found = [measure("a week, 08-08", [test_week(task, source, rows, WEEKS[0], WEEKS[0] - 2 * WEEK, ModelParams())])]
    tested = [test_week(task, source, rows, one, FIRST, params) for one in WEEKS]
    for start, one in zip(WEEKS, tested, strict=True):
        found.append(measure(f"all history, {start:%m-%d}", [one]))
    show("published, a week, mean of four", dict(zip(METRICS, PUBLISHED["mean"], strict=True)))
    found.append(measure("all history, mean of the four", tested))
    leaks = [name for one in found for name, most in LEAK.items() if one[name] > most]
    if leaks:
        print(f"too good to be true: {', '.join(leaks)}; some feature knows the label", file=sys.stderr)
    return 1 if leaks else 0


def search_again(
    task: TrainingTask, source: JoinedRows, rows: TrainingSet, workspace: Workspace, trials: int
) -> ModelParams:
    """Search on the validation weeks, with rows up to the first test week's delay only; print what was found."""
    split = TemporalSplit(FIRST, WEEKS[0] - WEEK, WEEKS[0], WEEKS[0] + WEEK)
    options = TrainingOptions(split=split, history=True, trials=trials, known_since=WEEKS[0] - 2 * WEEK)
    before = rows.between(split.train_from, split.train_to)
    file = workspace.state / "search" / "model_quality.db"
    found = tune(task, options, split, folds_of(task, options, split, source), source, before, START, file, print)
    print(f"{found.measure} on the validation weeks: {found.value:.4f} {found.values}, without {found.without:.4f}")
    print(found.params)
    return found.params


def test_week(
    task: TrainingTask, source: JoinedRows, rows: TrainingSet, week: datetime, first: datetime, params: ModelParams
) -> Week:
    """Fit to the days from `first` on that end a delay before the week, and score what counts of the week."""
    began = time.perf_counter()
    training, asked = rows.between(first, week - WEEK), rows.between(week, week + WEEK)
    split = TemporalSplit(first, week - WEEK, week, week + WEEK)
    counted = rows_that_count(task, split, week - timedelta(days=14), training, asked, source)
    fitted = fit_model(training, params)
    said = f"{len(training):,} rows of {training.positives:,} positive; {fitted.calibrated_by.split(';')[0]}"
    print(f"  {first:%m-%d} to {week:%m-%d}: {said}; {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return Week(counted, fitted.predict(counted.matrix))


def measure(name: str, weeks: list[Week]) -> Mapping[str, float]:
    """Print the means over weeks, with intervals of cards drawn with replacement; return the means."""
    frame = pd.concat([week.rows.frame for week in weeks], ignore_index=True)
    counts, start = draw_counts(len(frame), frame["customer_id"]), 0
    values, draws = [], []
    for week in weeks:
        days = week.rows.frame[week.rows.timestamp].dt.floor("D")
        of = (week.rows.labels, week.scores)
        statistic = together(of_order(*of), of_keys(days, week.rows.frame["customer_id"], *of))
        values.append(point(statistic, len(week.scores)))
        draws.append(bootstrap(statistic, counts[:, start : start + len(week.scores)]))
        start += len(week.scores)
    means = {metric: float(np.mean([one[metric] for one in values])) for metric in METRICS}
    bounds = {metric: interval(np.mean([one[metric] for one in draws], axis=0)) for metric in METRICS}
    show(name, means, bounds)
    return means


def show(name: str, means: Mapping[str, float], bounds: Mapping[str, tuple[float, float] | None] | None = None) -> None:
    """Print a row."""
    cells = []
    for metric, value in means.items():
        around = (bounds or {}).get(metric)
        cells.append(f"{value:.3f}" + (f" [{around[0]:.3f}, {around[1]:.3f}]" if around else " " * 15))
    print(f"{name:36}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
