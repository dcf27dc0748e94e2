"""What the page's threshold explorer needs: at some hundred thresholds, the alerts, the positives among them and their price."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

POINTS = 400


def explorer_facts(
    labels: npt.NDArray[Any],
    scores: Floats,
    days: int,
    threshold: float,
    missing: Floats | None = None,
    alert: float = 0.0,
) -> dict[str, Any] | None:
    """Return what is above each of some thresholds, by falling threshold, as JSON holds it; None without both classes.

    Half of the thresholds cut off equal numbers of positives, half are spread over the logarithm of the number of alerts:
    where alerts are rare, each counts.

    Args:
        labels: Shape (rows,), 0 or 1.
        scores: Shape (rows,), probabilities.
        days: How many days the rows are of.
        threshold: The chosen one; it is among those returned.
        missing: What each row costs that is no alert, shape (rows,); each missed positive costs 1 when None.
        alert: What each alert costs.
    """
    if not 0 < labels.sum() < len(labels):
        return None
    prices = np.where(labels == 1, 1.0, 0.0) if missing is None else missing
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(
        np.diff(ordered, append=-np.inf) != 0
    )  # of each run of equal scores: a threshold takes all of it
    alerts = last + 1
    hits = np.cumsum(labels[order])[last]
    kept = _spread(alerts, hits, POINTS)
    chosen = int(np.searchsorted(-ordered[last], -threshold, side="right")) - 1
    if chosen >= 0:
        kept = np.union1d(kept, [chosen])
    saved = np.cumsum(prices[order])[last]
    return {
        "rows": len(labels),
        "positives": int(labels.sum()),
        "days": days,
        "priced": missing is not None,
        "alert": alert,
        "total": round(float(prices.sum()), 2),
        "chosen": int(np.searchsorted(kept, chosen)) if chosen >= 0 else None,
        "thresholds": [float(f"{one:.6g}") for one in ordered[last][kept]],
        "alerts": alerts[kept].tolist(),
        "hits": hits[kept].tolist(),
        "saved": [round(float(one), 2) for one in saved[kept]],
    }


def _spread(alerts: npt.NDArray[np.int64], hits: npt.NDArray[np.int64], points: int) -> npt.NDArray[np.int64]:
    """Return the places of some thresholds, rising."""
    by_hits = np.searchsorted(hits, np.linspace(hits[0], hits[-1], points // 2))
    by_alerts = np.searchsorted(alerts, np.geomspace(1, alerts[-1], points // 2))
    found: npt.NDArray[np.int64] = np.unique(np.concatenate([by_hits, by_alerts, [len(alerts) - 1]]))
    return np.minimum(found, len(alerts) - 1)
