"""The second shipped domain: its plans, its world and the truth behind it, and functions that take what may be missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

REPO = Path(__file__).parents[2] / "examples" / "video"
sys.path.append(str(REPO))
from feedworld.day import draw_day, tables  # noqa: E402 - it belongs to the example, whose files import by plain names
from feedworld.world import World  # noqa: E402
from training.measures.ranking import measure_ranking  # noqa: E402

FIRST = (date(2026, 1, 1) - date(1970, 1, 1)).days * 86_400_000_000
TINY = World(users=20, requests_a_day=30, candidates=5, seed=3)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from workspace.workspace import Workspace, read_declarations

    before = os.environ.get("MILLRACE_DATA")
    yield read_declarations(Workspace(REPO, tmp_path_factory.mktemp("data"), REPO / "feature_store.yaml"))
    if before is None:
        os.environ.pop("MILLRACE_DATA", None)
    else:
        os.environ["MILLRACE_DATA"] = before


@pytest.mark.slow
def test_every_view_is_planned(declared: Any) -> None:
    from pipelines.plan_view import plan_views

    plans = {plan.view: plan for plan in plan_views(declared)}
    assert sorted(plans) == sorted(
        [f"{who}_{topic}" for who in ("user", "video", "pair") for topic in ("impressions", "clicks", "watches")]
        + ["user_profile"]
    )
    assert plans["pair_clicks"].keys == ("user_id", "category")
    assert plans["user_profile"].kind == "batch"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["click_rates", "watch_lengths", "candidate_context"])
def test_on_demand_functions_take_what_may_be_missing(declared: Any, name: str) -> None:
    view = next(one for one in declared.on_demand_feature_views if one.name == name)
    now = pd.to_datetime(["2026-01-02 10:00", "2026-01-02 11:00"], utc=True)
    numbers = [f.name for p in view.source_feature_view_projections.values() for f in p.features]
    frame = pd.DataFrame({one: [np.nan, 3.0] for one in numbers})
    frame["event_timestamp"], frame["uploaded_at"] = now, now - pd.Timedelta(hours=5)
    frame["this_category"], frame["this_video"] = "news", "v1"
    frame["last_categories"] = pd.Series([None, np.array(["news", "sport"])], dtype=object)
    frame["last_videos"] = pd.Series([None, np.array([])], dtype=object)
    frame["last_click_at"] = [np.nan, 1_767_340_000_000_000.0]
    out = view.feature_transformation.udf(frame)
    assert sorted(out.columns) == sorted(field.name for field in view.features)
    assert not np.isinf(out.to_numpy(dtype="float64", na_value=np.nan)).any()
    if name == "candidate_context":
        assert out["age_hours"].tolist() == [5.0, 5.0]
        assert np.isnan(out["share_of_last"][0])
        assert (out["share_of_last"][1], out["seen_before"].tolist()) == (0.5, [0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("known", [232, 300])
def test_users_without_a_click_have_no_time_since_one_however_many_others_have(declared: Any, known: int) -> None:
    """Above 127 different times, `to_datetime` of nullable whole numbers fails on a null, or gives it another user's."""
    view = next(one for one in declared.on_demand_feature_views if one.name == "candidate_context")
    clicks = np.repeat(1_767_340_000_000_000.0 + 1e6 * np.arange(known), 3)  # several candidates a request
    frame = pd.DataFrame({"last_click_at": np.append(clicks, [np.nan] * 60)})
    frame["event_timestamp"] = pd.Timestamp("2026-01-02 10:00", tz="UTC")
    frame["uploaded_at"] = pd.Timestamp("2026-01-02 05:00", tz="UTC")
    frame["this_category"], frame["this_video"], frame["last_categories"], frame["last_videos"] = (
        "news",
        "v1",
        None,
        None,
    )
    out = view.feature_transformation.udf(frame)["hours_since_click"].to_numpy()
    since = (pd.Timestamp("2026-01-02 10:00").value // 1000 - clicks) / 3.6e9
    np.testing.assert_allclose(out, np.append(since, [np.nan] * 60), rtol=1e-12)


def test_a_day_is_the_same_again_and_no_other_day_is() -> None:
    once, again, other = (tables(TINY, draw_day(TINY, number), FIRST) for number in (4, 4, 5))
    assert all(once[name].equals(again[name]) for name in once)
    assert not once["impressions"].equals(other["impressions"])
    ids = [set(day["impressions"]["impression_id"].to_pylist()) for day in (once, other)]
    assert not ids[0] & ids[1]


def test_clicks_and_outcomes_are_of_impressions_of_the_same_day() -> None:
    day = tables(TINY, draw_day(TINY, 2), FIRST)
    shown = set(day["impressions"]["impression_id"].to_pylist())
    assert set(day["outcomes"]["impression_id"].to_pylist()) == shown
    assert set(day["clicks"]["click_id"].to_pylist()) <= shown
    assert day["watches"]["watch_id"].to_pylist() == day["clicks"]["click_id"].to_pylist()
    for name, column in (("impressions", "shown_at"), ("clicks", "clicked_at"), ("watches", "watched_at")):
        assert {at.date() for at in day[name][column].to_pylist()} == {date(2026, 1, 3)}
    uploaded, at = (day["outcomes"][one].to_numpy() for one in ("uploaded_at", "shown_at"))
    assert (uploaded < at).all()


def test_candidates_of_a_request_are_different_videos_shown_at_once() -> None:
    frame = tables(TINY, draw_day(TINY, 2), FIRST)["impressions"].to_pandas()
    requests = frame.groupby("request_id")
    assert (requests["video_id"].nunique() == TINY.candidates).all()
    assert (requests["shown_at"].nunique() == 1).all()
    assert (requests["user_id"].nunique() == 1).all()


def test_the_truth_is_what_happens_and_leaves_room_to_learn() -> None:
    days = [draw_day(World(), number) for number in range(20)]
    clicked, probability, seconds, expected, relevance = (
        np.concatenate([getattr(day, name) for day in days])
        for name in ("clicked", "probability", "seconds", "expected_seconds", "expected_relevance")
    )
    error = np.sqrt((probability * (1 - probability)).sum()) / len(clicked)
    assert abs(clicked.mean() - probability.mean()) < 4 * error
    assert abs(seconds.mean() / expected.mean() - 1) < 0.1
    assert roc_auc_score(clicked, probability) > 0.7
    group = np.concatenate([day.number * 10_000 + day.request for day in days])
    happened = clicked.astype(np.int64) + (seconds >= 30)
    best, other = (measure_ranking(happened, scores, group) for scores in (relevance, -relevance))
    assert best.ndcg_10 is not None
    assert other.ndcg_10 is not None
    assert other.ndcg_10 < best.random_ndcg_10 < best.ndcg_10
