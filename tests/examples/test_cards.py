"""The long histories of the card example: what is planned, what it says of costs, and when a terminal went bad."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow
REPO = Path(__file__).parents[2] / "examples" / "cards"
NOW = pd.Timestamp("2018-08-10 12:00", tz="UTC")
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from workspace.workspace import Workspace, read_declarations

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_DATA", str(tmp_path_factory.mktemp("data")))
        yield read_declarations(Workspace(REPO, tmp_path_factory.mktemp("home"), REPO / "feature_store.yaml"))


def test_outcomes_are_planned_behind_their_delay(declared: Any) -> None:
    from pipelines.plan_view import plan_views

    plans = {plan.view: plan for plan in plan_views(declared)}
    assert sorted(plans) == ["customer_fortnight", "customer_habit", "terminal_outcomes"]
    assert {feature.window.delay for feature in plans["terminal_outcomes"].features} == {7 * DAY}
    assert {feature.window.delay for feature in plans["customer_fortnight"].features} == {0}


def test_service_says_what_decisions_cost(declared: Any) -> None:
    from training.measures.costs import Costs

    (service,) = declared.feature_services
    assert Costs.parse(service.tags["millrace.costs"]) == Costs("amount", 5.0)


def test_genuine_payment_after_the_frauds_says_that_they_are_over(declared: Any) -> None:
    view = next(one for one in declared.on_demand_feature_views if one.name == "since_outcomes")
    at = int(NOW.value // 1000)
    frame = pd.DataFrame(
        {
            "event_timestamp": [NOW] * 3,
            "amount": 10.0,
            "first_fraud_at": [at - 20 * DAY, at - 20 * DAY, None],
            "last_fraud_at": [at - 8 * DAY, at - 15 * DAY, None],
            "last_genuine_at": [at - 21 * DAY, at - 9 * DAY, at - 8 * DAY],
            **{f"{what}_{span}": [4, 0, 2] for what in ("frauds", "transactions") for span in ("3d", "14d", "28d")},
        }
    )
    found = view.feature_transformation.udf(frame)
    assert found["genuine_since_fraud"].tolist() == [0, 1, 0]
    assert found["seconds_without_genuine"].tolist()[:2] == [86_400, -11 * 86_400]
    np.testing.assert_array_equal(found["fraud_share_14d"], [1, np.nan, 1])
