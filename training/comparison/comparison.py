"""What a comparison found, and the file beside the challenger that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from training.errors import TrainingError
from training.measures.paired import Difference
from workspace.files import write_whole

FILE: Final = "comparison.json"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger against the champion.

    Attributes:
        service: The challenger's service.
        predicts: `binary`, `regression` or `ranking`.
        champion: The champion's version.
        challenger: The challenger's.
        against: The champion's service, where it is another.
        at: When they were compared, aware.
        start: The first day of the rows.
        end: The end of the last, exclusive.
        rows: How many rows.
        positives: Of them with a label above 0.
        removed: Rows left out for a key that was known to be positive.
        clusters: How many clusters were drawn from.
        clustered_by: By which column; empty where each row was drawn by itself.
        k: For the precision of keys.
        differences: Metric by metric, the main one first.
        events: The digest of the label files that the rows are from.
    """

    service: str
    predicts: str
    champion: str
    challenger: str
    against: str
    at: datetime
    start: datetime
    end: datetime
    rows: int
    positives: int
    removed: int
    clusters: int
    clustered_by: str
    k: int
    differences: tuple[Difference, ...]
    events: str

    @property
    def main(self) -> Difference:
        """Return the metric that decides."""
        return self.differences[0]

    @property
    def verdict(self) -> str:
        """Return the main metric's verdict."""
        return self.main.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it; days ISO dates, `end` exclusive."""
        told = {one.metric: asdict(one) | {"verdict": one.verdict} for one in self.differences}
        days = {"at": self.at.isoformat(), "start": f"{self.start:%F}", "end": f"{self.end:%F}"}
        rest = {name: getattr(self, name) for name in self.__slots__ if name not in ("differences", *days)}
        return {**rest, **days, "main": self.main.metric, "verdict": self.verdict, "differences": told}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Comparison:
        """Return what `to_dict` said."""
        days: dict[str, Any] = {
            name: datetime.fromisoformat(f"{said[name]}T00:00:00+00:00") for name in ("start", "end")
        }
        differences = tuple(
            Difference(**{name: one[name] for name in Difference.__slots__}) for one in said["differences"].values()
        )
        rest = {name: said[name] for name in cls.__slots__ if name not in ("differences", "at", *days)}
        return cls(**rest, **days, at=datetime.fromisoformat(said["at"]), differences=differences)


def write_comparison(found: Comparison, folder: Path) -> Path:
    """Write a comparison beside the challenger, in its version's folder."""
    path = folder / FILE
    write_whole(path, json.dumps(found.to_dict(), indent=2) + "\n")
    return path


def read_comparison(folder: Path) -> Comparison | None:
    """Return the last comparison of a version's folder; None where there is none.

    Raises:
        TrainingError: The file holds something else.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Comparison.from_dict(json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path}: is no comparison ({error!r}); run `make compare` again.") from None
