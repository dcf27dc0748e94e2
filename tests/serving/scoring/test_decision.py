"""Which decision is made, and with which reasons."""

from __future__ import annotations

import numpy as np
import pytest

from serving.scoring.decision import BoundPolicy, PolicyError
from serving.scoring.policy import DecisionPolicy
from stores.cells.column import Column

THRESHOLDS = [{"below": 0.5, "decide": "approve"}, {"decide": "decline"}]
KINDS = {"amount": "float64"}
SCORES = [0.1, 0.9, 0.1, 0.9]
COLUMNS = {"amount": Column.of("float64", [1.0, 10.0, 100.0, 1000.0])}


def bound(**more: object) -> BoundPolicy:
    return BoundPolicy(DecisionPolicy.model_validate({"thresholds": THRESHOLDS, **more}), KINDS)


def test_without_rules_the_score_decides_and_gives_no_reason() -> None:
    made = bound().decide(SCORES, COLUMNS)
    assert (made.names, made.reasons) == (["approve", "decline", "approve", "decline"], {})


def test_first_rule_that_holds_decides_and_all_that_hold_are_reasons() -> None:
    rules = [
        {"name": "limit", "when": "amount >= 1000", "decide": "decline"},
        {"name": "large", "when": "amount > 50", "decide": "review"},
        {"name": "sure", "when": "score > 0.8 and amount < 50", "decide": "block"},
    ]
    made = bound(rules=rules).decide(SCORES, COLUMNS)
    assert made.names == ["approve", "block", "review", "decline"]
    assert made.reasons == {1: ["sure"], 2: ["large"], 3: ["limit", "large"]}


def test_missing_features_and_degraded_answers_come_between_rules_and_score() -> None:
    policy = bound(
        missing={"above": 0.5, "decide": "review"},
        degraded="hold",
        rules=[{"name": "limit", "when": "amount >= 1000", "decide": "decline"}],
    )
    share = np.array([0.5, 0.6, 0.6, 0.6])
    made = policy.decide(SCORES, COLUMNS, share, np.array([False, False, True, True]))
    assert made.names == ["approve", "review", "hold", "decline"]
    assert made.reasons == {
        1: ["missing_features"],
        2: ["degraded", "missing_features"],
        3: ["limit", "degraded", "missing_features"],
    }


def test_rules_may_ask_for_what_is_missing_and_degraded() -> None:
    rules = [{"name": "blind", "when": "degraded or missing_share > 0.9", "decide": "hold"}]
    made = bound(rules=rules).decide(SCORES, COLUMNS, np.array([0, 1.0, 0, 0]), np.array([False, False, True, False]))
    assert made.names == ["approve", "hold", "hold", "decline"]
    assert bound(rules=rules).decide(SCORES, COLUMNS).reasons == {}


def test_rule_that_does_not_fit_the_service_is_named_with_its_line() -> None:
    rules = [{"name": "typo", "when": "amont > 1", "decide": "review", "line": 12}]
    with pytest.raises(PolicyError, match=r"line 12: policy.rules\[0\] typo: amont is not known; did you mean amount"):
        bound(rules=rules)
