"""Contributions add up to the score, and are those of the model that scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.scoring.contributions import contributions_of
from serving.scoring.model import read_model
from serving.scoring.scorer import Scorer


def test_contributions_and_base_add_up_to_the_margin_of_the_score(
    tmp_path: Path, scorer: Scorer, request_body: dict[str, object], save_model: Callable[..., None]
) -> None:
    save_model(tmp_path, version="v2", columns=("ad_quality__rate", "user_activity__clicks"))
    other = read_model(tmp_path / "click_v1" / "v2" / "model.ubj")
    users = [{**request_body, "user_id": user, "bid": bid} for user in ("ann", "bob", "nobody") for bid in (0.1, 2.0)]
    rows = scorer.schema.parse({"instances": users}, 0, 100)[0]
    arms = replace(
        scorer.setup.arms,
        models={**scorer.setup.arms.models, "challenger": other},
        assign=lambda request: (np.arange(len(request["bid"].valid)) % 2).astype(np.int8),
    )
    setup = scorer.setup
    scorer.setup = replace(setup, arms=arms)
    try:
        scored = scorer.score(rows)
    finally:
        scorer.setup = setup
    found = contributions_of(scored, range(6))
    for row, one in enumerate(found):
        margin = one.base + sum(value for _, value in one.features)
        assert 1 / (1 + math.exp(-margin)) == pytest.approx(scored.scores[row], abs=1e-6)
        assert {name for name, _ in one.features} <= set(scored.model_of(row).file.columns)
        sizes = [abs(value) for _, value in one.features]
        assert sizes == sorted(sizes, reverse=True)
    assert len({one.as_json()["base"] for one in found}) == 2
