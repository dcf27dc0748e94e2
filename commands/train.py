"""Trains a model on a feature service, behind a gate. `make train`."""

from __future__ import annotations

import os

from commands.gates import training_gate
from commands.plan import read_plans
from training.declaration import default_service, read_declaration
from training.result import TrainResult
from training.run import train
from training.split import TemporalSplit
from training.table import format_table
from workspace.workspace import Workspace, open_store


def train_service(workspace: Workspace, service: str | None = None, days: tuple[str, str] | None = None) -> TrainResult:
    """Train one service; the days are two spans such as `2018-07-25:2018-08-01`, ends open: to train on, to test on.

    Raises:
        ValidationFailed: The training set breaks an expectation; nothing is trained or written.
        TrainingError: Something declared or asked for cannot be trained on.
    """
    store = open_store(workspace)
    name = service or default_service(store)
    declared = read_declaration(store, name)
    return train(
        workspace,
        service=name,
        split=TemporalSplit.parse(*days) if days else None,
        gate=training_gate(workspace, read_plans(workspace), name, declared.keys, declared.label),
    )


def main() -> None:
    """Train SERVICE on the days TRAIN and test on the days TEST; without them, on the last days with labels."""
    given = os.environ.get("TRAIN"), os.environ.get("TEST")
    days = (given[0], given[1]) if given[0] and given[1] else None
    result = train_service(Workspace.from_env(), os.environ.get("SERVICE") or None, days)
    print(format_table(result))
