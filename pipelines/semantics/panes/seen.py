"""Which event ids have been counted, as far back as an event may still come again (rule 6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.semantics.panes.memory import NIL, Ints
from workspace.compiled import compiled

_OWNER, _TIME, _ID = range(3)


class Seen:
    """Event ids by entity, with the events' times.

    Attributes:
        table: int64 (places, 2 + words): the entity, `NIL` for none; the event's time; its id.
        used: Entries in use.
    """

    def __init__(self, id_words: int) -> None:
        """Start with no ids."""
        self.table = _empty(64, id_words)
        self.used = 0

    def note(self, entity: Ints, ts: Ints, ids: Ints, settled: int) -> npt.NDArray[np.bool_]:
        """Say of each event whether its id is new, and note it; an id that comes twice is new once.

        Ids of events before `settled` are forgotten: no event of that time comes any more.
        """
        if (self.used + len(ts)) * 5 > len(self.table) * 3:
            kept = self.table[(self.table[:, _OWNER] != NIL) & (self.table[:, _TIME] >= settled)]
            size = 1 << max(6, int(np.ceil(np.log2((len(kept) + len(ts)) * 2.5 + 1))))
            self.table = _empty(size, self.table.shape[1] - _ID)
            again = np.empty(len(kept), np.bool_)
            _note(self.table, kept[:, _OWNER].copy(), kept[:, _TIME].copy(), kept[:, _ID:].copy(), again)
            self.used = len(kept)
        new = np.empty(len(ts), np.bool_)
        _note(self.table, entity, ts, ids, new)
        self.used += int(new.sum())
        return new

    def restore(self, table: Ints) -> None:
        """Go on from what was saved."""
        self.table, self.used = table, int((table[:, _OWNER] != NIL).sum())

    def widen(self, words: int) -> None:
        """Take ids of more words from now on."""
        self.table = pad_ids(self.table, words - (self.table.shape[1] - _ID))
        kept = self.table[self.table[:, _OWNER] != NIL]
        self.table = _empty(len(self.table), words)
        _note(
            self.table,
            kept[:, _OWNER].copy(),
            kept[:, _TIME].copy(),
            kept[:, _ID:].copy(),
            np.empty(len(kept), np.bool_),
        )


def pad_ids(ids: Ints, more: int) -> Ints:
    """Return ids with more words at their end; a shorter text still comes before a longer one that begins like it."""
    return np.concatenate([ids, np.full((len(ids), more), np.iinfo(np.int64).min)], axis=1)


def _empty(size: int, id_words: int) -> Ints:
    table = np.zeros((size, _ID + id_words), np.int64)
    table[:, _OWNER] = NIL
    return table


@compiled
def _note(table: Ints, entity: Ints, ts: Ints, ids: Ints, new: npt.NDArray[np.bool_]) -> None:
    size, words = len(table), ids.shape[1]
    for i in range(len(ts)):
        mixed = np.uint64(entity[i]) * np.uint64(0x9E3779B97F4A7C15)
        for word in range(words):
            mixed = (mixed ^ np.uint64(ids[i, word])) * np.uint64(0xFF51AFD7ED558CCD)
            mixed ^= mixed >> np.uint64(32)
        at = np.int64(mixed & np.uint64(size - 1))
        new[i] = True
        while table[at, _OWNER] != NIL:
            if table[at, _OWNER] == entity[i]:
                same = True
                for word in range(words):
                    same = same and table[at, _ID + word] == ids[i, word]
                if same:
                    new[i] = False
                    break
            at = (at + 1) & (size - 1)
        if new[i]:
            table[at, _OWNER], table[at, _TIME] = entity[i], ts[i]
            for word in range(words):
                table[at, _ID + word] = ids[i, word]
