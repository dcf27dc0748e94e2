"""The latest values of an entity, by (time, id), as many as any feature wants. Compiled.

A slot of a ring is a time, a value, and the words of an event id.
"""

from __future__ import annotations

from pipelines.semantics.panes.cells import earlier, event_at, word_at
from pipelines.semantics.panes.memory import H_ID_WORDS, H_RING, H_RING_LENGTH, H_RING_SLOTS, RING_WORDS, Ints
from pipelines.semantics.panes.program import R_AT, R_COLUMN, R_LENGTH
from pipelines.semantics.panes.windows import entity_at
from workspace.compiled import compiled, inlined


@inlined
def slots_at(m: Ints, entity: int, ring: int) -> int:
    """Return where an entity's ring starts."""
    slots = m[m[H_RING] + ring * RING_WORDS + R_AT]
    return entity_at(m, entity) + m[H_RING_SLOTS] + slots * slot_words(m)


@inlined
def slot_words(m: Ints) -> int:
    """Return how many words a slot has."""
    return 2 + m[H_ID_WORDS]


@compiled
def enter_ring(m: Ints, d: Ints, entity: int, ring: int, i: int) -> None:
    """Put event `i` where it belongs; where the ring is full, the earliest value goes."""
    event = event_at(d, i)
    word = word_at(m, event, m[m[H_RING] + ring * RING_WORDS + R_COLUMN])
    if not d[word + 1]:
        return
    most = m[m[H_RING] + ring * RING_WORDS + R_LENGTH]
    length_at = entity_at(m, entity) + m[H_RING_LENGTH] + ring
    at, width, length = slots_at(m, entity, ring), slot_words(m), m[length_at]
    place = length
    while place > 0 and earlier(m, d, event, m[at + (place - 1) * width], at + (place - 1) * width + 2):
        place -= 1
    if length < most:
        for w in range(at + length * width - 1, at + place * width - 1, -1):
            m[w + width] = m[w]
        m[length_at] = length + 1
    elif place == 0:
        return
    else:
        place -= 1
        for w in range(at, at + place * width):
            m[w] = m[w + width]
    slot = at + place * width
    m[slot], m[slot + 1] = d[event], d[word]
    for part in range(m[H_ID_WORDS]):
        m[slot + 2 + part] = d[event + 1 + part]
