"""Metrics as functions of how often each row was drawn, for `training.measures.bootstrap`: sorted once, then sums.

Rows of equal score are taken together, as scikit-learn does; those at the edge of the first k in their given order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.measures.bootstrap import Counts, Draws, Statistic

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]


def of_means(columns: Mapping[str, Numbers]) -> Statistic:
    """Return the mean of each column of numbers, shape (rows,): losses, costs, errors."""
    table = np.stack([np.asarray(column, dtype="float64") for column in columns.values()], axis=1)

    def statistic(counts: Counts) -> Draws:
        means = _divide(counts @ table, counts.sum(axis=1, keepdims=True))
        return dict(zip(columns, means.T, strict=True))

    return statistic


def of_order(labels: Numbers, scores: Numbers, k: int = 100) -> Statistic:
    """Return `auroc`, `average_precision`, `ndcg` and `precision_at_k` of scores for labels of 0 and 1."""
    order = np.argsort(-scores, kind="stable")
    positive = labels[order].astype(np.int64)
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # of each run of equal scores

    def statistic(counts: Counts) -> Draws:
        drawn = counts[:, order]
        hits, rows = np.cumsum(drawn * positive, axis=1), np.cumsum(drawn, axis=1)
        all_hits, all_rows = hits[:, -1], rows[:, -1]
        at_k = _hits_of_first(k, hits, rows, positive) / k
        hits, rows = hits[:, ends], rows[:, ends]
        new_hits, new = np.diff(hits, axis=1, prepend=0), np.diff(rows, axis=1, prepend=0)
        auroc = ((new - new_hits) * (hits - new_hits / 2)).sum(axis=1)
        precision = (new_hits * hits / np.maximum(rows, 1)).sum(axis=1)
        discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, int(all_rows.max()) + 2)))])
        gained = (new_hits / np.maximum(new, 1) * (discounts[rows] - discounts[rows - new])).sum(axis=1)
        return {
            "auroc": _divide(auroc, all_hits * (all_rows - all_hits)),
            "average_precision": _divide(precision, all_hits),
            "ndcg": _divide(gained, discounts[all_hits]),
            "precision_at_k": np.where(all_rows >= k, at_k, np.nan),
        }

    return statistic


def of_alerts(labels: Numbers, scores: Numbers, threshold: float) -> Statistic:
    """Return `precision`, `recall` and `f1` of the rows that are scored at or above a threshold."""
    alerts, positive = (scores >= threshold).astype("float64"), labels.astype("float64")
    table = np.stack([alerts * positive, alerts, positive], axis=1)

    def statistic(counts: Counts) -> Draws:
        hits, alerted, positives = (counts @ table).T
        recall = _divide(hits, positives)
        return {
            "precision": _divide(hits, alerted),
            "recall": recall,
            "f1": np.where(positives > 0, _divide(2 * hits, alerted + positives), np.nan),
        }

    return statistic


def of_days(labels: Numbers, scores: Numbers, days: Numbers, k: int = 100) -> Statistic:
    """Return `ndcg_daily` and `precision_at_k_daily`: the means over the days on which they are defined."""
    rows_of = [np.flatnonzero(days == day) for day in np.unique(days)]
    each = [(rows, of_order(labels[rows], scores[rows], k)) for rows in rows_of]

    def statistic(counts: Counts) -> Draws:
        found = [one(counts[:, rows]) for rows, one in each]
        return {f"{name}_daily": _mean([day[name] for day in found]) for name in ("ndcg", "precision_at_k")}

    return statistic


def together(*statistics: Statistic) -> Statistic:
    """Return one statistic of several."""
    return lambda counts: {name: values for one in statistics for name, values in one(counts).items()}


def only(statistic: Statistic, *names: str) -> Statistic:
    """Return a statistic of some of its metrics."""

    def some(counts: Counts) -> Draws:
        found = statistic(counts)
        return {name: found[name] for name in names}

    return some


def _hits_of_first(k: int, hits: Counts, rows: Counts, positive: Numbers) -> Counts:
    """Return how many of the first k rows drawn are positive; of the row with which k are reached only what is left to k."""
    last = np.minimum((rows < k).sum(axis=1), rows.shape[1] - 1)
    resample = np.arange(len(rows))
    return hits[resample, last] - np.maximum(rows[resample, last] - k, 0) * positive[last]


def _divide(above: Numbers, below: Numbers) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype="float64"), below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def _mean(values: Sequence[Floats]) -> Floats:
    table = np.stack(values)
    defined = np.isfinite(table)
    return _divide(np.where(defined, table, 0.0).sum(axis=0), defined.sum(axis=0))
