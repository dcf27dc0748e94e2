"""Makes a version the champion; running services take it over between two requests. `make promote`."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from commands.served_models import asked_service, asked_version, reason, require_fit
from contract.model_aliases import CHAMPION, promote, read_aliases
from contract.model_file import ModelFileError
from workspace.workspace import Workspace


def main() -> None:
    """Make VERSION of SERVICE, or the one that ALIAS names, the champion, for a reason (WHY)."""
    workspace = Workspace.from_env()
    service, alias = asked_service(workspace), os.environ.get("ALIAS")
    if alias:
        versions = read_aliases(workspace.models, service)
        if alias not in versions:
            raise ModelFileError(f"{service}: has no alias {alias}; there are {', '.join(versions)}.")
        version = versions[alias]
    else:
        version = asked_version(workspace, service)
    require_fit(workspace, service, version)
    before = read_aliases(workspace.models, service).get(CHAMPION)
    promote(workspace.models, service, version, reason(), datetime.now(UTC))
    print(f"{service}: {version} is champion, {before} was; `make rollback SERVICE={service}` goes back")
