"""A second domain for the training tests: will a visitor click the ad that is shown?

The lake holds impressions with their outcome (`clicked`, known a day later); the feature log of one view,
`ad_activity`, holds a row an hour and ad. Numbers are seeded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workspace.workspace import Workspace, open_store

FIRST_DAY = pd.Timestamp("2024-03-01", tz="UTC")
DAYS, ADS, A_DAY = 10, 12, 160
YAML = """
project: ads
provider: local
registry: {data}/registry.db
online_store: {{type: sqlite, path: {data}/online.db}}
offline_store: {{type: {offline}}}
entity_key_serialization_version: 3
"""


@dataclass(frozen=True, slots=True)
class Ads:
    """The ads workspace, its applied store and what was written to it."""

    workspace: Workspace
    store: Any
    impressions: pd.DataFrame
    activity: pd.DataFrame


def impressions() -> pd.DataFrame:
    """Return ten days of impressions; a click is likelier for a high bid on an even ad."""
    random = np.random.default_rng(11)
    rows = DAYS * A_DAY
    seconds = np.sort(random.integers(0, DAYS * 86_400, rows))
    ads, bids = random.integers(0, ADS, rows), random.uniform(0.1, 2.0, rows).round(2)
    return pd.DataFrame(
        {
            "impression_id": np.arange(rows) + 1000,
            "shown_at": (FIRST_DAY + pd.to_timedelta(seconds, unit="s")).as_unit("us"),
            "ad_id": ads,
            "visitor_id": random.integers(0, 300, rows),
            "slot": random.integers(0, 4, rows),
            "bid": bids,
            "page": np.arange(rows) // 8,
            "clicked": (random.uniform(0, 1, rows) < 0.05 + 0.3 * (bids > 1.2) * (ads % 2 == 0)).astype("int64"),
        }
    )


# What a command that plans the repo reads: no view of it is computed by Millrace.
PLAIN_VIEW = """
from feast import Entity, FeatureView, FileSource

