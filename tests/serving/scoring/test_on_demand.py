"""What becomes of what an on-demand function gives: under which names, in which types, and what is told where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contract.service import OnDemandView
from serving.scoring import on_demand
from stores.cells.column import Column

GIVEN = {"n": Column.of("int64", [1, 2]), "clicks__rate": Column.of("float64", [0.5, 0.25])}
MODES = {"pandas": pd.DataFrame, "python": dict, "arrays": dict}


def view(mode: str, give: Callable[[Any], dict[str, Any]]) -> OnDemandView:
    """A view of two features, both counts, of a function that gives this."""
    udf = lambda inputs: MODES[mode](give(inputs))  # noqa: E731
    return OnDemandView("made", mode, udf, (("clicks", "rate"),), (("one", "int64"), ("two", "int64")))


@pytest.mark.parametrize("mode", MODES)
def test_a_feature_may_be_given_under_its_own_name_or_under_its_full_one(mode: str) -> None:
    made = view(mode, lambda inputs: {"one": inputs["n"], "made__two": [3, 4]})
    columns, failed = on_demand.compute(made, GIVEN, 2)
    assert {name: np.asarray(column.values).tolist() for name, column in columns.items()} == {
        "made__one": [1, 2],
        "made__two": [3, 4],
    }
    assert failed is None


@pytest.mark.parametrize("mode", MODES)
def test_a_declared_feature_that_is_not_given_is_missing_and_told(
    mode: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand, "_told", {})
    columns, failed = on_demand.compute(view(mode, lambda inputs: {"one": inputs["n"]}), GIVEN, 2)
    assert failed is not None
    assert failed.all()
    assert {name: column.valid.tolist() for name, column in columns.items()} == {
        "made__one": [False, False],
        "made__two": [False, False],
    }
    assert "made__two: its function gave ['one']; give every declared feature." in caplog.text
