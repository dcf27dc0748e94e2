"""What a decision policy says: thresholds of the score, rules, and what is done when features are missing."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from serving.scoring.condition import parse

DEGRADED: Final = "degraded"
"""The reason of a decision that was made since stored features could not be read, or only older ones than allowed."""

MISSING: Final = "missing_features"
"""The reason of a decision that was made since too many features are missing."""


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


class Rule(Part):
    """A decision that a condition makes, whatever the score.

    Attributes:
        name: What the answer gives as the reason.
        when: The condition, over request fields, features (`view__feature`), `score`, `missing_share` and `degraded`; see
            `serving.scoring.condition`.
        decide: The decision's name.
        reason: In words, for those who read the policy.
        line: Where it stands in its file; None where it came from none.
    """

    name: Name
    when: Name
    decide: Name
    reason: str = ""
    line: int | None = None

    @field_validator("when")
    @classmethod
    def _is_condition(cls, text: str) -> str:
        parse(text)
        return text


class DecisionPolicy(Part):
    """How a decision is made: the first rule that holds, else by what is missing, else by rising score.

    A score equal to a threshold belongs to the next decision.

    Attributes:
        thresholds: By rising `below`; the last one is open.
        missing: What is decided when features are missing; None leaves it to the score.
        degraded: What is decided when stored features could not be read at all or are older than allowed; None leaves it
            to what is missing and the score.
        rules: In their order of precedence.

    >>> steps = [{"below": 0.3, "decide": "approve"}, {"below": 0.8, "decide": "review"}, {"decide": "decline"}]
    >>> policy = DecisionPolicy.model_validate(steps)
    >>> [policy.by_score(score) for score in (0.1, 0.3, 0.8)]
    ['approve', 'review', 'decline']
    """

    thresholds: tuple[Threshold, ...]
    missing: Missing | None = None
    degraded: Name | None = None
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _list_or_both(cls, given: object) -> object:
        """Take a list of thresholds, or both parts under their names."""
        if isinstance(given, list):
            return {"thresholds": tuple(given)}
        if isinstance(given, dict):
            lists = {name: tuple(given[name]) for name in ("thresholds", "rules") if isinstance(given.get(name), list)}
            return {**given, **lists}
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

    def by_score(self, score: float) -> str:
        """Return what the score alone decides."""
        return self.thresholds[bisect_right(self._bounds, score)].decide

    def describe(self) -> list[dict[str, object]]:
        """List the thresholds as JSON."""
        return [one.model_dump(exclude_none=True) for one in self.thresholds]

    def describe_rules(self) -> list[dict[str, object]]:
        """List what is decided before the score is asked, as JSON."""
        rules: list[dict[str, object]] = [one.model_dump(exclude_none=True, exclude={"line"}) for one in self.rules]
        if self.degraded is not None:
            rules.append({"name": DEGRADED, "decide": self.degraded})
        if self.missing is not None:
            rules.append({"name": MISSING, **self.missing.model_dump()})
        return rules
