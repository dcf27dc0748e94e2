"""Turns a score into a decision by ordered thresholds."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field


class DecisionPolicyError(ValueError):
    """A policy that leaves a score without a decision, or a decision without a score."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One step of a policy.

    Attributes:
        decide: The decision's name.
        below: Scores strictly below this, and not below an earlier threshold, get it; None takes all that are left.
    """

    decide: str
    below: float | None


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """Decisions by rising score; a score equal to a threshold belongs to the next decision.

    >>> policy = DecisionPolicy((Threshold("approve", 0.3), Threshold("review", 0.8), Threshold("decline", None)))
    >>> [policy.decide(score) for score in (0.1, 0.3, 0.8)]
    ['approve', 'review', 'decline']

    Raises:
        DecisionPolicyError: The thresholds do not rise, or the last one is not open.
    """

    thresholds: tuple[Threshold, ...]
    _bounds: list[float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.thresholds:
            raise DecisionPolicyError("policy: is empty; write at least '- decide: approve'.")
        bounds: list[float] = []
        for index, one in enumerate(self.thresholds):
            is_last = index == len(self.thresholds) - 1
            if one.below is None and not is_last:
                raise DecisionPolicyError(
                    f"policy[{index}]: {one.decide} has no 'below' and so takes every score; make it the last one."
                )
            if one.below is not None and is_last:
                raise DecisionPolicyError(
                    f"policy[{index}]: {one.decide} ends at {one.below:g} and leaves higher scores undecided;"
                    " end with a decision that has no 'below'."
                )
            if one.below is not None:
                if bounds and one.below <= bounds[-1]:
                    raise DecisionPolicyError(
                        f"policy[{index}]: below {one.below:g} does not exceed the {bounds[-1]:g} before it;"
                        " order by score."
                    )
                bounds.append(one.below)
        object.__setattr__(self, "_bounds", bounds)

    def decide(self, score: float) -> str:
        """Return the decision for a score."""
        return self.thresholds[bisect_right(self._bounds, score)].decide

    def decide_all(self, scores: Iterable[float]) -> list[str]:
        """Return the decision for each score."""
        return [self.decide(score) for score in scores]

    def describe(self) -> list[dict[str, object]]:
        """List the thresholds as JSON."""
        return [{"decide": t.decide, **({} if t.below is None else {"below": t.below})} for t in self.thresholds]


def parse_policy(given: object) -> DecisionPolicy:
    """Read a policy from the `policy` list of `serving.yaml`.

    Raises:
        DecisionPolicyError: It is not a list of `{decide, below}` in rising order.
    """
    if not isinstance(given, list):
        raise DecisionPolicyError(f"policy: expected a list of {{below, decide}}, got {type(given).__name__}.")
    thresholds = []
    for index, item in enumerate(given):
        at = f"policy[{index}]"
        if not isinstance(item, dict) or set(item) - {"decide", "below"} or "decide" not in item:
            raise DecisionPolicyError(f"{at}: expected {{below: 0.3, decide: approve}}, got {item!r}.")
        decide, below = item["decide"], item.get("below")
        if not isinstance(decide, str) or not decide:
            raise DecisionPolicyError(f"{at}.decide: expected a name such as approve, got {decide!r}.")
        if below is not None and (isinstance(below, bool) or not isinstance(below, int | float)):
            raise DecisionPolicyError(f"{at}.below: expected a score such as 0.3, got {below!r}.")
        if below is not None and not math.isfinite(below):
            raise DecisionPolicyError(f"{at}.below: expected a finite score such as 0.3, got {below!r}.")
        thresholds.append(Threshold(decide, None if below is None else float(below)))
    return DecisionPolicy(tuple(thresholds))
