"""Measures what an investigator sees: each day, of the k most suspicious keys, how many are truly positive.

This is the Fraud Detection Handbook's precision top-k of keys (chapter 4): a key's score of a day is the
highest of its rows, it is positive when one of its rows is, and **a key that was found leaves the later days**, because
it is dealt with. Ties are broken by the key, so that the figure does not depend on the order of rows. As in the
handbook, the divisor is k on a day with fewer keys, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.measures.bootstrap import Counts, Draws, Statistic


def daily_key_precision(
    days: pd.Series[pd.Timestamp],
    keys: pd.Series[int],
    labels: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    k: int = 100,
    remove_found: bool = True,
) -> pd.Series[float]:
    """Return each day's share of positives among its k highest keys, indexed by day in order; the mean is the metric.

    >>> days, keys = pd.Series(pd.to_datetime(["2024-01-01"] * 2 + ["2024-01-02"] * 2)), pd.Series([1, 2, 1, 3])
    >>> daily_key_precision(days, keys, np.array([1, 0, 1, 0]), np.array([0.9, 0.1, 0.8, 0.2]), k=1).tolist()
    [1.0, 0.0]

    Args:
        days: Each row's day.
        keys: Each row's key.
        labels: Shape (rows,), 0 or 1.
        scores: Shape (rows,); higher is more suspicious.
        k: How many keys are looked at a day.
        remove_found: Whether a key found positive among a day's k leaves the later days.
    """
    rows = pd.DataFrame({"day": days.array, "key": keys.array, "label": labels, "score": scores})
    by_day = rows.groupby(["day", "key"], as_index=False).agg(label=("label", "max"), score=("score", "max"))
    ranked = by_day.sort_values(["day", "score", "key"], ascending=[True, False, True])
    found: set[object] = set()
    shares: dict[object, float] = {}
    for day, of_day in ranked.groupby("day", sort=True):
        top = of_day[~of_day["key"].isin(found)].head(k)
        hits = top.loc[top["label"] == 1, "key"]
        shares[day] = len(hits) / k
        if remove_found:
            found.update(hits)
    return pd.Series(shares, dtype="float64")


def of_keys(
    days: pd.Series[pd.Timestamp],
    keys: pd.Series[int],
    labels: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    k: int = 100,
) -> Statistic:
    """Return `key_precision_at_k`, the mean of `daily_key_precision` with found keys removed, of keys that are drawn whole.

    A key that is drawn twice counts as two. So the counts must be of clusters that are the keys, or hold them.
    """
    rows = pd.DataFrame({"day": days.array, "key": keys.array, "label": labels, "score": scores})
    rows["row"] = np.arange(len(rows))
    by_day = rows.groupby(["day", "key"], as_index=False).agg(
        label=("label", "max"), score=("score", "max"), row=("row", "first")
    )
    ranked = by_day.sort_values(["day", "score", "key"], ascending=[True, False, True])
    ranked["key"] = pd.factorize(ranked["key"])[0]
    number = int(ranked["key"].max()) + 1 if len(ranked) else 0
    each = [tuple(of_day[c].to_numpy() for c in ("row", "key", "label")) for _, of_day in ranked.groupby("day")]

    def statistic(counts: Counts) -> Draws:
        open_ = np.ones((len(counts), number), dtype=np.bool_)
        shares = []
        for row, key, label in each:
            drawn = counts[:, row] * open_[:, key]
            so_far = np.cumsum(drawn, axis=1)
            hits = (drawn - np.clip(so_far - k, 0, drawn)) * label  # of each key as many as fit below k
            shares.append(hits.sum(axis=1) / k)
            open_[:, key] &= hits == 0
        return {"key_precision_at_k": np.mean(shares, axis=0) if shares else np.full(len(counts), np.nan)}

    return statistic
