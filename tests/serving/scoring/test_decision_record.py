"""What is recorded of decisions is what was served, also by models that only look on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.scoring.decision_record import DecisionRecord
from serving.scoring.scorer import Scored, Scorer
from workspace.workspace import Workspace

NOW_US = 1_772_366_400_000_000


def rows_of(scorer: Scorer, request_body: dict[str, object], *changes: dict[str, object]) -> list[tuple[object, ...]]:
    return scorer.schema.parse({"instances": [{**request_body, **one} for one in changes]}, 0, most=100)[0]


def recorded(
    folder: Path, scorer: Scorer, batches: list[Scored], shadows: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    record = DecisionRecord(folder, scorer.service, scorer.schema)
    for scored in batches:
        assert record.append(scored, NOW_US, [250] * scored.features.size)
    counts = record.close()
    assert (counts.written, counts.failed, counts.dropped) == (sum(one.features.size for one in batches), 0, 0)
    files = (folder / "decisions" / "click_v1").glob("*/*.parquet")
    rows = {row["decision_id"]: row for path in files for row in pq.read_table(path).to_pylist()}
    return [rows[decision] for scored in batches for decision in scored.ids]


def test_every_decision_is_recorded_with_the_features_behind_it_and_their_ages(
    tmp_path: Path, scorer: Scorer, request_body: dict[str, object]
) -> None:
    first = scorer.score(rows_of(scorer, request_body, {}, {"user_id": "nobody", "bid": 13.0}))
    second = scorer.score(rows_of(scorer, request_body, {"user_id": "old"}))
    rows = recorded(tmp_path, scorer, [first, second])
    assert [row["decision_id"] for row in rows] == [*first.ids, *second.ids]
    assert len(set(first.ids) | set(second.ids)) == 3
    ann, nobody, old = rows
    assert (ann["user_id"], ann["ad_id"], ann["bid"]) == ("ann", 7, 0.5)
    assert (ann["model_version"], ann["arm"], ann["score"]) == ("v1", "champion", first.scores[0])
    assert first.decisions is not None
    assert (ann["decision"], ann["reasons"], ann["degraded"]) == (first.decisions.names[0], [], False)
    assert ann["decided_at"] == datetime.fromtimestamp(NOW_US / 1e6, UTC)
    assert ann["event_timestamp"] == datetime.fromisoformat(str(request_body["event_timestamp"]))
    assert (ann["latency_us"], nobody["degraded"]) == (250, True)  # the function fails on 13
    served = first.features.columns
    for name, column in served.items():
        assert ann[name] == column.as_python()[0] or np.isnan(ann[name]), name
    hour = int(timedelta(hours=1) / timedelta(microseconds=1))
    assert (ann["age_us__user_activity"], ann["missing__user_activity"]) == (hour, None)
    assert (nobody["age_us__user_activity"], nobody["missing__user_activity"]) == (None, "not_found")
    assert nobody["user_activity__clicks"] is None
    assert (old["age_us__user_activity"], old["missing__user_activity"]) == (30 * 24 * hour, "expired")
    assert ann["complete_at__user_activity"] is None  # no stream fills these views


def test_how_far_the_stream_was_is_recorded_of_the_views_that_it_fills(
    tmp_path: Path, scorer: Scorer, request_body: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scorer.freshness is not None
    monkeypatch.setattr(scorer.freshness.frontier, "complete_us", {"user_activity": NOW_US - 7})
    (row,) = recorded(tmp_path, scorer, [scorer.score(rows_of(scorer, request_body, {}))])
    assert row["complete_at__user_activity"] == datetime.fromtimestamp(NOW_US / 1e6, UTC) - timedelta(microseconds=7)
    assert row["complete_at__ad_quality"] is None


def test_models_that_look_on_are_recorded_and_decide_nothing(
    tmp_path: Path,
    workspace: Workspace,
    scorer: Scorer,
    request_body: dict[str, object],
    save_model: Callable[..., None],
) -> None:
    from serving.scoring.model import read_model

    columns = ("ad_quality__rate", "user_activity__clicks")
    save_model(tmp_path / "models", version="v2", columns=columns)
    other = read_model(tmp_path / "models" / "click_v1" / "v2" / "model.ubj")
    scored, later = (scorer.score(rows_of(scorer, request_body, {}, {"user_id": "bob"})) for _ in range(2))
    arms = replace(scored.setup.arms, shadows={"next": other})
    watched = replace(scored, setup=replace(scored.setup, arms=arms))
    rows = recorded(tmp_path, scorer, [watched, later])
    expected = other.predict(scored.features.matrix(columns)).tolist()
    assert [row.get("shadow__next") for row in rows] == [*map(pytest.approx, expected), None, None]
    assert [row["score"] for row in rows] == [*scored.scores, *later.scores]
