"""A view is stale when nobody knows that its values still hold, not when nothing happened to its entity."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from contract.label import ServiceError
from serving.config import ServingConfig
from serving.request.schema import Row
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.freshness import Freshness, Frontier
from serving.scoring.scorer import Scorer
from stores.cells.reading import Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP
from stores.online import OnlineStoreUnavailable, Progress, ViewProgress
from workspace.workspace import Workspace

pytestmark = pytest.mark.slow
MINUTE = 60_000_000
T = 1_000 * MINUTE


def reading(*times: int) -> ViewReading:
    at = np.array(times, dtype=np.int64)
    return ViewReading({}, at, np.full(len(at), int(Status.PRESENT), dtype=np.uint8))


def test_a_row_counts_from_its_own_time_or_from_where_the_stream_is_if_that_is_later(scorer: Scorer) -> None:
    frontier = Frontier(Progress)
    (view,) = [one for one in scorer.service.stored if one.name == "user_activity"]
    freshness = Freshness([view], {"user_activity": 5 * MINUTE}, frontier)
    rows = reading(T - 5 * MINUTE, T - 5 * MINUTE - 1, T - 9000 * MINUTE // 10, NO_TIMESTAMP)
    as_of = np.full(4, T)
    assert freshness.stale({"user_activity": rows}, as_of)["user_activity"].tolist() == [False, True, True, False]
    frontier.complete_us = {"user_activity": T - 5 * MINUTE}
    assert freshness.stale({"user_activity": rows}, as_of) == {}
    frontier.complete_us = {"user_activity": T - 6 * MINUTE}
    assert freshness.stale({"user_activity": rows}, as_of)["user_activity"].tolist() == [False, True, True, True]


def test_what_the_stream_said_last_stands_while_the_store_is_away() -> None:
    answers = [Progress({"a": ViewProgress(1, complete=7), "b": ViewProgress(2)})]

    def read() -> Progress:
        if not answers:
            raise OnlineStoreUnavailable("away")
        return answers.pop()

    frontier = Frontier(read)
    frontier.look()
    frontier.look()
    assert frontier.complete_us == {"a": 7}


@pytest.fixture
def bounded(workspace: Workspace, config: ServingConfig) -> Scorer:
    setup = SetupReader(workspace.models, config.policy)
    ages = {"ad_quality": int(timedelta(minutes=30) / timedelta(microseconds=1))}
    return build_scorers(workspace, config.services, setup, max_age_us=ages)["click_v1"]


def test_a_stale_view_makes_its_row_degraded_and_no_other(bounded: Scorer, request_body: dict[str, object]) -> None:
    rows: list[Row] = [
        bounded.schema.parse_one({**request_body, "ad_id": ad, "event_timestamp": at}, 0)
        for ad, at in ((7, "2026-03-01T11:30:00Z"), (7, "2026-03-01T11:30:00.000001Z"), (404, "2026-03-01T12:00:00Z"))
    ]
    features = bounded.score(rows).features
    assert {view: one.tolist() for view, one in features.stale.items()} == {"ad_quality": [False, True, False]}
    assert features.degraded is not None
    assert features.degraded.tolist() == [False, True, False]


def test_a_bound_for_a_view_that_none_reads_is_refused(workspace: Workspace, config: ServingConfig) -> None:
    with pytest.raises(ServiceError, match=r"max_feature_age\.ad_qualty: no service .* name one of ad_quality, "):
        build_scorers(workspace, config.services, SetupReader(workspace.models), max_age_us={"ad_qualty": MINUTE})
