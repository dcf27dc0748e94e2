"""How often a pattern is completed by an entity's latest events; the meaning is that of `aggregators/patterns.py`. Compiled."""

from __future__ import annotations

from pipelines.semantics.panes.memory import H_RING_LENGTH, H_STEP, STEP_WORDS, Ints
from pipelines.semantics.panes.program import S_NEW, S_TIMES, S_WITHIN
from pipelines.semantics.panes.rings import slot_words, slots_at
from pipelines.semantics.panes.windows import entity_at
from workspace.compiled import compiled


@compiled
def count_matches(m: Ints, entity: int, ring: int, start: int, most: int, first_step: int, steps: int) -> int:
    """Return how many matches the latest `most` events from `start` on complete."""
    width, at = slot_words(m), slots_at(m, entity, ring)
    length = m[entity_at(m, entity) + m[H_RING_LENGTH] + ring]
    first = max(0, length - most)
    while first < length and m[at + first * width] < start:
        first += 1
    count, begin = 0, first
    while begin < length:
        end = _end(m, entity, ring, first, begin, length, first_step, steps) if m[at + begin * width + 1] & 1 else -1
        if end >= 0:
            count += 1
            begin = end
        begin += 1
    return count


@compiled
def _end(m: Ints, entity: int, ring: int, first: int, begin: int, length: int, first_step: int, steps: int) -> int:
    """Return which slot completes a match that begins at one, -1 for none."""
    width, at = slot_words(m), slots_at(m, entity, ring)
    step, done, since = 0, 0, m[at + begin * width]
    for slot in range(begin, length):
        wanted = m[H_STEP] + (first_step + step) * STEP_WORDS
        ts = m[at + slot * width]
        if m[wanted + S_WITHIN] > 0 and ts - since > m[wanted + S_WITHIN]:
            return -1
        if (m[at + slot * width + 1] >> step) & 1 and _is_new(m, entity, m[wanted + S_NEW], first, slot):
            done += 1
            if done == m[wanted + S_TIMES]:
                step, done, since = step + 1, 0, ts
                if step == steps:
                    return slot
        elif slot == begin:
            return -1
    return -1


@compiled
def _is_new(m: Ints, entity: int, ring: int, first: int, slot: int) -> bool:
    """Say whether no slot before has the same value; without a ring anything is new."""
    if ring < 0:
        return True
    width, at = slot_words(m), slots_at(m, entity, ring)
    other = first
    while other < slot and m[at + other * width + 1] != m[at + slot * width + 1]:
        other += 1
    return other == slot
