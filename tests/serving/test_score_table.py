"""A table is scored as its rows would be over HTTP, bit for bit, however it is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import score
from serving.request.schema import RequestError
from serving.scoring.scorer import Scorer

SIZE = 200


@pytest.fixture
def requests(request_body: dict[str, object]) -> list[dict[str, object]]:
    generator = np.random.default_rng(5)
    users, bids = generator.choice(["ann", "bob", "old", "nobody"], SIZE), generator.gamma(2.0, 1.0, SIZE)
    ads = generator.choice([7, 8, 99], SIZE)
    return [
        {**request_body, "user_id": str(user), "bid": float(bid), "ad_id": int(ad)}
        for user, bid, ad in zip(users, bids, ads, strict=True)
    ]


@pytest.mark.parametrize("rows", [4096, 37])
def test_table_gets_the_scores_that_its_rows_would_get(
    tmp_path: Path,
    scorer: Scorer,
    requests: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    monkeypatch.setattr(score, "ROWS", rows)
    table = pa.Table.from_pylist(requests)
    at = table["event_timestamp"].cast(pa.timestamp("us", tz="UTC"))
    table = table.set_column(table.column_names.index("event_timestamp"), "event_timestamp", at)
    pq.write_table(table, tmp_path / "requests.parquet")
    scored = pa.concat_tables(score.score_file(scorer, tmp_path / "requests.parquet", 0))
    one_by_one = [scorer.score([scorer.schema.parse_one(one, 0)]) for one in requests]
    assert scored["score"].to_pylist() == [one.scores[0] for one in one_by_one]
    assert scored["decision"].to_pylist() == [one.decisions.names[0] for one in one_by_one if one.decisions]
    assert set(scored["model_version"].to_pylist()) == {"v1"}
    assert scored.select(table.column_names) == table


def test_row_that_does_not_fit_is_named_with_its_number(
    tmp_path: Path, scorer: Scorer, requests: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "ROWS", 100)
    table = pa.Table.from_pylist([*requests[:150], {**requests[150], "bid": None}])
    pq.write_table(table.drop_columns(["event_timestamp"]), tmp_path / "requests.parquet")
    with pytest.raises(RequestError, match="bid: row 150 has no value"):
        list(score.score_file(scorer, tmp_path / "requests.parquet", 0))
