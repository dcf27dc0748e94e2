"""Turns a score into a decision by ordered thresholds, or by what is missing behind it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Part(BaseModel):
    """A part of a policy: nothing that is unknown, nothing that has to be converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Name = Annotated[str, Field(min_length=1)]


class Threshold(Part):
    """One step of a policy.

    Attributes:
        decide: The decision's name.
        below: Scores strictly below this, and not below an earlier threshold, get it; None takes all that are left.
    """

    decide: Name
    below: Annotated[float | None, Field(allow_inf_nan=False)] = None


class Missing(Part):
    """What is decided when a score rests on too little.

    Attributes:
        above: When a larger share than this of the stored features is missing, from 0 to below 1.
        decide: The decision's name, whatever the score.
    """

    above: Annotated[float, Field(ge=0, lt=1)]
    decide: Name


class DecisionPolicy(Part):
    """Decisions by rising score; a score equal to a threshold belongs to the next decision.

    Attributes:
        thresholds: By rising `below`; the last one is open.
        missing: What is decided when features are missing; None leaves it to the score.

    >>> steps = [{"below": 0.3, "decide": "approve"}, {"below": 0.8, "decide": "review"}, {"decide": "decline"}]
    >>> policy = DecisionPolicy.model_validate(steps)
    >>> [policy.decide(score) for score in (0.1, 0.3, 0.8)]
    ['approve', 'review', 'decline']
    """

    thresholds: tuple[Threshold, ...]
    missing: Missing | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_or_both(cls, given: object) -> object:
        """Take a list of thresholds, or both parts under their names."""
        if isinstance(given, list):
            return {"thresholds": tuple(given)}
        if isinstance(given, dict) and isinstance(given.get("thresholds"), list):
            return {**given, "thresholds": tuple(given["thresholds"])}
        return given

    @model_validator(mode="after")
    def _every_score_has_one(self) -> DecisionPolicy:
        if not self.thresholds:
            raise ValueError("is empty; write at least '- decide: approve'")
        before: float | None = None
        for index, one in enumerate(self.thresholds):
            last = index == len(self.thresholds) - 1
            if one.below is None and not last:
                raise ValueError(
                    f"[{index}] {one.decide} has no 'below' and so takes every score; make it the last one"
                )
            if one.below is not None and last:
                raise ValueError(
                    f"[{index}] {one.decide} ends at {one.below:g} and leaves higher scores undecided; end with a decision"
                    " that has no 'below'"
                )
            if one.below is not None and before is not None and one.below <= before:
                raise ValueError(
                    f"[{index}] below {one.below:g} does not exceed the {before:g} before it; order by score"
                )
            before = one.below
        return self

    @cached_property
    def _bounds(self) -> list[float]:
        return [one.below for one in self.thresholds if one.below is not None]

    def decide(self, score: float, missing: float = 0.0) -> str:
        """Return the decision for a score; `missing` is the share of the stored features that are missing behind it."""
        if self.missing is not None and missing > self.missing.above:
            return self.missing.decide
        return self.thresholds[bisect_right(self._bounds, score)].decide

    def decide_all(self, scores: Sequence[float], missing: Sequence[float] | None = None) -> list[str]:
        """Return the decision for each score."""
        if missing is None or self.missing is None:
            return [self.decide(score) for score in scores]
        return [self.decide(score, share) for score, share in zip(scores, missing, strict=True)]

    def describe(self) -> list[dict[str, object]]:
        """List the thresholds as JSON."""
        return [one.model_dump(exclude_none=True) for one in self.thresholds]
