"""What `serving.yaml` says of an experiment: its arms, how they are measured, and what stops one."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contract.label import ServiceError
from contract.model_aliases import ALIAS, CHAMPION
from serving.experiments.metrics import NEEDS_ACCEPT, NEEDS_VALUE, MetricName
from serving.experiments.split import Split
from serving.request.schema import RequestField

UNIT_KINDS: Final = ("int64", "int32", "string")
"""Of what type the field may be whose values are divided among arms."""

VALUE_KINDS: Final = ("int64", "int32", "float64", "float32")

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """A part of the section: nothing that is unknown, nothing that has to be converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Guard(Part):
    """What stops an arm.

    Attributes:
        metric: What is watched.
        margin: How much worse than the champion an arm may be, in the metric's own unit.
    """

    metric: MetricName
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class ExperimentConfig(Part):
    """One service's experiment.

    Attributes:
        unit: The request field whose values are divided: the same value, the same arm.
        arms: The weight of each alias, relative to the others'; the champion is one of them, and comes first.
        shadow: Aliases that score every request and decide none.
        name: Part of the hash: another name divides the units anew.
        metric: What the experiment is about.
        accept: The decisions that count as accepted; needed by what is measured of them.
        value: The request field that says how much is at stake; needed by `saved` and `lost`.
        guardrail: What stops an arm; one, or a list.
        alpha: How often, at most, an experiment without a difference may be taken for one with, however often it is looked at.
        sharpest_at: At how many decisions an arm the intervals are narrowest for what was seen.
        since: The first day whose decisions count, UTC; None counts all that the versions now in the arms have made.
    """

    unit: Name
    arms: Annotated[dict[str, Weight], Field(min_length=1)]
    shadow: tuple[Name, ...] = ()
    name: Name = "experiment"
    metric: MetricName = "outcome_rate"
    accept: tuple[Name, ...] = ()
    value: Name | None = None
    guardrail: tuple[Guard, ...] = ()
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    sharpest_at: Annotated[int, Field(ge=10)] = 2000
    since: date | None = None

    @field_validator("shadow", "accept", mode="before")
    @classmethod
    def _as_tuple(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given

    @field_validator("guardrail", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else (given,) if isinstance(given, dict) else given

    @field_validator("arms", mode="before")
    @classmethod
    def _whole_weights_too(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {alias: float(one) if type(one) is int else one for alias, one in given.items()}

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentConfig:
        if CHAMPION not in self.arms:
            raise ValueError(f"arms has no {CHAMPION}; give it a weight, such as {CHAMPION}: 0.9")
        for alias in (*self.arms, *self.shadow):
            if not ALIAS.fullmatch(alias):
                raise ValueError(f"{alias!r} is no alias; write small letters, digits and _, such as challenger")
        if not math.fsum(self.arms.values()) > 0:
            raise ValueError("every arm weighs 0; give one a weight, such as champion: 0.9")
        twice = sorted({one for one in self.shadow if one in self.arms or self.shadow.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice among arms and shadow; an alias decides or is a shadow")
        for metric in (self.metric, *(one.metric for one in self.guardrail)):
            if metric in NEEDS_ACCEPT and not self.accept:
                raise ValueError(f"{metric} needs accept; name the decisions that accept, such as accept: [approve]")
            if metric in NEEDS_VALUE and self.value is None:
                raise ValueError(f"{metric} needs value; name the request field that says how much is at stake")
        return self

    @property
    def challengers(self) -> tuple[str, ...]:
        """Return the arms beside the champion."""
        return tuple(alias for alias in self.arms if alias != CHAMPION)

    def split(self, service: str, stopped: Collection[str] = ()) -> Split:
        """Return how units are divided; those of a stopped arm go to the champion."""
        weights = {CHAMPION: self.arms[CHAMPION], **{alias: self.arms[alias] for alias in self.challengers}}
        return Split(self.unit, weights, f"{service}/{self.name}", frozenset(stopped))


def check_experiment(service: str, config: ExperimentConfig, fields: Sequence[RequestField]) -> None:
    """Refuse an experiment that names what a request of its service does not have.

    Raises:
        ServiceError: A field is unknown, or of a type that cannot serve.
    """
    kinds = {one.name: one.kind for one in fields}
    for key, name, allowed in (("unit", config.unit, UNIT_KINDS), ("value", config.value, VALUE_KINDS)):
        fitting = ", ".join(one for one, kind in kinds.items() if kind in allowed) or "none that fits"
        if name is not None and name not in kinds:
            raise ServiceError(f"experiment.{key}: a request of {service} has no field {name}; there are {fitting}.")
        if name is not None and kinds[name] not in allowed:
            raise ServiceError(
                f"experiment.{key}: {name} of {service} is a {kinds[name]}, allowed are {', '.join(allowed)}; write one of"
                f" {fitting}."
            )
