"""Parts of the rows: values, fifths of a range, and what is missing; each measured as if it were all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.errors import TrainingError
from training.measures.bootstrap import draw_counts, point
from training.measures.segments import parts_of, segment_table
from training.measures.statistics import of_order

RANDOM = np.random.default_rng(6)
ROWS = 600
FRAME = pd.DataFrame({"country": RANDOM.choice(["de", "fr", None], ROWS), "amount": RANDOM.exponential(50, ROWS)})
FRAME.loc[:9, "amount"] = np.nan
LABELS = (RANDOM.random(ROWS) < 0.3).astype("int64")
SCORES = RANDOM.random(ROWS)


def test_numbers_are_cut_into_fifths_and_missing_is_a_part() -> None:
    codes, names = parts_of(FRAME["amount"])
    assert (len(names), names[-1]) == (6, "missing")
    sizes = np.bincount(codes)
    assert sizes[:5].tolist() == pytest.approx([118] * 5, abs=1)
    assert sizes[5] == 10


def test_rare_values_are_others() -> None:
    names = parts_of(pd.Series([f"v{n:02}" for n in range(30)] * 2 + ["common"] * 9))[1]
    assert len(names) == 12
    assert {"common", "others"} <= set(names)


def test_each_part_is_measured_by_itself() -> None:
    def statistic(rows: np.ndarray) -> object:
        return of_order(LABELS[rows], SCORES[rows], 20)

    table = segment_table("country", FRAME, LABELS, statistic, draw_counts(ROWS, resamples=40))
    assert [part.part for part in table] == ["de", "fr", "missing"]
    assert sum(part.rows for part in table) == ROWS
    inside = (FRAME["country"] == "fr").to_numpy()
    alone = point(of_order(LABELS[inside], SCORES[inside], 20), int(inside.sum()))
    value, bounds = table[1].measured["auroc"]
    assert value == alone["auroc"]
    assert bounds is not None
    assert bounds[0] < alone["auroc"] < bounds[1]


def test_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"no column 'city' .* use one of country, amount"):
        segment_table("city", FRAME, LABELS, lambda rows: of_order(LABELS, SCORES), draw_counts(ROWS, resamples=2))
