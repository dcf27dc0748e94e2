"""Remembers which arms were stopped: `<models>/<service>/STOPPED.json`, `{alias: {"at": ..., "reason": ..., "version": ...}}`.

An arm that is in it gets nobody; its units go to the champion. The guard puts arms in, only a person takes one out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from contract.label import ServiceError
from workspace.files import write_whole
from workspace.one_at_a_time import one_at_a_time

STOPPED: Final = "STOPPED.json"


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an arm is stopped.

    Attributes:
        at: When, ISO 8601 in UTC.
        reason: Why.
        version: The version that the alias named then.
    """

    at: str
    reason: str
    version: str


def read_stopped(models: Path, service: str) -> dict[str, Stop]:
    """Return the stopped arms by alias.

    Raises:
        ServiceError: The file holds something else.
    """
    path = models / service / STOPPED
    try:
        return {alias: Stop(**stop) for alias, stop in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (json.JSONDecodeError, AttributeError, TypeError):
        raise ServiceError(
            f"{path}: is not an object of alias and at, reason, version; mend it or remove it."
        ) from None


def stop_arm(models: Path, service: str, alias: str, stop: Stop) -> None:
    """Stop an arm; one that is stopped already stays so for its first reason."""
    with _changing(models / service):
        stopped = read_stopped(models, service)
        if alias not in stopped:
            _write(models / service, {**stopped, alias: stop})


def resume_arm(models: Path, service: str, alias: str) -> Stop:
    """Let a stopped arm have its units again; return why it had been stopped.

    Raises:
        ServiceError: It is not stopped.
    """
    with _changing(models / service):
        stopped = read_stopped(models, service)
        if alias not in stopped:
            raise ServiceError(f"{service}: {alias} is not stopped; stopped are {', '.join(stopped) or 'none'}.")
        stop = stopped.pop(alias)
        _write(models / service, stopped)
    return stop


def _write(folder: Path, stopped: dict[str, Stop]) -> None:
    text = json.dumps({alias: asdict(stop) for alias, stop in stopped.items()}, indent=2)
    write_whole(folder / STOPPED, text + "\n", durable=True)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    with one_at_a_time(folder / ".stopped.lock", f"{folder.name}: an arm is being stopped or resumed"):
        yield
