"""Trains a model on a feature service, behind a gate. `make train`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from commands.gates import training_gates
from commands.plan import read_plans
from commands.register import record
from commands.settings import SettingError, read_number, read_whole
from contract.checks import SEVERITIES
from contract.model_file import CURRENT
from training.data.split import TemporalSplit, read_day
from training.data.task import default_service, read_task
from training.measures.costs import Costs
from training.options import TrainingOptions
from training.reports.table import describe_training
from training.result import TrainResult
from training.run import train
from workspace.files import write_whole
from workspace.workspace import Workspace, open_store

PLAN = "plan.json"
"""What `make plan` printed when a model was trained, as one list beside it."""

if TYPE_CHECKING:
    from feast import FeatureStore

    from pipelines.plan import ViewPlan
    from validation.leakage.checks import LeakBounds


def train_service(
    workspace: Workspace,
    service: str | None = None,
    options: TrainingOptions | None = None,
    store: FeatureStore | None = None,
    plans: Sequence[ViewPlan] | None = None,
) -> TrainResult:
    """Train one service; without a name, the last labelled one. Store and plans are those of the workspace, if at hand.

    Raises:
        ValidationFailed: The training set breaks an expectation; nothing is trained or written.
        TrainingError: Something declared or asked for cannot be trained on.
    """
    store = store or open_store(workspace)
    plans = read_plans(workspace) if plans is None else plans
    task = read_task(store, service or default_service(store))
    gates = training_gates(workspace, plans, task, read_leak_bounds())
    result = train(workspace, store, task, options, gate=gates.training, test_gate=gates.test)
    declared = ",\n".join(plan.to_json() for plan in plans)
    write_whole(result.model.with_name(PLAN), f"[{declared}]\n")  # of what the features meant
    return result


def read_leak_bounds() -> LeakBounds:
    """Read LEAK_AUROC, LEAK_CORRELATION and LEAK_SEVERITY: from where on one feature knows too much, and what it does then.

    Raises:
        SettingError: One of them is not what it must be.
    """
    from validation.leakage.checks import LeakBounds

    usual = LeakBounds()
    severity = os.environ.get("LEAK_SEVERITY") or usual.severity
    for one in SEVERITIES:
        if severity == one:
            return LeakBounds(
                read_number("LEAK_AUROC", usual.auroc), read_number("LEAK_CORRELATION", usual.correlation), severity=one
            )
    raise SettingError(f"LEAK_SEVERITY={severity}: no severity; write one of {', '.join(SEVERITIES)}.")


def read_options(env: Mapping[str, str] | None = None) -> TrainingOptions:
    """Read TRAIN and TEST (spans of days such as `2018-07-25:2018-08-01`, the end open), or TRAIN_DAYS and TEST_DAYS;
    HISTORY (1: train on all days there are before the gap), TRIALS, FOLDS and TRIALS_ON of a search, NEGATIVES (the share of
    them that is fitted to), KNOWN_SINCE (a day), COSTS, SEGMENT, THRESHOLD, K, LIMIT, SEED and ALIAS; FROM_SERVED (1: rows
    as they were served).

    Raises:
        SettingError: One of TRAIN and TEST is missing, or a number is not one.
        TrainingError: A span is not understood.
    """
    env = os.environ if env is None else env
    spans = env.get("TRAIN"), env.get("TEST")
    if bool(spans[0]) != bool(spans[1]):
        raise SettingError(
            "TRAIN and TEST go together; write such as TRAIN=2018-07-25:2018-08-01 TEST=2018-08-08:2018-08-15."
        )
    return TrainingOptions(
        split=TemporalSplit.parse(spans[0], spans[1]) if spans[0] and spans[1] else None,
        train_days=read_whole("TRAIN_DAYS", 7),
        test_days=read_whole("TEST_DAYS", 7),
        seed=read_whole("SEED", 7),
        threshold=read_number("THRESHOLD", 0.5) if env.get("THRESHOLD") else None,
        k=read_whole("K", 100),
        limit=read_whole("LIMIT", 1) if env.get("LIMIT") else None,
        alias=env.get("ALIAS") or None,
        known_since=read_day("known since", env["KNOWN_SINCE"]) if env.get("KNOWN_SINCE") else None,
        costs=Costs.parse(env["COSTS"]) if env.get("COSTS") else None,
        segments=tuple(env.get("SEGMENT", "").replace(",", " ").split()),
        history=env.get("HISTORY", "") not in ("", "0"),
        trials=read_whole("TRIALS", 1) if env.get("TRIALS", "0") != "0" else 0,
        folds=read_whole("FOLDS", 4),
        trials_on=env.get("TRIALS_ON") or None,
        negatives=read_number("NEGATIVES", 1.0) if env.get("NEGATIVES") else None,
        from_served=env.get("FROM_SERVED", "") not in ("", "0"),
    )


def as_challenger(workspace: Workspace, service: str, options: TrainingOptions) -> TrainingOptions:
    """Name what is trained the challenger where there is a champion: who takes its place is decided by `make promote`.

    FORCE=1 makes it the champion at once, as the first one is.
    """
    first = not (workspace.models / service / CURRENT).is_file()
    if first or options.alias is not None or os.environ.get("FORCE"):
        return options
    return replace(options, alias="challenger")


def main() -> None:
    """Train SERVICE, by default the last labelled one, on the days asked for, by default the last ones with labels.

    The first is the champion; later ones are what ALIAS says, by default challenger, until they are promoted.
    """
    workspace, options = Workspace.from_env(), read_options()
    store = open_store(workspace)
    service = os.environ.get("SERVICE") or default_service(store)
    options = as_challenger(workspace, service, options)
    result = train_service(workspace, service, options, store)
    print(describe_training(result), flush=True)
    record(workspace, service, result.version)
    if options.alias is not None:
        version = f"SERVICE={service} ALIAS={options.alias}"
        print(f"  next      `make compare {version}`, then `make promote {version}`")
