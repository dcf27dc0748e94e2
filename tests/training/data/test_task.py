"""What a feature service declares for training, and the refusals that say what to write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from training.data.task import default_service, read_task
from training.errors import TrainingError


def test_declaration_says_where_labels_are_and_what_fills_each_request_field(ads: Any) -> None:
    declared = read_task(ads.store, "ads_v10")
    assert (declared.source, declared.label, declared.timestamp) == ("clicks", "clicked", "shown_at")
    assert (declared.event_id, declared.known_after) == ("impression_id", timedelta(days=1))
    assert (declared.keys, declared.drop_known) == (("ad_id",), "visitor_id")
    assert declared.request == (("bid", "bid"), ("this_slot", "slot"))


def test_columns_follow_the_order_of_the_service(ads: Any) -> None:
    numbers = ("ad_activity__views_1d", "ad_activity__click_rate", "ad_activity__is_new")
    context = ("bid_context__bid_now", "bid_context__on_top")
    assert read_task(ads.store, "ads_v10").features == numbers + context
    assert read_task(ads.store, "ads_v2").features == context + numbers


def test_default_service_is_the_last_labelled_one_counting_numbers_as_numbers(ads: Any) -> None:
    assert default_service(ads.store) == "ads_v10"


@pytest.mark.parametrize(
    ("service", "says"),
    [
        pytest.param("ads_v3", r"ads_v3 is not in the registry \(known: .*ads_v10", id="unknown service"),
        pytest.param(
            "lists_too",
            r"no label; write tags=\{'millrace.label': '<file source>:<column>'\}",
            id="no label",
        ),
        pytest.param("a_broken", r"label 'clicks' is not understood; write tags=", id="label without column"),
        pytest.param("a_nowhere", r"names 'elsewhere', .*use one of ad_activity_log, clicks", id="unknown source"),
        pytest.param("a_no_id", r"ad_activity_log: no event id; write tags=\{'millrace.event_id'", id="no event id"),
        pytest.param("a_lists", r"ad_activity:last_slots is int64\[\].*on-demand feature view", id="list feature"),
        pytest.param("a_cheating", r"'clicked' would be filled from the label .*take the field out", id="label leaks"),
    ],
)
def test_service_that_cannot_be_trained_on_is_refused(ads: Any, service: str, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        read_task(ads.store, service)
