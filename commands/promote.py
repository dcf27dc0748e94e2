"""Makes a version the champion, behind a gate; running services take it over between two requests. `make promote`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.register import record_aliases
from commands.served_models import asked_service, picked_version, reason, require_fit
from commands.settings import SettingError
from contract.model_aliases import CHAMPION, promote, read_aliases
from contract.model_file import CURRENT
from training.comparison.days import known_until
from training.data.task import read_task
from training.errors import TrainingError
from training.promotion import Bounds, Verdict, judge
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore


def read_bounds() -> Bounds:
    """Read MARGIN, TOLERANCE, MIN_EQUAL and REQUIRE_CONSISTENCY.

    Raises:
        SettingError: One is not a number.
        TrainingError: One is out of its range.
    """
    usual = Bounds()
    given = {name: os.environ.get(name) for name in ("MARGIN", "TOLERANCE", "MIN_EQUAL")}
    try:
        margin, tolerance, equal = (float(text) if text else None for text in given.values())
    except ValueError:
        told = " ".join(f"{name}={text}" for name, text in given.items() if text)
        raise SettingError(f"{told}: write numbers, such as MARGIN=0.005 TOLERANCE=0.02 MIN_EQUAL=0.99.") from None
    return Bounds(
        usual.margin if margin is None else margin,
        usual.tolerance if tolerance is None else tolerance,
        usual.consistency if equal is None else equal,
        os.environ.get("REQUIRE_CONSISTENCY") == "1",
    )


def judge_version(
    workspace: Workspace, store: FeatureStore, service: str, version: str, bounds: Bounds, now: datetime
) -> Verdict:
    """Say whether a version may become champion; the first one may."""
    if not (workspace.models / service / CURRENT).is_file():
        return Verdict(())
    champion = read_aliases(workspace.models, service)[CHAMPION]
    try:
        known = known_until(read_task(store, service), now)
    except TrainingError:  # a service without labels can be compared no better
        known = None
    consistency = workspace.reports / "consistency" / f"{service}.json"
    return judge(workspace.models / service / version, service, champion, bounds, known, consistency)


def main() -> None:
    """Make VERSION of SERVICE, or the one that ALIAS names, the champion, for a reason (WHY).

    It must be better than the champion (see docs/training.md); FORCE=1 with a WHY passes the gate, and the history says so.
    """
    workspace = Workspace.from_env()
    service = asked_service(workspace)
    version = picked_version(workspace, service)
    require_fit(workspace, service, version)
    first = not (workspace.models / service / CURRENT).is_file()
    before = None if first else read_aliases(workspace.models, service)[CHAMPION]
    if version == before:
        print(f"{service}: {version} is champion already")
        return
    now = datetime.now(UTC)
    verdict = judge_version(workspace, open_store(workspace), service, version, read_bounds(), now)
    for note in verdict.notes:
        print(f"not looked at: {note}")
    why = reason() + (f" ({verdict.figures})" if verdict.figures else "")
    if os.environ.get("FORCE") == "1" and verdict.refusals:
        if not os.environ.get("WHY"):
            raise SettingError('FORCE=1 passes the gate, and the history must say why; write WHY="...".')
        why = f"{why}, forced past: {'; '.join(verdict.refusals)}"
    else:
        verdict.require(service, version)
    promote(workspace.models, service, version, why, now)
    print(f"{service}: {version} is champion, {before} was; `make rollback SERVICE={service}` goes back")
    record_aliases(workspace, service)
