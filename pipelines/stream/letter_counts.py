"""Counts dead letters by topic and reason, again and again, reading only what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.stream.dead_letters import DeadLetterError, parse_letter


@dataclass(frozen=True, slots=True)
class LetterCount:
    """The letters of one topic and reason: how many, and when the latest came, ISO 8601."""

    count: int = 0
    latest: str = ""


class LetterCounts:
    """The letters of a log; one that a restart wrote a second time counts once."""

    def __init__(self, folder: Path) -> None:
        """Note where the log is; nothing is read yet."""
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._seen: set[int] = set()
        self._counts: dict[tuple[str, str], LetterCount] = {}

    def read(self) -> Mapping[tuple[str, str], LetterCount]:
        """Return the counts by topic and reason, after reading what was added."""
        for file in sorted(self._folder.glob("*.jsonl")):
            start = self._read.get(file, 0)
            if file.stat().st_size < start:  # somebody emptied it
                start = 0
            with file.open("rb") as lines:
                lines.seek(start)
                for line in lines:
                    if not line.endswith(b"\n"):
                        break  # it is being written
                    start += len(line)
                    self._count(line.decode("utf-8", "replace"))
            self._read[file] = start
        return self._counts

    def _count(self, line: str) -> None:
        try:
            letter = parse_letter(line)
        except DeadLetterError:
            return
        known = hash(letter.identity)
        if known in self._seen:
            return
        self._seen.add(known)
        before = self._counts.get((letter.topic, letter.code), LetterCount())
        self._counts[letter.topic, letter.code] = LetterCount(before.count + 1, max(before.latest, letter.at))
