"""The memory of a view's state: all of it in one array of words, so that compiled code is handed two numbers, not sixty arrays.

A word is an int64; a real is seen through a second array over the same bytes. The memory begins with a header, which says
where each region starts, then the program, then the regions: entities, panes, sessions, tallies (`tallies.py`), and the table of different values.
What one call of the kernel works on (events, jobs, rows) lies in a second memory, the desk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.semantics.panes.program import Program
from workspace.compiled import compiled

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

NIL = -1
OUTSIDE = -2  # the link of a pane that is not in a chain

# The header of the state.
(
    H_WINDOWS, H_SESSIONS, H_DELAY, H_ALIGNED, H_FEATURES, H_RINGS, H_GROUPS, H_CHAINS, H_TABLES, H_ID_WORDS,
    H_TRACK, H_CELL, H_FEATURE, H_RING, H_GROUP, H_STEP,
    H_ENTITY, H_ENTITY_WORDS, H_ENTITIES,
    H_PANE, H_PANES, H_PANE_FREE, H_PANE_LEFT,
    H_SESSION, H_SESSION_ROWS, H_SESSION_FREE, H_SESSION_LEFT, H_ROW_WORDS,
    H_TALLY, H_TALLIES, H_TALLY_FREE, H_TALLY_LEFT, H_TALLY_WORDS,
    H_TABLE, H_TABLE_ROWS, H_TABLE_USED,
    H_TOTALS, H_TOTAL_WORDS, H_TOTAL_REALS, H_CHAIN, H_RUNNING, H_RING_LENGTH, H_RING_SLOTS, H_VALUE, H_VALUE_WORDS,
    H_ROW_REALS, H_ROW_IDS, H_ROW_CHAIN,
    HEADER,
) = range(49)  # fmt: skip

# An entity's words: whether any window holds an event, whether a row was ever given, whether all its values were
# looked at once, head and tail of each window, then what the header says.
E_SOME, E_GIVEN, E_LOOKED, E_HEAD = range(4)

# A pane's or a session's words; what follows the integers is where the header says.
P_NUMBER, P_UNTIL, P_BEFORE, P_AFTER, P_INTS = range(5)

# A region of rows with a list of free ones: places in the header, from its offset on.
R_OFFSET, R_ROWS, R_FREE, R_LEFT = range(4)

# A row of tallies: where the link of a free one is, and where a node's event id is.
TALLY_NEXT, TALLY_IDS = 5, 7

# Words of the program's tables.
TRACK_WORDS, CELL_WORDS, FEATURE_WORDS, RING_WORDS, TABLE_WORDS, STEP_WORDS = 5, 8, 17, 4, 4, 3

# The desk.
(
    D_EVENT,
    D_EVENT_WORDS,
    D_JOB,
    D_ROW,
    D_ROW_WORDS,
    D_ROOM,
    D_COUNT,
    D_MADE,
    D_MADE_ROOM,
    D_MADE_COUNT,
    D_CURSOR,
    D_TOUCHED,
    D_LEAVES,
    D_SCRATCH,
    DESK,
) = range(15)
JOB_WORDS, MADE_WORDS = 5, 3
J_ENTITY, J_FIRST, J_LAST, J_SINCE, J_UNTIL = range(5)
ROW_ENTITY, ROW_T, ROW_VALUES = range(3)


class Memory:
    """The state of a view's entities.

    Attributes:
        words: int64, everything.
        reals: float64, the same bytes.
        program: The features.
    """

    def __init__(self, program: Program, id_words: int = 1) -> None:
        """Lay out an empty memory; event ids have so many words."""
        self.program = program
        tables = [
            program.tracks,
            program.cells,
            program.features,
            program.rings,
            program.groups.reshape(-1, 1),
            program.steps,
        ]
        header = np.zeros(HEADER, np.int64)
        at = HEADER
        for place, table in zip((H_TRACK, H_CELL, H_FEATURE, H_RING, H_GROUP, H_STEP), tables, strict=True):
            header[place] = at
            at += table.size
        header[H_WINDOWS], header[H_SESSIONS] = program.windows, program.sessions
        header[H_DELAY], header[H_ALIGNED] = program.delay, int(program.aligned)
        header[H_FEATURES], header[H_RINGS], header[H_GROUPS] = (
            len(program.features),
            len(program.rings),
            len(program.groups),
        )
        header[H_CHAINS], header[H_TABLES], header[H_ID_WORDS] = program.chains, program.tables, id_words
        _lay_out_rows(header, program, id_words)
        header[[H_PANE_FREE, H_SESSION_FREE]] = NIL
        header[[H_ENTITY, H_PANE, H_SESSION, H_TALLY, H_TABLE]] = at
        self.words = np.concatenate([header, *(table.ravel() for table in tables)])
        self.reals = self.words.view(np.float64)

    def region(self, place: int, width: int) -> Ints:
        """Return the rows of a region, (rows, width); a view, good until the memory grows."""
        offset, rows = int(self.words[place]), int(self.words[place + (2 if place == H_ENTITY else 1)])
        return self.words[offset : offset + rows * width].reshape(rows, width)

    @property
    def entities(self) -> Ints:
        """Return the rows of entities."""
        return self.region(H_ENTITY, int(self.words[H_ENTITY_WORDS]))

    @property
    def panes(self) -> Ints:
        """Return the rows of panes."""
        return self.region(H_PANE, int(self.words[H_ROW_WORDS]))

    @property
    def sessions(self) -> Ints:
        """Return the rows of sessions."""
        return self.region(H_SESSION, int(self.words[H_ROW_WORDS]))

    @property
    def tallies(self) -> Ints:
        """Return the rows of tallies; links to them count from 1."""
        return self.region(H_TALLY, int(self.words[H_TALLY_WORDS]))

    @property
    def table(self) -> Ints:
        """Return the rows of the table of different values: owner (`NIL` for none), value, and where it was last."""
        return self.region(H_TABLE, TABLE_WORDS)

    def make_room(
        self, entities: int, panes: int, sessions: int, values: int, keep: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """See to it that there are so many entities, and room for so many more panes, sessions and different values.

        `keep` says which places of the table still matter, when it has to be copied.
        """
        words = self.words
        more_entities = _more(entities - int(words[H_ENTITIES]), int(words[H_ENTITIES]))
        more_panes = _more(panes - int(words[H_PANE_LEFT]), int(words[H_PANES]))
        more_sessions = _more(sessions - int(words[H_SESSION_LEFT]), int(words[H_SESSION_ROWS]))
        more_tallies = _more(2 * panes * self.program.tallies - int(words[H_TALLY_LEFT]), int(words[H_TALLIES]))
        table, more_rows = self.table, more_entities + more_panes + more_sessions + more_tallies
        if self.program.tables and (int(words[H_TABLE_USED]) + values) * 5 > len(table) * 3:
            table = _bigger(table, values, keep)
            used = int((table[:, 0] != NIL).sum())
            if len(table) == len(self.table) and more_rows == 0:
                self.table[:] = table
                words[H_TABLE_USED] = used
                return
        elif more_rows == 0:
            return
        else:
            used = int(words[H_TABLE_USED])
        width, rows = int(words[H_ENTITY_WORDS]), int(words[H_ROW_WORDS])
        fresh = np.zeros((more_entities, width), np.int64)
        fresh[:, E_HEAD : int(words[H_TOTALS])] = NIL
        fresh[:, int(words[H_CHAIN]) : int(words[H_RING_LENGTH])] = NIL
        self._join(
            words[: int(words[H_ENTITY])],
            [self.entities, fresh],
            [self.panes, np.zeros((more_panes, rows), np.int64)],
            [self.sessions, np.zeros((more_sessions, rows), np.int64)],
            [self.tallies, np.zeros((more_tallies, int(words[H_TALLY_WORDS])), np.int64)],
            table,
        )
        self.words[H_TABLE_USED] = used
        _free_rows(self.words, H_PANE, more_panes)
        _free_rows(self.words, H_SESSION, more_sessions)
        if more_tallies:
            links = self.tallies[-more_tallies:, TALLY_NEXT]
            links[:] = np.arange(int(self.words[H_TALLIES]) - more_tallies + 2, int(self.words[H_TALLIES]) + 2)
            links[-1] = self.words[H_TALLY_FREE]
            self.words[H_TALLY_FREE] = int(self.words[H_TALLIES]) - more_tallies + 1
            self.words[H_TALLY_LEFT] += more_tallies

    def widen(self, id_words: int) -> None:
        """Take event ids of more words from now on; a shorter text still comes before a longer one that begins like it."""
        old, more = self.words, id_words - int(self.words[H_ID_WORDS])
        program = self.program
        entities = _padded(self.entities, int(old[H_RING_SLOTS]), program.slots, 2 + int(old[H_ID_WORDS]), more)
        panes, sessions = (
            _padded(rows, int(old[H_ROW_IDS]), program.firsts, int(old[H_ID_WORDS]), more)
            for rows in (self.panes, self.sessions)
        )
        tallies = _padded(self.tallies, TALLY_IDS, 1, int(old[H_ID_WORDS]), more)
        header = old[: int(old[H_ENTITY])].copy()
        header[H_ID_WORDS] = id_words
        _lay_out_rows(header, program, id_words)
        self._join(header, [entities], [panes], [sessions], [tallies], self.table)

    def _join(
        self,
        header: Ints,
        entities: list[Ints],
        panes: list[Ints],
        sessions: list[Ints],
        tallies: list[Ints],
        table: Ints,
    ) -> None:
        """Make one memory of its parts."""
        parts = [header, *(part.ravel() for part in (*entities, *panes, *sessions, *tallies, table))]
        joined = np.concatenate(parts)
        at = len(header)
        regions = (H_ENTITY, entities), (H_PANE, panes), (H_SESSION, sessions), (H_TALLY, tallies), (H_TABLE, [table])
        for place, of in regions:
            joined[place] = at
            joined[place + (2 if place == H_ENTITY else 1)] = sum(map(len, of))
            at += sum(part.size for part in of)
        self.words, self.reals = joined, joined.view(np.float64)


def _padded(rows: Ints, at: int, count: int, width: int, more: int) -> Ints:
    """Return rows whose `count` entries from `at` on end in event ids, with more words for each id."""
    entries = rows[:, at : at + count * width].reshape(len(rows), count, width)
    wider = np.full((len(rows), count, width + more), np.iinfo(np.int64).min, np.int64)
    wider[:, :, :width] = entries
    return np.concatenate(
        [rows[:, :at], wider.reshape(len(rows), count * (width + more)), rows[:, at + count * width :]], axis=1
    )


def _lay_out_rows(header: Ints, program: Program, id_words: int) -> None:
    """Say in the header where the parts of entities, panes and sessions are."""
    windows, features = program.windows, len(program.features)
    header[H_TOTAL_WORDS] = program.ints + program.reals
    header[H_TOTAL_REALS] = program.ints
    header[H_TOTALS] = E_HEAD + 2 * windows
    header[H_CHAIN] = header[H_TOTALS] + windows * header[H_TOTAL_WORDS]
    header[H_RUNNING] = header[H_CHAIN] + 2 * windows * program.chains
    header[H_RING_LENGTH] = header[H_RUNNING] + 2 * program.sessions
    header[H_RING_SLOTS] = header[H_RING_LENGTH] + len(program.rings)
    header[H_VALUE] = header[H_RING_SLOTS] + program.slots * (2 + id_words)
    header[H_VALUE_WORDS] = 2 * features + (features + program.lists if program.lists else 0)
    header[H_ENTITY_WORDS] = header[H_VALUE] + header[H_VALUE_WORDS]
    header[H_ROW_REALS] = P_INTS + program.ints
    header[H_ROW_IDS] = header[H_ROW_REALS] + program.reals
    header[H_ROW_CHAIN] = header[H_ROW_IDS] + program.firsts * id_words
    header[H_ROW_WORDS] = header[H_ROW_CHAIN] + 2 * program.chains
    header[H_TALLY_WORDS] = TALLY_IDS + id_words


def _more(wanted: int, have: int) -> int:
    return max(wanted, have, 64) if wanted > 0 else 0


def _free_rows(words: Ints, region: int, more: int) -> None:
    """Link new rows at a region's end into its list of free ones."""
    if not more:
        return
    width, have = int(words[H_ROW_WORDS]), int(words[region + R_ROWS]) - more
    after = words[int(words[region]) : int(words[region]) + (have + more) * width].reshape(-1, width)[have:, P_AFTER]
    after[:] = np.arange(have + 1, have + more + 1)
    after[-1] = words[region + R_FREE]
    words[region + R_FREE] = have
    words[region + R_LEFT] += more


