"""On-demand views of the shipped repos run as Feast runs them from its registry: by their text, with pandas and NumPy alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workspace.workspace import Workspace, read_declarations

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["feature_repo", "examples/video", "examples/cards"])
def views(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Any]]:
    """The views of a repo, having been through Feast's registry format."""
    from feast import OnDemandFeatureView

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_DATA", os.environ.get("MILLRACE_DATA", str(tmp_path)))
        repo = ROOT / request.param
        declared = read_declarations(Workspace(repo, tmp_path, repo / "feature_store.yaml"))
        yield [OnDemandFeatureView.from_proto(view.to_proto()) for view in declared.on_demand_feature_views]


def test_on_demand_functions_need_nothing_but_their_own_text(views: list[Any]) -> None:
    assert views
    for view in views:
        alone: dict[str, Any] = {"pd": pd, "np": np}
        text = view.feature_transformation.udf_string
        exec(text[text.index("def ") :], alone)  # what stands above it in its file is not there
        assert alone[view.feature_transformation.udf.__name__](inputs_of(view)).index.tolist() == [0, 1]


def inputs_of(view: Any) -> pd.DataFrame:
    """Return two rows of what a view reads, with plain values."""
    fields = [f for one in view.source_feature_view_projections.values() for f in one.features]
    fields += [f for one in view.source_request_sources.values() for f in one.schema]
    frame = pd.DataFrame(index=[0, 1])
    for field in fields:
        kind = str(field.dtype)
        if "Array" in kind:
            frame[field.name] = pd.Series([np.array(["a", "b"] if "String" in kind else [1.0, 2.0])] * 2, dtype=object)
        elif "Timestamp" in kind:
            frame[field.name] = pd.to_datetime(["2026-01-02 10:00", "2026-01-02 11:00"], utc=True)
        else:
            frame[field.name] = ["a", "b"] if kind == "String" else [1.0, 2.0]
    frame["event_timestamp"] = pd.to_datetime(["2026-01-02 10:00", "2026-01-02 11:00"], utc=True)
    return frame
