"""Times and decayed sums as of the request: the example of docs/semantics.md is true of events and requests."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contract import arrays, elapsed
from contract.elapsed import decayed, seconds_since

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "semantics.md").read_text()
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("module", [arrays, elapsed])
def test_examples_are_true(module: Any) -> None:
    tried = doctest.testmod(module)
    assert (tried.failed, tried.attempted > 1) == (0, True)


@pytest.mark.parametrize("kind", ["Int64", "float64", "object"])
def test_the_documents_view_gives_seconds_and_a_sum_as_of_the_request(kind: str) -> None:
    scope: dict[str, Any] = {}
    exec(EXAMPLE, scope)
    inputs = pd.DataFrame(
        {
            "event_timestamp": pd.to_datetime(["2026-01-01 12:00", "2026-01-01 18:00", "2026-01-01 18:00"], utc=True),
            "last_purchase_at": pd.Series([1_767_268_740_000_000, 1_767_268_800_000_000, None], dtype=kind),
            "spent_decayed": [100.0, 100.0, 0.0],
        }
    ).set_axis([5, 3, 1])
    out = scope["as_of_request"](inputs)
    assert out.index.tolist() == [5, 3, 1]
    assert out["seconds_since_last"].tolist()[:2] == [60.0, 21_600.0]
    assert np.isnan(out["seconds_since_last"].iloc[2])
    assert out["spent_lately"].tolist() == pytest.approx([100 * 2 ** (-1 / 360), 50.0, 0.0])


def test_times_without_a_zone_are_utc() -> None:
    assert seconds_since(np.array([0]), np.array(["1970-01-01T00:00:01"], "datetime64[s]")).tolist() == [1.0]


def test_nothing_decays_to_nothing() -> None:
    assert decayed(np.array([0.0]), np.array([np.nan]), "1h").tolist() == [0.0]
