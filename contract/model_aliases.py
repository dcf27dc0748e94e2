"""Names versions of a service's model by alias, and remembers which ones were champion.

```text
<models>/<service>/CURRENT         text: the champion's version (contract.model_file)
<models>/<service>/ALIASES.json    JSON object {alias: version}: the others; absent where there are none
<models>/<service>/HISTORY         one line a change of champion: time (ISO 8601, UTC), action, version, why; tabs between
```

Each file is replaced in one step, so a reader sees the old names or the new ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from contract.model_file import CURRENT, FILE, ModelFileError, current_version, set_current
from workspace.files import write_whole
from workspace.one_at_a_time import one_at_a_time

CHAMPION: Final = "champion"
ALIASES, HISTORY = "ALIASES.json", "HISTORY"
ALIAS: Final = re.compile(r"[a-z][a-z0-9_]*")
"""What an alias looks like; it becomes part of a column's name."""

Action = Literal["promoted", "rolled-back"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history: a version became champion.

    Attributes:
        at: When, aware.
        action: `promoted`, or `rolled-back` where it was champion before.
        version: The version that became champion.
        why: Who, or what for.
    """

    at: datetime
    action: Action
    version: str
    why: str


def read_aliases(models: Path, service: str) -> dict[str, str]:
    """Return the versions by alias, the champion first.

    Raises:
        ModelFileError: There is no champion, or the file of aliases holds something else.
    """
    return {CHAMPION: current_version(models, service), **_others(models / service)}


def set_alias(models: Path, service: str, alias: str, version: str) -> None:
    """Name a saved version.

    Raises:
        ModelFileError: There is no such version, or the alias cannot be used.
        HeldError: Another process changes the names.
    """
    if alias == CHAMPION:
        raise ModelFileError(f"{service}: {CHAMPION} is set by `make promote SERVICE={service} VERSION={version}`.")
    if not ALIAS.fullmatch(alias):
        raise ModelFileError(
            f"{service}: {alias!r} is no alias; write small letters, digits and _, such as challenger."
        )
    folder = models / service
    _require_version(folder, version)
    with _changing(folder):
        _write_others(folder, {**_others(folder), alias: version})


def drop_alias(models: Path, service: str, alias: str) -> None:
    """Forget an alias; the version stays.

    Raises:
        ModelFileError: There is no such alias.
        HeldError: Another process changes the names.
    """
    folder = models / service
    with _changing(folder):
        others = _others(folder)
        if alias not in others:
            raise ModelFileError(f"{service}: has no alias {alias}; there are {', '.join(others) or 'none'}.")
        del others[alias]
        _write_others(folder, others)


def promote(models: Path, service: str, version: str, why: str, now: datetime) -> None:
    """Make a saved version the champion; readers see it from one moment to the next. Nothing changes if it is already.

    Raises:
        ModelFileError: There is no such version.
        HeldError: Another process changes the names.
    """
    folder = models / service
    _require_version(folder, version)
    with _changing(folder):
        stack = _stack(models, service)
        if stack[-1:] != [version]:
            _make_champion(models, service, Change(now, "promoted", version, why), stack)


def previous_champion(models: Path, service: str) -> str:
    """Return the version that a rollback would make champion.

    Raises:
        ModelFileError: None is known.
    """
    stack = _stack(models, service)
    if len(stack) < 2:
        raise ModelFileError(f"{service}: no champion before the present one is known; promote a version by name.")
    return stack[-2]


def rollback(models: Path, service: str, why: str, now: datetime) -> str:
    """Make the champion of before the last promotion champion again, and return its version; repeated, go further back.

    Raises:
        ModelFileError: There was none, or its file is gone.
        HeldError: Another process changes the names.
    """
    folder = models / service
    with _changing(folder):
        version = previous_champion(models, service)
        _require_version(folder, version)
        _make_champion(models, service, Change(now, "rolled-back", version, why), _stack(models, service))
    return version


def read_history(models: Path, service: str) -> list[Change]:
    """Return every change of champion, oldest first.

    Raises:
        ModelFileError: A line is not one.
    """
    path = models / service / HISTORY
    changes = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        parts = line.split("\t", 3)
        if len(parts) < 4 or parts[1] not in ("promoted", "rolled-back"):
            raise ModelFileError(f"{path}: the line {line!r} is not time, action, version and why; remove it.")
        action: Action = "promoted" if parts[1] == "promoted" else "rolled-back"
        changes.append(Change(datetime.fromisoformat(parts[0]), action, parts[2], parts[3]))
    return changes


def _stack(models: Path, service: str) -> list[str]:
    """Return the champions that a rollback may come back to, the present one last, however it was set."""
    stack: list[str] = []
    for change in read_history(models, service):
        if change.action == "promoted":
            stack.append(change.version)
        else:
            while stack and stack[-1] != change.version:
                stack.pop()
    if (models / service / CURRENT).is_file() and stack[-1:] != [current_version(models, service)]:
        stack.append(current_version(models, service))
    return stack


def _make_champion(models: Path, service: str, change: Change, stack: list[str]) -> None:
    """Note the change, and before it a champion that was set without a note; then make it."""
    changes = read_history(models, service)
    noted = [one.version for one in changes]
    if stack and noted[-1:] != stack[-1:]:
        changes.append(Change(change.at, "promoted", stack[-1], "found as champion"))
    lines = [
        "\t".join((one.at.astimezone(UTC).isoformat(), one.action, one.version, " ".join(one.why.split())))
        for one in [*changes, change]
    ]
    write_whole(models / service / HISTORY, "\n".join(lines) + "\n", durable=True)
    set_current(models, service, change.version)


def _others(folder: Path) -> dict[str, str]:
    path = folder / ALIASES
    try:
        given = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path}: is not JSON ({error}); write an object of alias and version.") from None
    if not isinstance(given, dict) or not all(isinstance(one, str) and one == Path(one).name for one in given.values()):
        raise ModelFileError(f"{path}: write an object of alias and version, both texts.")
    return given


def _write_others(folder: Path, others: dict[str, str]) -> None:
    write_whole(folder / ALIASES, json.dumps(others, indent=2) + "\n", durable=True)


def _require_version(folder: Path, version: str) -> None:
    if version != Path(version).name or not (folder / version / FILE).is_file():
        known = sorted(path.parent.name for path in folder.glob(f"*/{FILE}"))
        raise ModelFileError(
            f"{folder.name}: there is no version {version}; there are {', '.join(known[-5:]) or 'none, run `make train`'}."
        )


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    with one_at_a_time(folder / ".aliases.lock", f"{folder.name}: its models are being named"):
        yield
