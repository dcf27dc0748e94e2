"""The reference of a model is read as it was written, and its bins hold what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contract.reference import ReferenceFileError, RowDays, column_reference, edges_of, read_reference, write_reference


def test_counts_are_kept_by_day_those_trained_on_first(tmp_path: Path) -> None:
    values = np.array([1.0, 2.0, np.nan, 2.0, 3.0, 9.0])
    days = np.array([f"2026-03-0{day}" for day in (1, 1, 2, 2, 3, 2)], "datetime64[D]")
    tested = np.array([False, False, False, False, True, True])
    column = column_reference("one", values, RowDays.of(days, tested))
    assert column.edges == (1.0, 2.0)  # of the trained rows only
    assert (column.days, column.trained) == (("2026-03-01", "2026-03-02", "2026-03-02", "2026-03-03"), 2)
    assert column.array().tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 1, 0]]
    write_reference(tmp_path / "ads" / "v1", [column])
    assert read_reference(tmp_path, "ads", "v1") == {"one": column}


def test_a_column_without_values_has_one_bin_and_a_constant_its_own() -> None:
    assert edges_of(np.array([np.nan, np.inf])) == ()
    assert edges_of(np.full(50, 7.0)) == (7.0,)
    assert len(edges_of(np.random.default_rng(1).normal(size=1000))) == 9


def test_a_version_without_a_reference_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match="trained before drift was measured; run `make train`"):
        read_reference(tmp_path, "ads", "v1")
    path = tmp_path / "ads" / "v1" / "reference.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with pytest.raises(ReferenceFileError, match="is not what a training writes"):
        read_reference(tmp_path, "ads", "v1")
