"""Reads from a version's folder what MLflow is to hold of it: nothing is recorded that the folder does not say."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contract.model_file import FILE, load_model

UNNAMED: Final = re.compile(r"[^\w. /-]")
LONGEST: Final = 500  # characters of a parameter in MLflow's tables


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a model was trained or tested on.

    Attributes:
        context: `train` or `test`.
        source: The label events' source.
        rows: How many events.
        digest: Of declarations, label files and feature logs; equal for equal inputs.
    """

    context: str
    source: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One training, as MLflow is told of it.

    Attributes:
        service: The feature service.
        version: The version's name.
        trained_at: Milliseconds UTC.
        seconds: How long the training took; 0 where its report is gone.
        params: Split, parameters, seed, numbers of rows.
        metrics: Every number that was measured, by name: chance under `chance.`, the ends of intervals under `.low` and `.high`.
        data: What it was trained and tested on.
        artifacts: Files of the folder, but for the model.
        model: The model file.
    """

    service: str
    version: str
    trained_at: int
    seconds: float
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    data: tuple[DataSet, ...]
    artifacts: tuple[Path, ...]
    model: Path


def read_facts(models: Path, service: str, version: str) -> VersionFacts:
    """Read a version's folder.

    Raises:
        ModelFileError: There is no such version, or its model cannot be read.
    """
    folder = models / service / version
    model = load_model(folder / FILE)
    report = _read(folder / "report.json")
    said = {
        "predicts": model.predicts,
        "label": model.label,
        "columns": len(model.columns),
        **model.split,
        **{name: report[name] for name in ("known_after", "seed", "threshold_from", "drop_known") if name in report},
        **{f"{part}_{name}": n for part in ("train", "test", "removed") for name, n in report.get(part, {}).items()},
        **report.get("params", {}),
    }
    compared = _read(folder / "comparison.json").get("differences", {})
    metrics = dict(numbers(model.metrics))
    metrics |= dict(numbers(report.get("chance", {}), "chance."))
    metrics |= dict(numbers(compared, "against_champion."))
    return VersionFacts(
        service=service,
        version=version,
        trained_at=round(model.trained_at.timestamp() * 1000),
        seconds=float(report.get("seconds", 0.0)),
        params={name: str(value)[:LONGEST] for name, value in said.items() if value is not None},
        metrics=metrics,
        data=tuple(_data_sets(report.get("provenance", {}))),
        artifacts=tuple(
            sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != "." and path.name != FILE)
        ),
        model=folder / FILE,
    )


def numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Give every finite number of a JSON object by its dotted name; a list of two is an interval.

    What MLflow allows in no name becomes an underscore.

    >>> dict(numbers({"auroc": 0.9, "intervals": {"auroc": [0.8, 0.95]}, "reasons": {"f1": "no alert"}}))
    {'auroc': 0.9, 'intervals.auroc.low': 0.8, 'intervals.auroc.high': 0.95}
    """
    for said, value in values.items():
        name = UNNAMED.sub("_", str(said))
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and len(value) == 2:
            yield from numbers({"low": value[0], "high": value[1]}, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield prefix + name, float(value)


def _data_sets(provenance: Mapping[str, Any]) -> Iterator[DataSet]:
    for context, made_of in provenance.items():
        events = made_of.get("events", {})
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        yield DataSet(context, str(events.get("source", "events")), int(events.get("rows", 0)), digest[:32])


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}
