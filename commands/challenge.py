"""Names a version, so that it can be an arm of an experiment or a shadow. `make challenge`."""

from __future__ import annotations

import os

from commands.register import record_aliases
from commands.served_models import asked_service, asked_version, require_fit
from contract.model_aliases import drop_alias, set_alias
from serving.experiments.stopped import read_stopped
from workspace.workspace import Workspace


def main() -> None:
    """Give VERSION of SERVICE the name ALIAS, by default challenger; with DROP=1, forget the name."""
    workspace = Workspace.from_env()
    service, alias = asked_service(workspace), os.environ.get("ALIAS") or "challenger"
    if os.environ.get("DROP"):
        drop_alias(workspace.models, service, alias)
        print(f"{service}: {alias} names no version any more")
        record_aliases(workspace, service)
        return
    version = asked_version(workspace, service)
    require_fit(workspace, service, version)
    set_alias(workspace.models, service, alias, version)
    print(f"{service}: {alias} is {version}; what runs takes it over by itself")
    if alias in read_stopped(workspace.models, service):
        print(f"{alias} is stopped still; `make experiment SERVICE={service} RESUME={alias}` lets it go on")
    record_aliases(workspace, service)
