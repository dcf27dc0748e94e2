"""What one call of the kernel works on: events, jobs, and room for the rows that it gives and the panes that it makes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.semantics.panes.memory import (
    D_COUNT,
    D_CURSOR,
    D_EVENT,
    D_EVENT_WORDS,
    D_JOB,
    D_LEAVES,
    D_MADE,
    D_MADE_COUNT,
    D_MADE_ROOM,
    D_ROOM,
    D_ROW,
    D_ROW_WORDS,
    D_SCRATCH,
    D_TOUCHED,
    DESK,
    H_VALUE_WORDS,
    MADE_WORDS,
    ROW_VALUES,
    Ints,
    Memory,
)
from pipelines.semantics.panes.program import Program


class Desk:
    """Events, jobs and rows.

    Attributes:
        words: int64, everything.
        reals: float64, the same bytes.
    """

    def __init__(self, memory: Memory, events: Ints, jobs: Ints, room: int, made: int) -> None:
        """Lay out a desk.

        Args:
            memory: The state that is worked on.
            events: int64 (n, words), see `events_of`.
            jobs: int64 (n, 5): entity; its first event and the one behind its last; the instant up to which it has been
                followed; the instant up to which to follow it, itself included.
            room: Rows to make room for.
            made: New panes to make room for.
        """
        program = memory.program
        row_words = ROW_VALUES + int(memory.words[H_VALUE_WORDS])
        header = np.zeros(DESK, np.int64)
        header[D_EVENT_WORDS], header[D_ROW_WORDS] = events.shape[1], row_words
        header[D_ROOM], header[D_MADE_ROOM] = room, made
        at = DESK
        for place, size in (
            (D_CURSOR, len(program.groups)),
            (D_TOUCHED, program.windows),
            (D_LEAVES, program.windows),
            (D_SCRATCH, 1),
            (D_EVENT, events.size),
            (D_JOB, jobs.size),
            (D_MADE, made * MADE_WORDS),
            (D_ROW, room * row_words),
        ):
            header[place] = at
            at += size
        self.words = np.empty(at, np.int64)
        self.words[:DESK] = header
        self.words[header[D_EVENT] : header[D_EVENT] + events.size] = events.ravel()
        self.words[header[D_JOB] : header[D_JOB] + jobs.size] = jobs.ravel()
        self.reals = self.words.view(np.float64)

    def rows(self) -> Ints:
        """Return the rows given, (n, words): entity, time, values, which are valid, lengths of lists, lists."""
        width, at = int(self.words[D_ROW_WORDS]), int(self.words[D_ROW])
        return self.words[at : at + int(self.words[D_COUNT]) * width].reshape(-1, width)

    def made(self) -> Ints:
        """Return the panes made, (n, 3): entity, track, number."""
        at = int(self.words[D_MADE])
        return self.words[at : at + int(self.words[D_MADE_COUNT]) * MADE_WORDS].reshape(-1, MADE_WORDS)

    def clear(self) -> None:
        """Forget the rows given."""
        self.words[[D_COUNT, D_MADE_COUNT]] = 0


def events_of(
    program: Program,
    ts: Ints,
    ids: Ints,
    columns: list[tuple[Ints, npt.NDArray[np.bool_]]],
    seen: Ints | None = None,
) -> Ints:
    """Return events by (entity, time seen, id) as the kernel reads them: time, id, then word and validity of each column, and
    at the end the time from which on it is seen.

    Args:
        program: The features.
        ts: int64 (n,), microseconds.
        ids: int64 (n, id words), in the order of the ids.
        columns: Words and validity of each of the program's columns.
        seen: int64 (n,), microseconds, the time from which on each is seen (rule 12); None for its own.
    """
    width = ids.shape[1]
    events = np.empty((len(ts), 2 + width + 2 * (len(columns) + 1)), np.int64)
    events[:, 0] = ts
    events[:, 1 : 1 + width] = ids
    for at, (words, valid) in enumerate([*columns, (ts, np.ones(len(ts), np.bool_))]):
        events[:, 1 + width + 2 * at] = words
        events[:, 2 + width + 2 * at] = valid
    events[:, -1] = ts if seen is None else seen
    return events
