"""The training set holds, for each label event, the feature values that held when it happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from training.data.dataset import TrainingSet, build_training_set
from training.data.task import read_task
from training.errors import TrainingError

START = pd.Timestamp("2024-03-02", tz="UTC").to_pydatetime()
END = START + timedelta(days=3)
VIEWS, RATE, NEW = "ad_activity__views_1d", "ad_activity__click_rate", "ad_activity__is_new"


@pytest.fixture(scope="module")
def built(ads: Any) -> TrainingSet:
    return build_training_set(ads.store, read_task(ads.store, "ads_v2"), START, END)


def test_rows_are_the_events_of_the_span_in_order(ads: Any, built: TrainingSet) -> None:
    shown = ads.impressions["shown_at"]
    expected = ads.impressions[(shown >= START) & (shown < END)]
    assert built.frame["impression_id"].tolist() == expected["impression_id"].tolist()
    assert built.frame["clicked"].tolist() == expected["clicked"].tolist()
    assert built.positives == int(expected["clicked"].sum())


def test_values_are_those_of_the_latest_row_at_or_before_the_event(ads: Any, built: TrainingSet) -> None:
    # pandas.merge_asof is the independent judge of the offline store.
    log = ads.activity.sort_values("event_timestamp").rename(columns={"event_timestamp": "since"})
    judge = pd.merge_asof(
        built.frame[["impression_id", "shown_at", "ad_id"]], log, left_on="shown_at", right_on="since", by="ad_id"
    )
    for name, column in ((VIEWS, "views_1d"), (RATE, "click_rate"), (NEW, "is_new")):
        np.testing.assert_array_equal(built.frame[name], judge[column].astype("float64"))


def test_matrix_is_float_in_the_order_of_the_service_with_nan_for_missing(ads: Any, built: TrainingSet) -> None:
    assert built.matrix.dtype == np.float64
    assert built.features[:2] == ("bid_context__bid_now", "bid_context__on_top")
    np.testing.assert_array_equal(built.matrix[:, 0], built.frame["bid"])
    unseen = built.frame["ad_id"] == 3
    assert np.isnan(built.matrix[unseen][:, 2:]).all()
    assert set(built.frame.loc[~unseen, NEW]) == {0.0, 1.0}


def test_request_field_with_another_name_is_filled_from_the_tagged_column(built: TrainingSet) -> None:
    np.testing.assert_array_equal(built.frame["bid_context__on_top"], built.frame["slot"] == 0)


def test_limit_spreads_evenly_over_the_span(ads: Any, built: TrainingSet) -> None:
    few = build_training_set(ads.store, read_task(ads.store, "ads_v2"), START, END, limit=30)
    assert len(few) == 30
    assert few.frame["shown_at"].dt.date.nunique() == 3
    assert set(few.frame["impression_id"]) <= set(built.frame["impression_id"])


def test_row_moved_past_the_label_is_not_seen(build_ads: Callable[..., Any], tmp_path: Path) -> None:
    #   row A (07:00)   row B (08:00)   impression (08:30)              B is seen
    #   row A (07:00)                   impression (08:30)   row B'     A is seen, as if B did not exist
    shown, at = pd.Timestamp("2024-03-03 08:30", tz="UTC"), pd.Timestamp("2024-03-03 07:00", tz="UTC")
    event = pd.DataFrame(
        {"impression_id": [1], "shown_at": [shown.as_unit("us")], "ad_id": [1], "visitor_id": [1], "slot": [0]}
    ).assign(bid=1.0, clicked=1)

    def views_seen(second_row: pd.Timestamp, folder: str) -> float:
        log = pd.DataFrame({"ad_id": [1, 1], "event_timestamp": [at, second_row], "views_1d": [7, 8]})
        log = log.assign(click_rate=0.1, is_new=False, last_slots=[[1], [1]])
        world = build_ads(tmp_path / folder, impressions=event, activity=log)
        return float(build_training_set(world.store, read_task(world.store, "ads_v2"), START, END).frame[VIEWS].iloc[0])

    assert views_seen(shown - timedelta(minutes=30), "before") == 8
    assert views_seen(shown + timedelta(microseconds=1), "after") == 7


def test_rows_after_the_last_label_change_nothing(
    build_ads: Callable[..., Any], ads: Any, built: TrainingSet, tmp_path: Path
) -> None:
    later = ads.activity["event_timestamp"] >= END
    changed = ads.activity.assign(views_1d=ads.activity["views_1d"].where(~later, 10**6))
    world = build_ads(tmp_path, activity=changed)
    np.testing.assert_array_equal(
        build_training_set(world.store, read_task(world.store, "ads_v2"), START, END).matrix, built.matrix
    )


def test_event_delivered_twice_counts_once_and_an_unknown_label_not_at_all(
    build_ads: Callable[..., Any], ads: Any, built: TrainingSet, tmp_path: Path
) -> None:
    repeated = pd.concat([ads.impressions, ads.impressions.iloc[200:210]], ignore_index=True)
    pending = repeated.assign(clicked=repeated["clicked"].astype("Int64").where(repeated["impression_id"] != 1300))
    world = build_ads(tmp_path, impressions=pending)
    found = (
        build_training_set(world.store, read_task(world.store, "ads_v2"), START, END).frame["impression_id"].tolist()
    )
    assert found == [event for event in built.frame["impression_id"] if event != 1300]


def test_asof_store_gives_the_same_set_as_feasts_own(
    build_ads: Callable[..., Any], built: TrainingSet, tmp_path: Path
) -> None:
    world = build_ads(tmp_path, offline="stores.asof_offline.AsofOfflineStore")
    np.testing.assert_array_equal(
        build_training_set(world.store, read_task(world.store, "ads_v2"), START, END).matrix, built.matrix
    )


@pytest.mark.parametrize(
    ("service", "start", "says"),
    [
        pytest.param(
            "ads_v2",
            datetime.fromisoformat("2030-01-01T00:00:00+00:00"),
            r"no label events in \[2030-01-01, .*there are 10 days, 2024-03-01 to 2024-03-10",
            id="no events",
        ),
        pytest.param("a_column", START, r"no column bought; they have impression_id, shown_at", id="no label column"),
        pytest.param("a_nonbinary", START, r"clicks:slot holds \[2, 3\]; a label is 1 for", id="label not 0 or 1"),
        pytest.param("a_weather", START, r"request field 'weather' .*tag millrace.fill.weather", id="nothing fills it"),
        pytest.param("a_infinite", START, r"divided__per_slot is infinite in \d+ rows.*where\(x > 0\)", id="infinite"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(ads: Any, service: str, start: datetime, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        build_training_set(ads.store, read_task(ads.store, service), start, start + timedelta(days=1))


def test_offline_store_that_loses_rows_is_refused() -> None:
    from training.data.dataset import _in_order
    from training.data.task import TrainingTask

    declared = TrainingTask("s", "y", "src", "p", "t", "id", timedelta(0), None, ("k",), (), ("v__f",))
    with pytest.raises(TrainingError, match=r"returned 1 rows for 2 label events; use offline_store"):
        _in_order(declared, pa.table({"v__f": [1.0], "millrace_row": [0]}), 2)


def test_rows_in_another_order_come_back_in_that_of_the_events() -> None:
    from training.data.dataset import _in_order
    from training.data.task import TrainingTask

    declared = TrainingTask("s", "y", "src", "p", "t", "id", timedelta(0), None, ("k",), (), ("v__f",))
    joined = pa.table({"v__f": [2.0, 0.0, 1.0], "v__list": [[1], [], None], "millrace_row": [2, 0, 1]})
    assert _in_order(declared, joined, 3).to_dict("list") == {"v__f": [0.0, 1.0, 2.0]}


@pytest.mark.parametrize(
    ("service", "says"),
    [
        pytest.param(
            "a_careless",
            r"a_careless: on-demand view careless failed with ValueError: cannot convert float NaN to integer"
            r" \(line 2 of careless: return pd\.DataFrame\(.*\)\. Let the function give null where an input is null\."
            r" It fails on the row .*click_rate=nan, .*ad_id=\d+",
            id="pandas",
        ),
        pytest.param(
            "a_careless_lists",
            r"on-demand view careless_lists failed with TypeError: .*"
            r"\(line 3 of careless_lists: return \{.*\. It fails on the row .*click_rate=(None|nan)",
            id="python",
        ),
        pytest.param(
            "a_helped",
            r"view helped failed with NameError: .* Feast runs the function by its text alone, with only pd and np: define or"
            r" import what else it needs inside it\.",
            id="helper beside it",
        ),
    ],
)
def test_a_function_that_fails_is_named_with_its_line_and_a_row_on_which_it_fails(
    ads: Any, service: str, says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        build_training_set(ads.store, read_task(ads.store, service), START, END)
