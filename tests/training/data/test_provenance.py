"""A training set says what it was made of: equal inputs give equal text, and whatever changes is seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.data.dataset import build_training_set
from training.data.task import read_task

START = pd.Timestamp("2024-03-02", tz="UTC").to_pydatetime()
END = START + timedelta(days=3)
OURS = "stores.asof_offline.AsofOfflineStore"

pytestmark = pytest.mark.slow


def made_of(ads: Any, service: str = "ads_v2") -> dict[str, Any]:
    """The provenance of three days."""
    return dict(build_training_set(ads.store, read_task(ads.store, service), START, END).provenance)


def test_it_is_equal_for_equal_inputs_and_tells_what_changed(build_ads: Callable[..., Any], tmp_path: Path) -> None:
    ads = build_ads(tmp_path / "one", offline=OURS)
    said = made_of(ads)
    assert said == made_of(ads)
    assert said == made_of(build_ads(tmp_path / "elsewhere", offline=OURS))
    assert said["service"] == "ads_v2"
    assert said["events"]["rows"] == said["labels"]["rows"] > 400
    assert said["events"]["files"]["files"] == 3
    assert said["logs"]["ad_activity"]["rows"] == len(ads.activity)
    other_log = ads.activity.assign(views_1d=ads.activity["views_1d"] + 1)
    changed = made_of(build_ads(tmp_path / "log", offline=OURS, activity=other_log))
    assert {name for name in said if said[name] != changed[name]} == {"logs"}
    other_labels = ads.impressions.assign(clicked=0)
    changed = made_of(build_ads(tmp_path / "labels", offline=OURS, impressions=other_labels))
    assert {name for name in said if said[name] != changed[name]} == {"events"}
    changed = made_of(ads, "ads_v10")
    assert {name for name in said if said[name] != changed[name]} == {"service", "declarations"}


def test_a_changed_declaration_is_seen(build_ads: Callable[..., Any], tmp_path: Path) -> None:
    ads = build_ads(tmp_path / "one", offline=OURS)
    said = made_of(ads)
    view = ads.store.get_feature_view("ad_activity")
    view.ttl = timedelta(days=400)
    ads.store.apply(view)
    changed = made_of(ads)
    assert {name for name in said if said[name] != changed[name]} == {"declarations"}
