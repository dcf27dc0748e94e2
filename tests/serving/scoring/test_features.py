"""Feature vectors against Feast's own answers, on rows that Feast itself wrote."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis

from contract.service import read_service
from serving.config import ServingConfig
from serving.request.columns import RequestColumns
from serving.request.schema import request_schema
from serving.scoring import on_demand
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.features import FeatureVectors
from serving.scoring.lookup import Lookup
from serving.scoring.scorer import Scorer
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace, open_store

NOW_US = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
NAMES = ("user_id", "ad_id", "bid", "slot")
WHOLE = ("ann", 7, 0.5, 1)
REQUESTS = (
    WHOLE,
    ("bob", 8, 2.5, 2),  # no clicks, no dwell, no affinity
    ("ann", 99, 1.5, 1),  # an ad never seen
    ("nobody", 7, 0.25, 3),
    ("ann", 7, 0.5, 1),  # the first one again
)


def rows_of(scorer: Scorer, requests: tuple[tuple[object, ...], ...], at: str) -> list[tuple[object, ...]]:
    bodies = [{**dict(zip(NAMES, values, strict=True)), "event_timestamp": at} for values in requests]
    return scorer.schema.parse({"instances": bodies}, 0, most=100)[0]


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(REQUESTS, id="batch"),
        pytest.param((WHOLE,), id="one"),
        pytest.param(REQUESTS[1:3], id="with_holes"),
    ],
)
def test_features_equal_get_online_features(
    scorer: Scorer, workspace: Workspace, request_body: dict[str, object], requests: tuple[tuple[object, ...], ...]
) -> None:
    at = str(request_body["event_timestamp"])
    features = scorer.score(rows_of(scorer, requests, at)).features
    store = open_store(workspace)
    entities = {name: list(values) for name, values in zip(NAMES, zip(*requests, strict=True), strict=True)}
    entities["event_timestamp"] = [datetime.fromisoformat(at)] * len(requests)
    entities["this_ad"] = entities["ad_id"]
    expected = store.get_online_features(
        features=store.get_feature_service("click_v1"), entity_rows=entities, full_feature_names=True
    ).to_dict()
    for name, column in features.columns.items():
        ours = [None if _is_nan(value) else value for value in column.as_python()]
        theirs = [None if _is_nan(value) else value for value in expected[name]]
        assert ours == theirs, name


def test_a_stored_value_that_is_no_number_is_missing_and_says_why(
    scorer: Scorer, workspace: Workspace, request_body: dict[str, object]
) -> None:
    at = str(request_body["event_timestamp"])
    store = open_store(workspace)
    frame = pd.DataFrame({field.name: [None] for field in store.get_feature_view("user_activity").features})
    frame = frame.assign(user_id="eve", dwell=math.inf, event_timestamp=pd.Timestamp(at))
    store.write_to_online_store("user_activity", frame)
    features = scorer.score(rows_of(scorer, (("eve", 7, 0.5, 1),), at)).features
    assert features.values_of(0)["user_activity__dwell"] is None
    assert {"feature": "user_activity__dwell", "reason": "not_finite"} in features.missing_of(0)


def test_renamed_and_rekeyed_views_and_views_without_entities_are_what_feast_says(
    workspace: Workspace, redis_server: RedisServer
) -> None:
    store = open_store(workspace)
    service = read_service(store, "everything")
    names = [name for name, _ in service.features]
    vectors = FeatureVectors(service, Lookup(store, service.stored))
    asked = {"ad_id": [7, 8, 99], "previous_ad": [8, 7, 7], "user_id": ["ann", "ann", "bob"]}
    bodies = [dict(zip(asked, values, strict=True)) for values in zip(*asked.values(), strict=True)]
    rows = request_schema(service).parse({"instances": bodies}, NOW_US, most=10)[0]
    with redis.Redis(port=redis_server.port) as client:
        calls = client.info("commandstats")["cmdstat_hmget"]["calls"]
        batch = vectors.build(RequestColumns.of_rows(request_schema(service), rows))
        assert client.info("commandstats")["cmdstat_hmget"]["calls"] - calls == 3 + 2 + 3 + 1  # each entity once
    features = store.get_feature_service("everything")
    expected = store.get_online_features(features=features, entity_rows=asked, full_feature_names=True).to_dict()
    assert {name: batch.columns[name].as_python() for name in names} == {name: expected[name] for name in names}
    assert expected["shown_before__rate"] == [pytest.approx(0.1), 0.25, 0.25]
    assert expected["site_load__visitors"] == [31, 31, 31]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def test_request_times_keep_their_microseconds_as_in_a_training_set(
    scorer: Scorer, request_body: dict[str, object]
) -> None:
    at = datetime.fromisoformat(str(request_body["event_timestamp"]))
    later = (at + timedelta(microseconds=250_001)).isoformat()
    idle = [
        scorer.score(rows_of(scorer, (WHOLE,), when)).features.columns["bid_against_user__idle_seconds"].values[0]
        for when in (at.isoformat(), later)
    ]
    assert idle[1] - idle[0] == pytest.approx(0.250001, abs=1e-9)


def test_matrix_has_the_models_columns_with_nan_for_missing(scorer: Scorer, request_body: dict[str, object]) -> None:
    at = str(request_body["event_timestamp"])
    matrix = scorer.score(rows_of(scorer, (WHOLE, ("nobody", 99, 0.5, 1)), at)).features.matrix(
        scorer.setup.arms.champion.file.columns
    )
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix[0], [4, 1.5, 1, 0.25, 0.125, 3600, 1, 0.125, 0.75], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(matrix[1]), [True] * 6 + [False] + [True] * 2)


def test_score_does_not_depend_on_the_batch(scorer: Scorer, request_body: dict[str, object]) -> None:
    rows = rows_of(scorer, REQUESTS, str(request_body["event_timestamp"]))
    together = scorer.score(rows).scores
    assert list(together) == [scorer.score([row]).scores[0] for row in rows]


def test_every_missing_value_has_its_reason(scorer: Scorer, request_body: dict[str, object]) -> None:
    at = str(request_body["event_timestamp"])
    scored = scorer.score(rows_of(scorer, (("bob", 99, 0.5, 1), ("old", 7, 0.5, 1)), at))
    bob, old = (
        {one["feature"]: one["reason"] for one in scorer.explain(scored, row)["missing"]}  # type: ignore[attr-defined]
        for row in (0, 1)
    )
    assert bob == {
        "user_activity__dwell": "null",
        "ad_quality__rate": "not_found",
        "bid_against_user__bid_per_click": "computed_null",
        "bid_against_ad__expected_value": "computed_null",
        "user_ad_affinity__affinity": "not_found",
    }
    assert old["user_activity__clicks"] == "expired"


def test_ttl_counts_from_the_event_timestamp(scorer: Scorer, request_body: dict[str, object]) -> None:
    at = datetime.fromisoformat(str(request_body["event_timestamp"])) - timedelta(days=25)
    scored = scorer.score(rows_of(scorer, (("old", 7, 0.5, 1),), at.isoformat()))
    assert scored.features.columns["user_activity__clicks"].as_json(0) == 9


def test_function_that_fails_for_one_request_costs_the_others_nothing_and_is_told(
    scorer: Scorer,
    request_body: dict[str, object],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(on_demand, "_told", {})
    at = str(request_body["event_timestamp"])
    scored = scorer.score(rows_of(scorer, (WHOLE, ("ann", 7, 13.0, 1)), at))
    values = scored.features.columns["bid_against_ad__expected_value"]
    assert (values.as_json(0), values.as_json(1)) == (0.125, None)
    assert scored.features.degraded is not None
    assert scored.features.degraded.tolist() == [False, True]
    missing = scorer.explain(scored, 1)["missing"]
    assert missing == [{"feature": "bid_against_ad__expected_value", "reason": "compute_failed"}]
    assert (
        "on-demand view bid_against_ad failed with ArithmeticError: thirteen"
        ' (line 7 of bid_against_ad: raise ArithmeticError("thirteen"))'
    ) in caplog.text
    assert "It fails on the row user_id=ann, ad_id=7, bid=13.0, slot=1" in caplog.text


def test_number_beyond_32_bits_is_missing_to_the_model(scorer: Scorer, request_body: dict[str, object]) -> None:
    rows = rows_of(scorer, (("ann", 7, 1e300, 1),), str(request_body["event_timestamp"]))
    scored = scorer.score(rows)
    assert np.isnan(scored.features.matrix(scorer.setup.arms.champion.file.columns)[0, 4])
    assert 0 <= scored.scores[0] <= 1


def test_store_that_is_away_leaves_stored_features_missing_and_says_so(
    tmp_path: Path,
    make_ads: Callable[[Path, str], Workspace],
    config: ServingConfig,
    request_body: dict[str, object],
    until: Callable[[Callable[[], object]], None],
) -> None:
    with start_redis() as redis_server:
        workspace = make_ads(tmp_path, redis_server.connection_string)
        scorer = build_scorers(workspace, config.services, SetupReader(workspace.models))[config.services[0]]
        rows = rows_of(scorer, (WHOLE,), str(request_body["event_timestamp"]))
        assert scorer.score(rows).features.degraded is None
        assert scorer.failure() is None
    scored = scorer.score(rows)
    assert scored.features.degraded is not None
    assert scored.features.degraded.all()
    assert "the online store does not answer" in str(scorer.failure())
    missing = scorer.explain(scored, 0)["missing"]
    assert {"feature": "user_activity__clicks", "reason": "store_unavailable"} in missing  # type: ignore[operator]
    with start_redis(redis_server.port):
        assert scorer.failure() is None
        until(lambda: scorer.score(rows).features.degraded is None)
