"""Records trainings and aliases in MLflow: those that are missing there. `make register`."""

from __future__ import annotations

import os
import sys

from commands.served_models import asked_service
from contract.model_file import FILE, ModelFileError
from training.registry.client import RegistryError, registry_address
from training.registry.mirror import mirror_aliases, record_version
from workspace.workspace import Workspace


def is_recording() -> bool:
    """Say whether commands record in MLflow; MILLRACE_REGISTRY=off says no."""
    return os.environ.get("MILLRACE_REGISTRY") != "off"


def record(workspace: Workspace, service: str, version: str) -> None:
    """Record a version and the aliases; where MLflow is away, say so and which command does it later."""
    if not is_recording():
        return
    try:
        number = record_version(workspace.data, workspace.models, service, version)
    except RegistryError as error:
        later = f"`make register SERVICE={service} VERSION={version}` does it later"
        print(f"not recorded in MLflow: {version} and the aliases of {service} ({error}); {later}", file=sys.stderr)
    else:
        print(f"  MLflow    {service}, version {number}, in {registry_address(workspace.data)}", flush=True)


def record_aliases(workspace: Workspace, service: str) -> None:
    """Give MLflow the aliases as they are; where it is away, say so and which command does it later."""
    if not is_recording():
        return
    try:
        mirror_aliases(workspace.data, workspace.models, service)
    except RegistryError as error:
        later = f"`make register SERVICE={service}` does it later"
        print(f"not recorded in MLflow: the aliases of {service} ({error}); {later}", file=sys.stderr)


def main() -> None:
    """Record VERSION of SERVICE, by default every version there is, and the aliases."""
    workspace = Workspace.from_env()
    service, version = asked_service(workspace), os.environ.get("VERSION")
    versions = [version] if version else versions_of(workspace, service)
    if not versions:
        raise ModelFileError(f"{service}: there is no version to record; run `make train SERVICE={service}`.")
    for one in versions:
        number = record_version(workspace.data, workspace.models, service, one)
        print(f"{service}: {one} is version {number} in {registry_address(workspace.data)}", flush=True)


def versions_of(workspace: Workspace, service: str) -> list[str]:
    """Return the versions of a service's model, the oldest first."""
    return sorted(path.parent.name for path in (workspace.models / service).glob(f"*/{FILE}"))
