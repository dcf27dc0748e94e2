"""Decides for a batch as a policy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from serving.scoring.condition import Condition, ConditionError
from serving.scoring.policy import DEGRADED, MISSING, DecisionPolicy, Rule
from stores.cells.column import Column

EXTRAS: Final = {"score": "float64", "missing_share": "float64", "degraded": "bool"}
"""What rules may ask for beside the request's fields and the features."""


class PolicyError(ValueError):
    """A policy that does not fit the feature service; says which rule, and what to write."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions of n requests.

    Attributes:
        names: One per request.
        reasons: By request, for those that more than the score decided: every rule that holds, in order of precedence.
    """

    names: list[str]
    reasons: Mapping[int, list[str]]


class BoundPolicy:
    """A policy over the fields and features of one service.

    Args:
        policy: The policy.
        kinds: The kind of every request field and feature.

    Raises:
        PolicyError: A rule asks for what is not there, or compares what differs in type.
    """

    def __init__(self, policy: DecisionPolicy, kinds: Mapping[str, str]) -> None:
        self.policy = policy
        self._rules: list[tuple[Rule, Condition]] = []
        for index, rule in enumerate(policy.rules):
            try:
                self._rules.append((rule, Condition(rule.when, {**kinds, **EXTRAS})))
            except ConditionError as error:
                at = f"line {rule.line}: " if rule.line else ""
                raise PolicyError(f"{at}policy.rules[{index}] {rule.name}: {error}.") from None

    def decide(
        self,
        scores: Sequence[float],
        columns: Mapping[str, Column],
        missing_share: npt.NDArray[np.float64] | None = None,
        degraded: npt.NDArray[np.bool_] | None = None,
    ) -> Decisions:
        """Decide for a batch.

        Args:
            scores: One per request.
            columns: Request fields and features by name.
            missing_share: Shape (n,), as in `FeatureBatch`; None where nothing is missing.
            degraded: Shape (n,); None where nothing is.
        """
        policy = self.policy
        names = [policy.by_score(score) for score in scores]
        reasons: dict[int, list[str]] = {}
        if policy.missing is not None and missing_share is not None:
            _overrule(missing_share > policy.missing.above, policy.missing.decide, MISSING, names, reasons)
        if policy.degraded is not None and degraded is not None:
            _overrule(degraded, policy.degraded, DEGRADED, names, reasons)
        if self._rules:
            size = len(scores)
            all_columns = {
                **columns,
                "score": Column.of("float64", scores),
                "missing_share": Column.of("float64", np.zeros(size) if missing_share is None else missing_share),  # type: ignore[arg-type]
                "degraded": Column.of("bool", np.zeros(size, np.bool_) if degraded is None else degraded),  # type: ignore[arg-type]
            }
            for rule, condition in reversed(self._rules):
                holds = np.broadcast_to(condition.holds(all_columns), size)
                _overrule(holds, rule.decide, rule.name, names, reasons)
        return Decisions(names, reasons)


def _overrule(
    holds: npt.NDArray[np.bool_], decide: str, reason: str, names: list[str], reasons: dict[int, list[str]]
) -> None:
    """Put a decision in the place of what comes later in precedence, and its reason before theirs."""
    for row in np.flatnonzero(holds).tolist():
        names[row] = decide
        reasons.setdefault(row, []).insert(0, reason)
