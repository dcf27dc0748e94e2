"""Measures how well candidates are ordered, offline: list by list, then the mean over the lists.

A list whose candidates are all equally relevant has no order to find; it is left out and counted. Equal scores count as
half ordered in `pairwise_loss`; elsewhere candidates of equal score keep their given order.
Source of NDCG: Järvelin and Kekäläinen, *Cumulated gain-based evaluation of IR techniques* (2002), with the gain
`2**relevance - 1` that XGBoost's `rank:ndcg` optimises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from training.measures.bootstrap import Statistic, bootstrap, draw_counts, intervals
from training.measures.statistics import of_means

DOUBT = 3.0
"""How many standard errors a model must be ahead."""


@dataclass(frozen=True, slots=True)
class RankingMetrics:
    """What was measured of a ranking; means over the lists, in [0, 1].

    Attributes:
        rows: Number of candidates.
        lists: Lists that were measured.
        left_out: Lists whose candidates are all equally relevant.
        ndcg_5: NDCG of the first five.
        ndcg_10: NDCG of the first ten.
        average_precision: MAP: a candidate is relevant when its relevance is above 0.
        pairwise_loss: The share of pairs of different relevance that are in the wrong order.
        random_ndcg_5: `ndcg_5` of a random order, as expected.
        random_ndcg_10: `ndcg_10` of a random order, as expected.
        random_average_precision: `average_precision` of a random order, as expected.
        lead: By how many standard errors `ndcg_10` is above that of a random order.
        reasons: (metric, why it is undefined).
        intervals: By metric: the 95 % bootstrap interval.
    """

    MEANING: ClassVar[Mapping[str, tuple[str, str]]] = {
        "ndcg_5": ("NDCG@5", "how near the top the relevant ones are among the first five, 1 when the order is best"),
        "ndcg_10": ("NDCG@10", "the same among the first ten"),
        "average_precision": ("MAP", "precision averaged over the places of the relevant ones"),
        "pairwise_loss": ("Pairwise ranking loss", "the share of pairs in the wrong order; lower is better"),
    }
    HEADLINES: ClassVar[tuple[str, ...]] = ("ndcg_5", "ndcg_10", "average_precision", "pairwise_loss")

    rows: int
    lists: int
    left_out: int
    ndcg_5: float | None
    ndcg_10: float | None
    average_precision: float | None
    pairwise_loss: float | None
    random_ndcg_5: float
    random_ndcg_10: float
    random_average_precision: float
    lead: float
    reasons: tuple[tuple[str, str], ...] = ()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def chance(self) -> dict[str, float]:
        """Return what a random order reaches, as expected over the same lists."""
        return {
            "ndcg_5": self.random_ndcg_5,
            "ndcg_10": self.random_ndcg_10,
            "average_precision": self.random_average_precision,
            "pairwise_loss": 0.5,
        }

    def beats_chance(self) -> tuple[bool, str]:
        """Say whether NDCG@10 is above that of a random order by `DOUBT` standard errors."""
        if self.ndcg_10 is None:
            return False, "no list has an order to find"
        return self.lead > DOUBT, f"NDCG@10 {self.ndcg_10:.3f} against {self.random_ndcg_10:.3f} of a random order"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON holds them."""
        bounds = {name: list(found) for name, found in self.intervals.items()}
        return asdict(self) | {"reasons": dict(self.reasons), "intervals": bounds}


def measure_ranking(
    relevance: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]
) -> RankingMetrics:
    """Measure scores, shape (rows,), against relevances; equal `groups` are one list.

    >>> found = measure_ranking(np.array([1, 0, 0, 1]), np.array([0.9, 0.1, 0.2, 0.8]), np.array([1, 1, 2, 2]))
    >>> found.ndcg_5, found.pairwise_loss
    (1.0, 0.0)
    """
    order = np.lexsort((-scores, groups))
    relevance, groups, scores = relevance[order], groups[order], scores[order]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1)) if len(groups) else np.zeros(0, np.int64)
    lists = [(relevance[a:b], scores[a:b]) for a, b in zip(starts, [*starts[1:], len(groups)], strict=True)]
    told = [_measure_list(one, points) for one, points in lists if one.min() != one.max()]
    left_out = len(lists) - len(told)
    if not told:
        names = tuple((name, "no list has an order to find") for name in RankingMetrics.MEANING)
        return RankingMetrics(len(relevance), 0, left_out, None, None, None, None, 0.0, 0.0, 0.0, 0.0, names)
    table = np.array(told)
    ahead = table[:, 1] - table[:, 5]
    spread = float(ahead.std(ddof=1)) / len(ahead) ** 0.5 if len(ahead) > 1 else 0.0
    ndcg_5, ndcg_10, precision, loss, random_5, random_10, random_precision = map(float, table.mean(axis=0))
    return RankingMetrics(
        rows=len(relevance),
        lists=len(told),
        left_out=left_out,
        ndcg_5=ndcg_5,
        ndcg_10=ndcg_10,
        average_precision=precision,
        pairwise_loss=loss,
        random_ndcg_5=random_5,
        random_ndcg_10=random_10,
        random_average_precision=random_precision,
        lead=float(ahead.mean()) / spread if spread else 0.0,
        intervals=intervals(bootstrap(of_lists(table), draw_counts(len(table)))),
    )


def of_lists(table: npt.NDArray[np.float64]) -> Statistic:
    """Return the metrics of lists, shape (lists, 4 or more), as a statistic of how often each list was drawn."""
    return of_means({name: table[:, column] for column, name in enumerate(RankingMetrics.MEANING)})


def _measure_list(relevance: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return NDCG@5, NDCG@10, AP, pairwise loss, and the first three of a random order; by falling score."""
    gains = 2.0**relevance - 1
    discounts = 1 / np.log2(np.arange(2, len(gains) + 2))
    best = np.sort(gains)[::-1]
    ndcg, random = [], []
    for k in (5, 10):
        ideal = (best[:k] * discounts[:k]).sum()
        ndcg.append((gains[:k] * discounts[:k]).sum() / ideal)
        random.append(gains.mean() * discounts[:k].sum() / ideal)
    hit = relevance > 0
    precision = (np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean() if hit.any() else 0.0
    higher = relevance[:, None] > relevance[None, :]
    wrong = np.where(scores[:, None] < scores[None, :], 1.0, np.where(scores[:, None] == scores[None, :], 0.5, 0.0))
    return (*ndcg, float(precision), float(wrong[higher].mean()), *random, _random_precision(len(hit), int(hit.sum())))


def _random_precision(rows: int, hits: int) -> float:
    """Return the expected average precision of a random order (Bestgen, *Exact expected average precision*, 2015)."""
    if hits == 0:
        return 0.0
    places = np.arange(1, rows + 1)
    others = (hits - 1) / (rows - 1) if rows > 1 else 0.0
    return float(((1 + (places - 1) * others) / places).mean())


def list_table(
    relevance: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each list with an order to find its first row, shape (lists,), and its metrics in the order of `MEANING`.

    The lists come by rising group, whatever the scores are: two models' tables are about the same lists, line by line.
    """
    firsts: list[int] = []
    table: list[tuple[float, ...]] = []
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(rows) and relevance[rows].min() != relevance[rows].max():
            rows = rows[np.argsort(-scores[rows], kind="stable")]
            firsts.append(int(rows.min()))
            table.append(_measure_list(relevance[rows], scores[rows])[: len(RankingMetrics.MEANING)])
    return np.array(firsts, np.int64), np.array(table, np.float64).reshape(-1, len(RankingMetrics.MEANING))
