"""Says what a training run did in a short table for the command line."""

from __future__ import annotations

from training.measures.metrics import Metrics
from training.reports.report import metric_rows
from training.result import Count, TrainResult


def describe_training(result: TrainResult) -> str:
    """Return the closing table: counts, then every metric beside what chance reaches, then where things are."""
    lines = [
        "",
        f"{result.service} {result.version}   ({result.seconds:.1f} s)",
        f"  train    {result.split.train_from:%F} to {result.split.train_to:%F}  {_count(result.train)}",
        f"  test     {result.split.test_from:%F} to {result.split.test_to:%F}  {_count(result.test)}",
    ]
    if result.drop_known:
        lines.append(f"  left out {result.drop_known} known positive that day  {_count(result.removed)}")
    lines += ["", f"  {'metric':<28}{'test':>8}{'chance':>9}  95 % interval"]
    lines += [
        f"  {row['title']:<28}{row['value']:>8}{row['chance']:>9}  {row['reason'] or row['interval']}".rstrip()
        for row in metric_rows(result)
    ]
    lines.append("")
    if isinstance(result.metrics, Metrics):
        lines.append(f"  threshold {result.metrics.threshold:.4g}: {result.threshold_from}")
        lines.append(f"  calibrated by {result.calibrated_by}")
    if result.search:
        tried, pruned = result.search.trials
        lines.append(
            f"  searched  {tried} trials, {pruned} given up early: {result.search.measure} on the folds"
            f" {result.search.value:.4f}, without a search {result.search.without:.4f}"
        )
    lines += [
        f"  model     {result.model}",
        f"  report    {result.report}",
    ]
    return "\n".join(lines)


def _count(count: Count) -> str:
    return f"{count.rows:>10,} rows {count.positives:>7,} positive"