def _bigger(table: Ints, values: int, keep: npt.NDArray[np.bool_] | None) -> Ints:
    kept = table[(table[:, 0] != NIL) & (True if keep is None else keep)]
    size = 1 << max(6, int(np.ceil(np.log2(max((len(kept) + 2 * values) * 2.5, 1)))))
    fresh = np.zeros((size, TABLE_WORDS), np.int64)
    fresh[:, 0] = NIL
    _refill(fresh, kept)
    return fresh


@compiled
def place_of(owner: int, value: int, words: Ints, offset: int, rows: int) -> int:
    """Return where the entry of an owner's value is in the table, or where it would go: the offset of its first word."""
    mixed = (np.uint64(owner) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(value)
    mixed *= np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(32)
    at = np.int64(mixed & np.uint64(rows - 1))
    while True:
        here = offset + at * TABLE_WORDS
        if words[here] == NIL or (words[here] == owner and words[here + 1] == value):
            return int(here)
        at = (at + 1) & (rows - 1)


@compiled
def _refill(table: Ints, entries: Ints) -> None:
    flat = table.reshape(table.size)
    for row in range(len(entries)):
        here = place_of(entries[row, 0], entries[row, 1], flat, 0, len(table))
        for word in range(TABLE_WORDS):
            flat[here + word] = entries[row, word]
