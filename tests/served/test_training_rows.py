"""Rows as they were served are those of the point-in-time join, where all was served in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from commands.consistency import measure_service
from commands.train import read_options, train_service
from contract.reference import LABEL, SCORE, read_reference
from training.data.rows import JoinedRows, ServedRows
from training.data.split import TemporalSplit
from training.data.task import TrainingTask, read_task
from training.errors import TrainingError
from training.options import TrainingOptions

pytestmark = pytest.mark.slow
SERVICE = "returns_v1"
FIRST, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture
def task(shop: Any) -> TrainingTask:
    return read_task(shop.store, SERVICE)


def result_columns(shop: Any) -> list[str]:
    return [name for name, _ in shop.scorer.service.features]


def both(shop: Any, task: TrainingTask) -> tuple[Any, Any]:
    shop.record.close()
    return tuple(
        rows.build(FIRST, END) for rows in (ServedRows(shop.workspace.data, task), JoinedRows(shop.store, task))
    )


def test_served_rows_are_those_of_the_join_value_by_value(shop: Any, draw: Any, task: TrainingTask) -> None:
    orders = draw(120, days=4)
    shop.play(orders)
    shop.backfill(orders)
    shop.label(orders)
    served, joined = both(shop, task)
    assert measure_service(shop.workspace, SERVICE, store=shop.store, plans=[shop.plan])["share_equal"] == 1.0
    assert served.frame["order_id"].tolist() == joined.frame["order_id"].tolist() == list(range(120))
    np.testing.assert_allclose(served.matrix, joined.matrix, rtol=1e-9)
    assert np.isfinite(served.matrix).sum() > 400
    for name in ("event_timestamp", "user", "article", "price", "is_returned"):
        assert served.frame[name].tolist() == joined.frame[name].tolist(), name
    assert (served.label, served.features, served.event_id, served.keys) == (
        joined.label,
        joined.features,
        "order_id",
        joined.keys,
    )
    assert served.provenance["from"] == "served decisions"
    assert served.provenance["events"] == {"rows": 120, "outcomes": 0, "label_events": 120}
    assert "logs" in joined.provenance


def test_rows_differ_where_the_stream_lagged(shop: Any, draw: Any, task: TrainingTask) -> None:
    orders = draw(80, days=4)
    shop.play(orders[:40])
    shop.is_streaming = False
    shop.play(orders[40:])
    shop.backfill(orders)
    shop.label(orders)
    served, joined = both(shop, task)
    same = [np.allclose(a, b, equal_nan=True) for a, b in zip(served.matrix, joined.matrix, strict=True)]
    assert all(same[:40])
    assert sum(same[40:]) < 30


def test_an_outcome_counts_before_the_label_event_and_only_once_it_is_known(
    shop: Any, draw: Any, task: TrainingTask
) -> None:
    orders = draw(20, days=2)
    ids = shop.play(orders)
    shop.label(orders[:10])
    shop.record.close()
    labels = [float(order["price"] > 45) for order in orders]
    flipped = {ids[0]: 1 - labels[0], ids[15]: 1.0}
    shop.tell(flipped, FIRST + timedelta(days=3))
    rows = ServedRows(shop.workspace.data, task)
    built = rows.build(FIRST, END)
    assert built.labels.tolist() == [1 - labels[0], *labels[1:10], 1.0]
    assert built.event_id == "decision_id"  # of the last one nobody knows the order's id
    before = rows.build(FIRST, END, known_by=FIRST + timedelta(days=3))
    assert before.labels.tolist() == labels[:10]
    assert len(rows.build(FIRST, END, limit=4)) == 4
    first, last = rows.span()
    assert (first, last) == (orders[0]["event_timestamp"], orders[15]["event_timestamp"])


def test_a_model_is_trained_on_what_was_served(shop: Any, draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = draw(150, days=4)
    shop.play(orders)
    shop.label(orders)
    shop.record.close()
    split = TemporalSplit.parse("2026-03-01:2026-03-03", "2026-03-04:2026-03-05")
    options = TrainingOptions(split=split, from_served=True, alias="challenger")
    result = train_service(shop.workspace, SERVICE, options, shop.store, [shop.plan])
    assert result.train.rows > 50
    said = json.loads(result.model.with_name("report.json").read_text())["provenance"]
    assert {said[part]["from"] for part in ("train", "test")} == {"served decisions"}
    reference = read_reference(shop.workspace.models, SERVICE, result.version)
    assert list(reference) == [*result_columns(shop), SCORE, LABEL]
    assert sum(reference["habits__price_count"].array()[:2].sum(axis=1)) == result.train.rows
    assert reference[SCORE].array().sum() == result.test.rows
    assert read_options({"FROM_SERVED": "1"}).from_served
    assert not read_options({}).from_served


def test_what_cannot_be_trained_on_says_what_to_do(shop: Any, draw: Any, task: TrainingTask) -> None:
    rows = ServedRows(shop.workspace.data, task)
    with pytest.raises(TrainingError, match="no decision is recorded; serve some requests first"):
        rows.build(FIRST, END)
    with pytest.raises(TrainingError, match="no decision is recorded"):
        rows.span()
    shop.play(draw(5))
    shop.record.close()
    with pytest.raises(TrainingError, match="they are of 2026-03-01 to 2026-03-02, choose TRAIN= and TEST= within"):
        rows.build(END, END + timedelta(days=1))
    with pytest.raises(TrainingError, match=r"none of 5 decisions .* has a label: no outcome was told .*returns"):
        rows.build(FIRST, END)
    with pytest.raises(TrainingError, match="tell some with POST /v1/outcomes"):
        rows.span()
