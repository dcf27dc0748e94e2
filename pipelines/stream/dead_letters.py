"""The dead-letter log: events that could not be used, one line of JSON each, with the reason.

A line says `at` (when it was rejected), `topic`, `partition`, `offset`, `code` (one of `rejected.CODES`), `reason` (the same for
people) and `event` (the payload, or `event_base64` where it is no text). A restart may write a line a second time: it has
the same topic, partition and offset.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote


class DeadLetterError(ValueError):
    """A line that is no dead letter; the message says which, and what one looks like."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One rejected event.

    Attributes:
        at: When it was rejected, ISO 8601.
        topic: Where it came from.
        partition: The topic's partition.
        offset: Where it lies there; empty where that is not known.
        code: Why it was rejected, one of `rejected.CODES`.
        reason: The same for people.
        payload: The event as it came.
    """

    at: str
    topic: str
    partition: int
    offset: str
    code: str
    reason: str
    payload: bytes

    @property
    def identity(self) -> str:
        """Return what tells this letter from others, edited ones of the same event included; a line written twice has one."""
        place = json.dumps([self.topic, self.partition, self.offset or self.at])
        return hashlib.sha256(place.encode() + b"\0" + self.payload).hexdigest()[:32]

    def line(self) -> str:
        """Return the letter as a line of the log, with its end."""
        fields: dict[str, Any] = {
            "at": self.at,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "code": self.code,
            "reason": self.reason,
        }
        try:
            fields["event"] = self.payload.decode()
        except UnicodeDecodeError:
            fields["event_base64"] = base64.b64encode(self.payload).decode()
        return json.dumps(fields) + "\n"


def parse_letter(line: str) -> DeadLetter:
    """Read a line of the log, perhaps edited: of an edited one only `topic` and `event` are needed.

    Raises:
        DeadLetterError: It is none.
    """
    try:
        fields = json.loads(line)
        event = fields.get("event")
        if event is None:
            payload = base64.b64decode(fields["event_base64"], validate=True)
        else:
            payload = (event if isinstance(event, str) else json.dumps(event)).encode()
        return DeadLetter(
            str(fields.get("at", "")),
            str(fields["topic"]),
            int(fields.get("partition", -1)),
            str(fields.get("offset", "")),
            str(fields.get("code", "")),
            str(fields.get("reason", "")),
            payload,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise DeadLetterError(
            f'{line.strip()[:120]!r} is no dead letter; a line is such as {{"topic": "clicks", "event": {{"id": 1}}}}.'
        ) from None


def log_file(folder: Path, topic: str, worker: int) -> Path:
    """Return the file that one worker writes a topic's dead letters to."""
    return folder / f"{quote(topic, safe=' ')}-{worker}.jsonl"


def append_letters(file: Path, letters: Sequence[DeadLetter]) -> None:
    """Append letters to a file: all of them, or, where the disk does not take them, none.

    Raises:
        OSError: They could not be written.
    """
    content = "".join(letter.line() for letter in letters).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    before = os.fstat(log).st_size
    try:
        while content:
            content = content[os.write(log, content) :]
    except OSError:
        os.ftruncate(log, before)
        raise
    finally:
        os.close(log)


def read_letters(folder: Path) -> Iterator[DeadLetter]:
    """Yield all letters of a log, file by file; a line that was cut short by a kill is passed over."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    yield parse_letter(line)
                except DeadLetterError:
                    continue
