"""Puts dead letters back on their topics, once what was wrong with them is mended. `make replay-dead-letters`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from commands.plan import read_plans
from commands.settings import SettingError
from commands.table import show_table
from pipelines.arrange import times
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.dead_letters import DeadLetter, DeadLetterError, parse_letter, read_letters
from pipelines.stream.intake import find_faults, system_clock
from pipelines.stream.transport.base import EventPublisher
from pipelines.stream.transport.decoding import decode_events
from pipelines.stream.transport.open import open_publisher, transport_address
from pipelines.stream.transport.rejected import CODES
from workspace.workspace import Workspace

MARKS = "replayed"
"""The file in the log's folder that says which letters were put back, one identity a line."""

OUTCOMES = ("put back", "before", "still wrong", "in the lake")
_AT_ONCE = 10_000


@dataclass(slots=True)
class Replayed:
    """What became of the letters.

    Attributes:
        counts: Letters by topic, reason and outcome.
        examples: One letter that is still wrong, by topic and reason, and why.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, letter: DeadLetter, outcome: str, why: str = "") -> None:
        """Count one letter."""
        self.counts[letter.topic, letter.code, outcome] += 1
        if why:
            self.examples.setdefault((letter.topic, letter.code), why)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table: topic, reason, and a number for each of `OUTCOMES`."""
        those = sorted({(topic, code) for topic, code, _ in self.counts})
        return [(t, c or "-", *(f"{self.counts[t, c, outcome]:,}" for outcome in OUTCOMES)) for t, c in those]


def replay_letters(
    letters: Iterable[DeadLetter],
    tables: Mapping[str, tuple[EventTable, Sequence[str]]],
    publisher: EventPublisher,
    marks: Path,
    *,
    late: bool,
    now: int,
) -> Replayed:
    """Publish the letters that are events now, and mark them; those marked before are passed over.

    Args:
        letters: The letters, some perhaps twice.
        tables: By topic, the table and the columns that an event must have.
        publisher: Where to.
        marks: The file of marks; it is made.
        late: Whether late events go back as well: they are in the lake already, and would only be late again.
        now: The clock, microseconds: what is further ahead than the source's skew is still of the future.

    Raises:
        TransportUnavailable: The broker does not answer; what was published until then is marked.
    """
    done = set(marks.read_text().split()) if marks.is_file() else set()
    seen: set[str] = set()
    found = Replayed()
    waiting: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        if letter.identity in seen:
            continue
        seen.add(letter.identity)
        if letter.identity in done:
            found.note(letter, "before")
        elif letter.code == "late" and not late:
            found.note(letter, "in the lake")
        elif letter.topic not in tables:
            found.note(letter, "still wrong", f"no view reads topic {letter.topic}; it is one of {', '.join(tables)}.")
        else:
            waiting.setdefault(letter.topic, []).append(letter)
    for topic, those in waiting.items():
        table, required = tables[topic]
        for start in range(0, len(those), _AT_ONCE):
            good, events = _mended(those[start : start + _AT_ONCE], table, required, now, found)
            publisher.publish(table, events)
            _mark(marks, good)
            for letter in good:
                found.note(letter, "put back")
    return found


def _mended(
    letters: Sequence[DeadLetter], table: EventTable, required: Sequence[str], now: int, found: Replayed
) -> tuple[list[DeadLetter], pa.Table]:
    """Return the letters that are events, with these; note the others."""
    decoded = decode_events([letter.payload for letter in letters], table)
    for place, one in zip(decoded.rejected_at, decoded.rejected, strict=True):
        found.note(letters[place], "still wrong", one.reason)
    found_faults = find_faults(decoded.table, required, table.timestamp, table.checks.columns)
    faults = {row: why for row, (why, _) in found_faults.items()}
    ts = times(decoded.table[table.timestamp])
    for row in np.flatnonzero(ts > now + table.max_skew).tolist():
        faults.setdefault(row, f"{np.datetime64(int(ts[row]), 'us')} is still in the future")
    for row, why in faults.items():
        found.note(letters[decoded.at[row]], "still wrong", why)
    keep = [row for row in range(len(decoded.table)) if row not in faults]
    return [letters[place] for place in decoded.at[keep]], decoded.table.take(pa.array(keep, pa.int64()))


def _mark(marks: Path, letters: Sequence[DeadLetter]) -> None:
    if letters:
        marks.parent.mkdir(parents=True, exist_ok=True)
        with marks.open("a") as file:
            file.write("".join(f"{letter.identity}\n" for letter in letters))


def topics_of(plans: Sequence[ViewPlan]) -> dict[str, tuple[EventTable, tuple[str, ...]]]:
    """Return each topic's table, and the columns in which its events must have a value."""
    tables: dict[str, tuple[EventTable, tuple[str, ...]]] = {}
    for plan in plans:
        if plan.kind == "stream" and plan.table.topic:
            _, before = tables.get(plan.table.topic, (None, (plan.table.timestamp, plan.table.event_id)))
            tables[plan.table.topic] = plan.table, tuple(dict.fromkeys((*before, *plan.keys)))
    return tables


def read_reasons(text: str | None) -> set[str] | None:
    """Return the codes that REASON names, separated by commas; None for all.

    Raises:
        SettingError: One of them is none.
    """
    codes = set((text or "").replace(",", " ").split())
    unknown = sorted(codes - set(CODES))
    if unknown:
        raise SettingError(f"REASON={', '.join(unknown)}: no such reason; use some of {', '.join(CODES)}.")
    return codes or None


def read_file(file: Path) -> Iterator[DeadLetter]:
    """Yield the letters of a file that somebody edited.

    Raises:
        SettingError: There is no such file, or a line is no letter.
    """
    if not file.is_file():
        raise SettingError(f"FILE={file}: no such file; copy lines of the dead-letter log into one and mend them.")
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.strip():
            try:
                yield parse_letter(line)
            except DeadLetterError as error:
                raise SettingError(f"FILE={file}, line {number}: {error}") from None


def main() -> int:
    """Put back the letters of the log, or of an edited copy FILE=; REASON= picks some. Return 1 if some are still wrong.

    Each letter goes back once. Late events stay, unless REASON=late or FILE= asks for them.
    """
    workspace = Workspace.from_env()
    plans = read_plans(workspace)
    folder, file = workspace.data / "dead_letters", os.environ.get("FILE")
    reasons = read_reasons(os.environ.get("REASON"))
    letters = read_file(Path(file)) if file else read_letters(folder)
    picked = (letter for letter in letters if reasons is None or letter.code in reasons)
    late = bool(file) or (reasons is not None and "late" in reasons)
    found = replay_letters(
        picked,
        topics_of(plans),
        open_publisher(transport_address(plans)),
        folder / MARKS,
        late=late,
        now=system_clock(),
    )
    if not found.counts:
        print(f"no dead letters in {file or folder}.")
        return 0
    show_table(("topic", "reason", *OUTCOMES), found.rows())
    for (topic, code), why in found.examples.items():
        print(f"  {topic}, {code or 'edited'}: {why}")
    wrong = sum(count for (*_, outcome), count in found.counts.items() if outcome == "still wrong")
    if wrong:
        print(f"{wrong:,} are still wrong: mend them in a copy of {folder}/*.jsonl and name it with FILE=.")
    return 1 if wrong else 0
