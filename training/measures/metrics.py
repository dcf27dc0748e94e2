"""Measures how well scores rank and separate labels, offline, with scikit-learn's definitions.

What a degenerate input leaves undefined (one class only, no alert, fewer rows than k) is None, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

DOUBT = 3.0
"""How many standard errors a model must be ahead."""

MEANING: Mapping[str, tuple[str, str]] = {
    "precision": ("Precision", "of the rows scored at or above the threshold, the share that is positive"),
    "recall": ("Recall", "of the positives, the share scored at or above the threshold"),
    "f1": ("F1", "the harmonic mean of precision and recall"),
    "auroc": ("AUROC", "how often a positive is scored above a negative"),
    "average_precision": (
        "Average precision",
        "precision averaged over all recalls: the area under the precision-recall curve",
    ),
    "log_loss": ("Log loss", "how wrong the scores are as probabilities; lower is better"),
    "brier": ("Brier score", "their mean squared error; lower is better"),
    "ndcg": ("NDCG", "how near the top the positives are ranked, 1 when all come first"),
    "precision_at_k": ("Precision at {k}", "of the k rows scored highest, the share that is positive"),
    "key_precision_at_k": (
        "Key precision at {k}, daily",
        "of the k keys scored highest each day, the share with a positive; mean over the days",
    ),
    "ndcg_daily": ("NDCG, daily", "how near the top of its day the positives are ranked; mean over the days"),
    "precision_at_k_daily": ("Precision at {k}, daily", "of the k rows scored highest each day; mean over the days"),
    "cost": (
        "Cost of a row",
        "what missed positives and alerts cost at the threshold, by the cost table; lower is better",
    ),
}
"""By metric: its title and what it says."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was measured on one set of rows; None where it is undefined, and then `reasons` says why.

    Attributes:
        rows: Number of rows.
        positives: Number of rows with label 1.
        threshold: The score from which on a row counts as an alert (inclusive).
        k: How many rows, or keys a day, the two precisions at k look at.
        no_model: What a row costs without alerts, or with nothing but alerts, whichever is less; None without a cost table.
        reasons: (metric, why it is None), for those that are.
        intervals: By metric: the 95 % bootstrap interval, for those that have one.

    The others are shares in [0, 1], but for `log_loss`, in nats from 0 up, and `cost`; `MEANING` describes each.
    """

    MEANING: ClassVar[Mapping[str, tuple[str, str]]] = MEANING
    HEADLINES: ClassVar[tuple[str, ...]] = ("auroc", "average_precision", "precision_at_k", "key_precision_at_k")

    rows: int
    positives: int
    threshold: float
    k: int
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    average_precision: float | None
    log_loss: float | None
    brier: float | None
    ndcg: float | None
    precision_at_k: float | None
    key_precision_at_k: float | None
    ndcg_daily: float | None = None
    precision_at_k_daily: float | None = None
    cost: float | None = None
    no_model: float | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON holds them; `reasons` as an object."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        bounds = {name: list(found) for name, found in self.intervals.items()}
        return values | {"reasons": dict(self.reasons), "intervals": bounds}

    def chance(self) -> dict[str, float]:
        """Return what scores that know nothing reach on the same rows."""
        return chance(self)

    def beats_chance(self) -> tuple[bool, str]:
        """Say whether AUROC is above a half by `DOUBT` of its standard errors where nothing is known.

        Source: Hanley and McNeil, *The meaning and use of the area under a ROC curve* (1982).
        """
        if self.auroc is None:
            return False, dict(self.reasons)["auroc"]
        negatives = self.rows - self.positives
        error = math.sqrt((self.rows + 1) / (12 * self.positives * negatives))
        return self.auroc - 0.5 > DOUBT * error, f"AUROC {self.auroc:.3f} against 0.5 (standard error {error:.3f})"


def measure(
    labels: Labels,
    scores: Scores,
    threshold: float,
    k: int = 100,
    key_precision: float | None = None,
    others: Mapping[str, float | None] | None = None,
) -> Metrics:
    """Compute every metric of `MEANING`.

    >>> found = measure(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]), threshold=0.5, k=2)
    >>> found.auroc, found.precision, found.recall, found.precision_at_k
    (0.75, 1.0, 0.5, 0.5)
    >>> dict(measure(np.array([0, 0]), np.array([0.1, 0.2]), threshold=0.5, k=2).reasons)["auroc"]
    'no positive among 2 rows'

    Args:
        labels: Shape (rows,), 0 or 1.
        scores: Shape (rows,), probabilities in [0, 1].
        threshold: A row scored at or above it is an alert.
        k: For `precision_at_k`; rows of equal score count in their given order.
        key_precision: The mean of `training.measures.key_precision.daily_key_precision`, when the service names a key.
        others: `ndcg_daily` and `precision_at_k_daily`, `cost` and `no_model`, as far as they are known.
    """
    others = others or {}
    rows, positives, alerts = len(labels), int(labels.sum()), scores >= threshold
    none = {0: f"no positive among {rows} rows", rows: f"no negative among {rows} rows"} if rows else {0: "no rows"}
    one_class = none.get(positives)
    no_positive = one_class if positives == 0 else None
    no_alert = None if alerts.any() else f"no row is scored at or above {threshold:.4g}"
    few = None if rows >= k else f"{rows} rows are fewer than k = {k}"
    ordered = labels[np.argsort(-scores, kind="stable")]
    why: dict[str, str | None] = {
        "precision": no_alert,
        "recall": no_positive,
        "f1": no_positive,
        "auroc": one_class,
        "average_precision": no_positive,
        "log_loss": None if rows else "no rows",
        "brier": None if rows else "no rows",
        "ndcg": no_positive or ("one row has no ranking" if rows < 2 else None),
        "precision_at_k": few,
        "key_precision_at_k": "the service names no key (tag millrace.drop_known)" if key_precision is None else None,
        "ndcg_daily": None if others.get("ndcg_daily") is not None else "no day has a positive",
        "precision_at_k_daily": None if others.get("precision_at_k_daily") is not None else f"no day has {k} rows",
        "cost": None if others.get("cost") is not None else "no cost table (tag millrace.costs, or COSTS=)",
    }
    compute: dict[str, Callable[[], Any]] = {
        "precision": lambda: sk.precision_score(labels, alerts, zero_division=0),
        "recall": lambda: sk.recall_score(labels, alerts),
        "f1": lambda: sk.f1_score(labels, alerts, zero_division=0),
        "auroc": lambda: sk.roc_auc_score(labels, scores),
        "average_precision": lambda: sk.average_precision_score(labels, scores),
        "log_loss": lambda: sk.log_loss(labels, scores, labels=[0, 1]),
        "brier": lambda: ((scores - labels) ** 2).mean(),
        "ndcg": lambda: sk.ndcg_score([labels], [scores]),
        "precision_at_k": lambda: ordered[:k].mean(),
        "key_precision_at_k": lambda: key_precision,
        "ndcg_daily": lambda: others["ndcg_daily"],
        "precision_at_k_daily": lambda: others["precision_at_k_daily"],
        "cost": lambda: others["cost"],
    }
    values: dict[str, Any] = {name: None if why[name] else float(compute[name]()) for name in MEANING}
    reasons = tuple((name, reason) for name, reason in why.items() if reason)
    return Metrics(rows, positives, threshold, k, **values, no_model=others.get("no_model"), reasons=reasons)


def chance(measured: Metrics) -> dict[str, float]:
    """Return what scores that know nothing reach on the same rows; metrics without such a value are left out.

    >>> chance(measure(np.array([0, 0, 0, 1]), np.full(4, 0.5), threshold=0.5))["average_precision"]
    0.25
    """
    share = measured.positives / measured.rows if measured.rows else 0.0
    baseline = {"precision": share, "auroc": 0.5, "average_precision": share, "precision_at_k": share}
    if 0 < share < 1:
        # The best constant score is the share itself; its loss is the entropy.
        baseline["log_loss"] = -share * math.log(share) - (1 - share) * math.log(1 - share)
        baseline["brier"] = share * (1 - share)
    if measured.no_model is not None:
        baseline["cost"] = measured.no_model
    return baseline


def best_f1_threshold(labels: Labels, scores: Scores) -> float | None:
    """Return the score at which F1 is highest; the lowest such score, or None without a positive.

    Choose it on rows the model was not fitted to and that come before the test.

    >>> best_f1_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.35
    """
    if not labels.any():
        return None
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)[:-1]
    return float(thresholds[int(np.argmax(f1))])
