"""Trains on new days and proposes what it made as the challenger. `make retrain`, from cron or EVERY=1d."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.compare import compare_versions
from commands.compare import read_options as read_comparison_options
from commands.promote import judge_version, read_bounds
from commands.register import record
from commands.served_models import asked_service
from commands.settings import SettingError, read_duration, read_whole
from commands.train import read_options, train_service
from contract.durations import SECOND
from contract.model_aliases import promote, read_aliases, set_alias
from serving.config import load_config
from training.comparison.comparison import Comparison
from training.comparison.days import known_until
from training.comparison.page import describe_comparison, sentence
from training.data.label_events import label_span
from training.data.task import read_task
from training.promotion import Verdict
from training.retraining import find_due, is_compared, newest_seen
from workspace.files import write_whole
from workspace.one_at_a_time import one_at_a_time
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore

ASIDE = "retrained"
"""What a new version is called while an experiment is about the challenger."""


def retraining(workspace: Workspace, service: str) -> AbstractContextManager[None]:
    """Hold a service while it is trained anew: one at a time.

    Raises:
        HeldError: Somebody else does it.
    """
    return one_at_a_time(workspace.models / service / ".retraining", f"{service} is being trained anew")


def retrain(workspace: Workspace, store: FeatureStore, service: str, least_days: int, clock: str) -> bool:
    """Train, compare and propose, where enough days are new; return whether anything was done.

    What a retraining that was killed has trained is compared and proposed by the next one.

    Raises:
        ModelFileError: There is no champion; the first one is trained by `make train`.
        ValidationFailed: The new days break an expectation; nothing is trained.
        TrainingError: The new days cannot be trained on, or the models not be compared.
    """
    task = read_task(store, service)
    now = label_span(task)[1] if clock == "event" else datetime.now(UTC)
    until = known_until(task, now)
    due = find_due(task, workspace.models, until, least_days)
    seen = newest_seen(workspace.models, service)
    if due is not None:
        print(f"{service}: {due.new_days} new days, labels are known up to {until:%F}", flush=True)
        options = replace(read_options(), split=due.split, alias=_free_alias(workspace, service))
        if os.environ.get("TRIALS") in (None, "", "0"):  # without a search, as the champion was fitted
            options = replace(options, params=due.params, seed=due.seed)
        version = train_service(workspace, service, options, store).version
    elif not is_compared(workspace.models, service, seen):
        version, until = seen.version, seen.until
        set_alias(workspace.models, service, _free_alias(workspace, service), version)
    else:
        print(
            f"{service}: nothing to do: labels are known up to {until:%F}, {seen.version} has seen days up to {seen.until:%F}, and "
            f"{least_days} new days are waited for (NEW_DAYS=)",
            flush=True,
        )
        return False
    found = compare_versions(
        workspace, store, service, version, service, replace(read_comparison_options(), until=until)
    )
    print(describe_comparison(found), flush=True)
    verdict = judge_version(workspace, store, service, version, read_bounds(), now)
    promoted = not verdict.refusals and os.environ.get("PROMOTE") == "auto"
    if promoted:
        promote(workspace.models, service, version, f"make retrain: {verdict.figures}", datetime.now(UTC))
    _propose(workspace, found, verdict, promoted)
    record(workspace, service, version)
    return True


def _free_alias(workspace: Workspace, service: str) -> str:
    """Return ALIAS, by default challenger; another name while an experiment has given users or a shadow to that one."""
    alias = os.environ.get("ALIAS") or "challenger"
    experiment = load_config(workspace.repo / "serving.yaml").experiments.get(service)
    taken = experiment is not None and alias in (*experiment.arms, *experiment.shadow)
    if taken and alias in read_aliases(workspace.models, service):
        print(f"{service}: {alias} is in the experiment of serving.yaml and stays; what is trained is called {ASIDE}")
        return ASIDE
    return alias


def _propose(workspace: Workspace, found: Comparison, verdict: Verdict, promoted: bool) -> None:
    """Say what may be done with the new version, for people and as JSON."""
    service, version = found.service, found.challenger
    command = f"make promote SERVICE={service} VERSION={version}"
    facts = {
        "service": service,
        "version": version,
        "champion": found.champion,
        "at": found.at.isoformat(),
        "verdict": sentence(found),
        "proposed": not verdict.refusals,
        "promoted": promoted,
        "refusals": list(verdict.refusals),
        "notes": list(verdict.notes),
        "command": command,
    }
    path = workspace.reports / "retraining" / f"{service}.json"
    write_whole(path, json.dumps(facts, indent=2) + "\n")
    for line in verdict.notes:
        print(f"  not looked at: {line}")
    if promoted:
        print(f"  promoted  {version} is champion, {found.champion} was; `make rollback SERVICE={service}` goes back")
    elif verdict.refusals:
        print("  proposed  no: " + "".join(f"\n            - {line}" for line in verdict.refusals))
    else:
        print(f"  proposed  yes: `{command}`")
    print(f"  written   {path}", flush=True)


def main() -> int:
    """Train SERVICE anew where NEW_DAYS=7 days are known that no version has seen, and propose the version as challenger.

    A label is known by its source's delay: by the wall clock, or with CLOCK=event by the newest event. PROMOTE=auto promotes what
    passes the gate. With EVERY=1d go on, a day after the other; a failure is told and tried again.
    """
    if os.environ.get("PROMOTE") not in (None, "", "auto"):
        raise SettingError(f"PROMOTE={os.environ['PROMOTE']}: write PROMOTE=auto, or leave it out.")
    from validation.gates.report import ValidationFailed

    workspace, every = Workspace.from_env(), read_duration("EVERY", 0)
    service, clock = asked_service(workspace), os.environ.get("CLOCK") or "wall"
    least_days = read_whole("NEW_DAYS", 7)
    while True:
        try:
            with retraining(workspace, service):
                retrain(workspace, open_store(workspace), service, least_days, clock)
        except (ValueError, ValidationFailed) as error:  # what a person can mend
            if not every:
                raise
            print(f"retrain: {error}", file=sys.stderr, flush=True)
        if not every:
            return 0
        now = time.time_ns() // 1000
        time.sleep((every - now % every) / SECOND)
