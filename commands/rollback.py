"""Makes the champion of before champion again. `make rollback`."""

from __future__ import annotations

from datetime import UTC, datetime

from commands.register import record_aliases
from commands.served_models import asked_service, reason, require_fit
from contract.model_aliases import previous_champion, rollback
from workspace.workspace import Workspace


def main() -> None:
    """Undo the last promotion of SERVICE, for a reason (WHY); once more, the one before it."""
    workspace = Workspace.from_env()
    service = asked_service(workspace)
    require_fit(workspace, service, previous_champion(workspace.models, service))
    version = rollback(workspace.models, service, reason(), datetime.now(UTC))
    print(f"{service}: {version} is champion again")
    record_aliases(workspace, service)