ad = Entity(name="ad", join_keys=["ad_id"])
log = FileSource(name="plain_log", path="plain", timestamp_field="event_timestamp")
plain = FeatureView(name="plain", entities=[ad], source=log)
"""


def activity() -> pd.DataFrame:
    """Return an hourly row for each ad but ad 3, which nobody has seen before; the rate is null at night."""
    hours = pd.date_range(FIRST_DAY - timedelta(days=1), periods=24 * (DAYS + 1), freq="h", unit="us")
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        [(ad, at) for ad in range(ADS) if ad != 3 for at in hours], columns=["ad_id", "event_timestamp"]
    )
    frame["event_timestamp"] = frame["event_timestamp"].dt.as_unit("us")
    frame["views_1d"] = random.integers(0, 100, len(frame))
    frame["click_rate"] = np.where(frame["event_timestamp"].dt.hour < 3, np.nan, (frame["ad_id"] % 2 == 0) * 0.2)
    frame["is_new"] = random.integers(0, 2, len(frame)).astype(bool)
    frame["last_slots"] = [[1, 2]] * len(frame)
    return frame


def write_lake(folder: Path, events: pd.DataFrame) -> None:
    """Write events in `date=` partitions by their UTC day."""
    for day, of_day in events.groupby(events["shown_at"].dt.strftime("%Y-%m-%d")):
        path = folder / f"date={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        of_day.to_parquet(path, index=False)


def _whole(rate: float | None) -> int:
    """Return a rate in percent: what a function beside it may not use."""
    return 0 if rate is None else int(rate * 100)


def declarations(data: Path) -> list[Any]:
    """Return the Feast objects of the ads domain."""
    from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Array, Bool, Float64, Int64

    ad = Entity(name="ad", join_keys=["ad_id"], value_type=ValueType.INT64)
    clicks = FileSource(
        name="clicks",
        path=str(data / "lake" / "clicks"),
        timestamp_field="shown_at",
        tags={"millrace.event_id": "impression_id", "millrace.known_after": "1d"},
    )
    log = FileSource(
        name="ad_activity_log",
        path=str(data / "log" / "ad_activity.parquet"),
        timestamp_field="event_timestamp",
    )
    ad_activity = FeatureView(
        name="ad_activity",
        entities=[ad],
        source=log,
        schema=[
            Field(name="ad_id", dtype=Int64),
            Field(name="views_1d", dtype=Int64),
            Field(name="click_rate", dtype=Float64),
            Field(name="is_new", dtype=Bool),
            Field(name="last_slots", dtype=Array(Int64)),
        ],
        ttl=timedelta(0),
    )
    impression = RequestSource(
        name="impression",
        schema=[Field(name="bid", dtype=Float64), Field(name="this_slot", dtype=Int64)],
        tags={"millrace.fill.this_slot": "slot"},
    )

    @on_demand_feature_view(
        sources=[impression, ad_activity],
        schema=[Field(name="bid_now", dtype=Float64), Field(name="on_top", dtype=Int64)],
        mode="pandas",
    )
    def bid_context(inputs: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame(index=inputs.index)
        out["bid_now"] = inputs["bid"].astype("float64")
        out["on_top"] = (inputs["this_slot"] == 0).astype("int64")
        return out

    unfillable = RequestSource(name="unfillable", schema=[Field(name="weather", dtype=Int64)])
    cheating = RequestSource(name="cheating", schema=[Field(name="clicked", dtype=Int64)])

    @on_demand_feature_view(sources=[unfillable], schema=[Field(name="sunny", dtype=Int64)], mode="pandas")
    def weather_context(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"sunny": inputs["weather"]})

    @on_demand_feature_view(sources=[cheating], schema=[Field(name="oracle", dtype=Int64)], mode="pandas")
    def oracle_context(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"oracle": inputs["clicked"]})

    @on_demand_feature_view(
        sources=[impression, ad_activity], schema=[Field(name="per_slot", dtype=Float64)], mode="pandas"
    )
    def divided(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"per_slot": inputs["bid"] / inputs["this_slot"]})

    @on_demand_feature_view(
        sources=[impression, ad_activity], schema=[Field(name="rate_text", dtype=Int64)], mode="pandas"
    )
    def careless(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"rate_text": [len(f"{int(rate * 100)}") for rate in inputs["click_rate"]]})

    @on_demand_feature_view(
        sources=[impression, ad_activity], schema=[Field(name="rate_list", dtype=Int64)], mode="python"
    )
    def careless_lists(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        # A line of its own, so that it is the third.
        return {"rate_list": [int(rate * 100) for rate in inputs["click_rate"]]}

    @on_demand_feature_view(sources=[ad_activity], schema=[Field(name="percent", dtype=Int64)], mode="python")
    def helped(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"percent": [_whole(rate) for rate in inputs["click_rate"]]}

    label = {"millrace.label": "clicks:clicked"}
    numbers = ad_activity[["views_1d", "click_rate", "is_new"]]
    order = {"millrace.predicts": "ranking", "millrace.group": "page"}
    return [
        ad,
        clicks,
        ad_activity,
        impression,
        bid_context,
        weather_context,
        oracle_context,
        divided,
        careless,
        careless_lists,
        helped,
        FeatureService(name="ads_v2", features=[bid_context, numbers], tags=label),
        FeatureService(
            name="ads_v10", features=[numbers, bid_context], tags=label | {"millrace.drop_known": "visitor_id"}
        ),
        FeatureService(
            name="a_number", features=[numbers, bid_context], tags=label | {"millrace.predicts": "regression"}
        ),
        FeatureService(name="a_order", features=[numbers, bid_context], tags=label | order),
        FeatureService(name="lists_too", features=[ad_activity]),
        FeatureService(name="a_lists", features=[ad_activity], tags=label),
        FeatureService(name="a_nowhere", features=[numbers], tags={"millrace.label": "elsewhere:clicked"}),
        FeatureService(name="a_broken", features=[numbers], tags={"millrace.label": "clicks"}),
        FeatureService(name="a_column", features=[numbers], tags={"millrace.label": "clicks:bought"}),
        FeatureService(name="a_nonbinary", features=[numbers], tags={"millrace.label": "clicks:slot"}),
        FeatureService(name="a_no_id", features=[numbers], tags={"millrace.label": "ad_activity_log:views_1d"}),
        FeatureService(name="a_weather", features=[weather_context], tags=label),
        FeatureService(name="a_cheating", features=[oracle_context], tags=label),
        FeatureService(name="a_infinite", features=[numbers, divided], tags=label),
        FeatureService(name="a_careless", features=[numbers, careless], tags=label),
        FeatureService(name="a_careless_lists", features=[numbers, careless_lists], tags=label),
        FeatureService(name="a_helped", features=[numbers, helped], tags=label),
    ]


@pytest.fixture(scope="session")
def build_ads() -> Callable[..., Ads]:
    """Return a function that builds an ads workspace in a folder: `build(folder, activity=..., impressions=...)`."""

    def build(folder: Path, *, offline: str = "file", **tables: pd.DataFrame) -> Ads:
        repo, data = folder / "feature_repo", folder / "data"
        repo.mkdir(parents=True)
        (data / "log").mkdir(parents=True)
        yaml = repo / "feature_store.yaml"
        yaml.write_text(YAML.format(data=data, offline=offline))
        (repo / "views.py").write_text(PLAIN_VIEW)
        events, log = tables.get("impressions", impressions()), tables.get("activity", activity())
        write_lake(data / "lake" / "clicks", events)
        log.to_parquet(data / "log" / "ad_activity.parquet", index=False)
        workspace = Workspace(repo, data, yaml)
        store = open_store(workspace)
        store.apply(declarations(data))
        return Ads(workspace, store, events, log)

    return build


@pytest.fixture(scope="session")
def ads(build_ads: Callable[..., Ads], tmp_path_factory: pytest.TempPathFactory) -> Ads:
    """One ads workspace for the tests that only read."""
    return build_ads(tmp_path_factory.mktemp("ads"))
