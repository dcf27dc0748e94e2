"""Reads which model a command means, and refuses one that the service could not serve."""

from __future__ import annotations

import getpass
import os

from commands.settings import SettingError
from contract.model_aliases import read_aliases
from contract.model_file import FILE, ModelFileError
from contract.service import read_service
from serving.config import load_config
from serving.scoring.model import check_fit, read_model
from workspace.workspace import Workspace, open_store


def asked_service(workspace: Workspace) -> str:
    """Return SERVICE, by default the first that `serving.yaml` names.

    Raises:
        ServingConfigError: There is no `serving.yaml` that can be read.
    """
    return os.environ.get("SERVICE") or load_config(workspace.repo / "serving.yaml").services[0]


def asked_version(workspace: Workspace, service: str) -> str:
    """Return VERSION.

    Raises:
        SettingError: It is not set.
    """
    version = os.environ.get("VERSION")
    if not version:
        known = sorted(path.parent.name for path in (workspace.models / service).glob(f"*/{FILE}"))
        raise SettingError(
            f"VERSION is not set; write one of {', '.join(known[-5:]) or 'those that `make train` makes'}."
        )
    return version


def picked_version(workspace: Workspace, service: str, default: str | None = None) -> str:
    """Return VERSION, or the one that ALIAS (or `default`) names.

    Raises:
        ModelFileError: No such alias.
        SettingError: Neither is set, and there is no default.
    """
    alias = os.environ.get("ALIAS") or (None if os.environ.get("VERSION") else default)
    if alias is None:
        return asked_version(workspace, service)
    versions = read_aliases(workspace.models, service)
    if alias not in versions:
        raise ModelFileError(
            f"{service}: has no alias {alias}; there are {', '.join(versions)}. `make train SERVICE={service}` makes a"
            f" challenger, `make challenge SERVICE={service} VERSION= ALIAS={alias}` names a version that is there."
        )
    return versions[alias]


def require_fit(workspace: Workspace, service: str, version: str) -> None:
    """Refuse a version that does not fit the feature service as the registry has it now.

    Raises:
        ModelFileError: There is no such version, or it cannot be read.
        ModelError: It does not fit.
    """
    model = read_model(workspace.models / service / version / FILE)
    check_fit(model, read_service(open_store(workspace), service))


def reason() -> str:
    """Return who does this and why (WHY), for the history."""
    return f"{getpass.getuser()}: {os.environ.get('WHY') or 'no reason given'}"
