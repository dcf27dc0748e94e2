"""What every kind of model's measurements have in common, so that report, table and loop need not ask for the kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol


class Measured(Protocol):
    """Measurements on one set of test rows.

    Attributes:
        MEANING: By metric: its title and what it says.
        HEADLINES: The metrics that a report puts first.
        rows: Number of rows.
        reasons: (metric, why it is undefined), for those that are.
        intervals: By metric: the 95 % bootstrap interval, for those that have one.
    """

    MEANING: ClassVar[Mapping[str, tuple[str, str]]]
    HEADLINES: ClassVar[tuple[str, ...]]

    @property
    def rows(self) -> int:
        """Return the number of rows."""

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """Return (metric, why it is undefined), for those that are."""

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """Return the 95 % bootstrap intervals by metric."""

    def chance(self) -> dict[str, float]:
        """Return what a model that knows nothing reaches on the same rows; metrics without such a value are left out."""

    def beats_chance(self) -> tuple[bool, str]:
        """Say whether the model is better than chance beyond doubt, and by which figures."""

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON holds them; `reasons` as an object."""
