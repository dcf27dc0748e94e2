"""Compares a challenger with the champion on days that neither was trained on. `make compare`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from commands.register import record
from commands.served_models import asked_service, picked_version
from commands.settings import read_whole
from contract.model_aliases import CHAMPION, read_aliases
from contract.model_file import FILE, load_model
from training.comparison.compare import CompareOptions, Contender, compare
from training.comparison.comparison import Comparison, write_comparison
from training.comparison.days import MOST_DAYS
from training.comparison.page import describe_comparison, write_page
from training.data.task import read_task
from training.measures.paired import RESAMPLES
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore


def compare_versions(
    workspace: Workspace,
    store: FeatureStore,
    service: str,
    version: str,
    against: str,
    options: CompareOptions,
) -> Comparison:
    """Compare a version with the champion of `against`, and write JSON and page beside it and among the reports.

    Raises:
        TrainingError: They cannot be compared.
        ModelFileError: There is no champion, or a model cannot be read.
    """
    champion = read_aliases(workspace.models, against)[CHAMPION]
    folder = workspace.models / service / version
    found = compare(
        store,
        Contender(read_task(store, against), load_model(workspace.models / against / champion / FILE)),
        Contender(read_task(store, service), load_model(folder / FILE)),
        options,
    )
    latest = workspace.reports / "comparison" / f"{service}.html"
    if against == service:  # what a promotion asks for; another service's champion stays where it is
        write_comparison(found, folder)
        write_page(found, [folder / "comparison.html", latest])
    else:
        write_page(found, [latest.with_stem(f"{service}-{against}")])
    return found


def read_options() -> CompareOptions:
    """Read DAYS, LIMIT, K, CLUSTER, RESAMPLES and SEED.

    Raises:
        SettingError: A number is not one.
    """
    return CompareOptions(
        most_days=read_whole("DAYS", MOST_DAYS),
        limit=read_whole("LIMIT", 1) if os.environ.get("LIMIT") else None,
        k=read_whole("K", 100),
        cluster=os.environ.get("CLUSTER") or None,
        resamples=read_whole("RESAMPLES", RESAMPLES),
        seed=read_whole("SEED", 7),
    )


def main() -> None:
    """Compare VERSION of SERVICE, or the one that ALIAS names, by default the challenger, with the champion; AGAINST names the
    champion of another service that predicts the same.
    """
    workspace = Workspace.from_env()
    service = asked_service(workspace)
    version = picked_version(workspace, service, default="challenger")
    store = open_store(workspace)
    against = os.environ.get("AGAINST") or service
    found = compare_versions(workspace, store, service, version, against, read_options())
    print(describe_comparison(found), flush=True)
    if against == service:
        print(f"  page      {workspace.models / service / version / 'comparison.html'}", flush=True)
        record(workspace, service, version)
