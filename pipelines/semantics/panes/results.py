"""The values of an entity's features at an instant, from its panes. Compiled."""

from __future__ import annotations

import math

import numpy as np

from pipelines.semantics.aggregators.patterns import Matches
from pipelines.semantics.aggregators.sketches import HIGHEST_RANK, REGISTER_BITS
from pipelines.semantics.panes import exact
from pipelines.semantics.panes.aging import aged_to
from pipelines.semantics.panes.cells import row_at, word_of_key
from pipelines.semantics.panes.derived import BUCKET_SHIFT
from pipelines.semantics.panes.matching import count_matches
from pipelines.semantics.panes.memory import (
    D_SCRATCH,
    D_TOUCHED,
    FEATURE_WORDS,
    H_ALIGNED,
    H_DELAY,
    H_FEATURE,
    H_FEATURES,
    H_PANE,
    H_RING_LENGTH,
    H_ROW_REALS,
    H_SESSION,
    H_TOTAL_REALS,
    H_TRACK,
    H_VALUE,
    H_WINDOWS,
    NIL,
    OUTSIDE,
    P_AFTER,
    P_INTS,
    P_NUMBER,
    P_UNTIL,
    TRACK_WORDS,
    Ints,
    Reals,
)
from pipelines.semantics.panes.program import (
    AGED,
    ALL,
    ANY,
    COUNT,
    DURATION,
    EARLIEST,
    ESTIMATE,
    EXTREME,
    F_A,
    F_B,
    F_C,
    F_IS_REAL,
    F_LIST,
    F_MOST,
    F_NUMBER,
    F_OP,
    F_RING,
    F_SA,
    F_SESSION,
    F_TRACK,
    INTEGER,
    LATEST,
    LATEST_N,
    MATCHED,
    MEAN,
    MEAN_INTEGER,
    NEVER,
    NONE,
    QUANTILE,
    QUANTILES,
    REAL,
    STD,
    T_FEATURE,
    T_SIZE,
    T_SLIDE,
    TOP_N,
)
from pipelines.semantics.panes.rings import slot_words, slots_at
from pipelines.semantics.panes.sessions import running_at
from pipelines.semantics.panes.trees import N_WORD, next_frequent, tally_at, tree_sum, word_at_place
from pipelines.semantics.panes.windows import chain_at, entity_at, head_at, totals_at
from workspace.compiled import compiled, inlined

BUCKET_BITS = 52 - BUCKET_SHIFT
_LN2 = math.log(2.0)
MOST_EVENTS = Matches.n


@compiled
def refresh(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, t: int) -> bool:
    """Bring the values of the features of touched tracks up to `t`; say whether one of them changed (rule 3)."""
    changed = False
    for track in range(m[H_WINDOWS]):
        if d[d[D_TOUCHED] + track]:
            at = m[H_TRACK] + track * TRACK_WORDS + T_FEATURE
            for f in range(m[at], m[at + TRACK_WORDS]):
                changed |= _refresh_feature(m, r, d, s, entity, m[H_FEATURE] + f * FEATURE_WORDS, t)
    return changed


@inlined
def _refresh_feature(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, feature: int, t: int) -> bool:
    if m[feature + F_OP] >= LATEST_N:
        return _refresh_list(m, entity, feature, t)
    valid, word = _value(m, r, d, s, entity, feature, t)
    at = entity_at(m, entity) + m[H_VALUE] + m[feature + F_NUMBER]
    if valid != (m[at + m[H_FEATURES]] != 0) or (valid and word != m[at]):
        m[at], m[at + m[H_FEATURES]] = word, 1 if valid else 0
        return True
    return False


@inlined
def _starts_at(m: Ints, track: int, t: int) -> int:
    """Return the earliest event time that is inside a window at `t`."""
    at = m[H_TRACK] + track * TRACK_WORDS
    size, slide = m[at + T_SIZE], m[at + T_SLIDE]
    if m[H_ALIGNED]:
        return t // slide * slide - m[H_DELAY] - size
    return (t - m[H_DELAY] - size) // slide * slide


@inlined
def _running(m: Ints, entity: int, feature: int, t: int) -> int:
    """Return a feature's running session; `NIL` where there is none, `OUTSIDE` where it is longer than the window."""
    session = m[feature + F_SESSION]
    row = m[running_at(m, entity, session - m[H_WINDOWS]) + 1]
    gap = m[m[H_TRACK] + session * TRACK_WORDS + T_SIZE]
    if row == NIL or t - m[H_DELAY] - m[row_at(m, H_SESSION, row) + P_UNTIL] >= gap:
        return NIL
    return OUTSIDE if m[row_at(m, H_SESSION, row) + P_NUMBER] < _starts_at(m, m[feature + F_TRACK], t) else row


@inlined
def _value(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, feature: int, t: int) -> tuple[bool, int]:
    row = OUTSIDE if m[feature + F_SESSION] == NIL else _running(m, entity, feature, t)
    if row == OUTSIDE:  # what is inside is the window's
        return _of_window(m, r, d, s, entity, feature, t)
    op = m[feature + F_OP]
    if row == NIL:
        return op == COUNT or op == INTEGER or op == REAL, 0
    at = row_at(m, H_SESSION, row)
    ints = at + P_INTS
    if op == EXTREME:
        key = m[ints + m[feature + F_SA]]
        return key != NONE, word_of_key(key, m[feature + F_IS_REAL], m[feature + F_C] < 0)
    if op == EARLIEST:
        return m[ints + m[feature + F_SA] + 1] != NEVER, m[ints + m[feature + F_SA]]
    if op == LATEST or op == DURATION:
        valid, last = _latest(m, entity, m[feature + F_RING], m[at + P_NUMBER])
        if op == DURATION and valid:
            return True, _bits(d, s, (last - m[ints + m[feature + F_SA]]) / 1e6)
        return valid, last
    return _of_cells(m, r, d, s, op, feature + F_SA, ints, at + m[H_ROW_REALS])


@inlined
def _of_window(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, feature: int, t: int) -> tuple[bool, int]:
    op, track = m[feature + F_OP], m[feature + F_TRACK]
    if op <= STD:
        totals = totals_at(m, entity, track)
        return _of_cells(m, r, d, s, op, feature + F_A, totals, totals + m[H_TOTAL_REALS])
    if op == EXTREME:
        row = m[chain_at(m, entity, track, m[feature + F_B])]
        if row == NIL:
            return False, 0
        key = m[row_at(m, H_PANE, row) + P_INTS + m[feature + F_A]]
        return True, word_of_key(key, m[feature + F_IS_REAL], m[feature + F_C] < 0)
    if op == LATEST:
        return _latest(m, entity, m[feature + F_RING], _starts_at(m, track, t))
    if op == MATCHED:
        start, steps = _starts_at(m, track, t), m[feature + F_B]
        return True, count_matches(m, entity, m[feature + F_RING], start, MOST_EVENTS, m[feature + F_A], steps)
    if op == AGED:
        return _aged(m, r, d, s, entity, feature, t)
    if op >= QUANTILE:
        return _of_tallies(m, d, s, op, feature, totals_at(m, entity, track) + m[feature + F_A])
    valid, first = _earliest(m, m[head_at(m, entity, track)], m[feature + F_A])
    if op == DURATION:
        _, last = _latest(m, entity, m[feature + F_RING], _starts_at(m, track, t))
        return valid, _bits(d, s, (last - first) / 1e6)
    return valid, first


@compiled
def _aged(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, feature: int, t: int) -> tuple[bool, int]:
    """Return a decayed sum as of the latest event in the window."""
    track, ring = m[feature + F_TRACK], m[feature + F_RING]
    totals, length = totals_at(m, entity, track), m[entity_at(m, entity) + m[H_RING_LENGTH] + ring]
    slot = slots_at(m, entity, ring) + (length - 1) * slot_words(m)
    if length == 0 or m[slot] < _starts_at(m, track, t):
        return True, 0
    base, sum_at = totals + m[feature + F_A], totals + m[H_TOTAL_REALS] + m[feature + F_B]
    return m[base] == 0, _bits(d, s, aged_to(m, r, base + 1, sum_at, m[slot], m[feature + F_C]))


@compiled
def _of_tallies(m: Ints, d: Ints, s: Reals, op: int, feature: int, root: int) -> tuple[bool, int]:
    if op == ESTIMATE:
        return True, _estimate(m[root + 1], m[root + 2])
    count = tree_sum(m, root)
    if count == 0:
        return False, 0
    bucket = word_at_place(m, root, m[feature + F_B] * (count - 1) // QUANTILES)
    magnitude = bucket if bucket >= 0 else ~bucket
    if magnitude >> BUCKET_BITS == 0:
        return True, 0
    word = (magnitude << BUCKET_SHIFT) | (1 << (BUCKET_SHIFT - 1))
    return True, word if bucket >= 0 else word | NONE


@inlined
def _estimate(used: int, harmonic: int) -> int:
    """Return how many different values there are; the formula is that of `aggregators/sketches.py`."""
    if used == 0:
        return 0
    registers = float(1 << REGISTER_BITS)
    x = (registers - used) / registers
    y, sigma, before = 1.0, x, -1.0
    while sigma != before:
        x, before = x * x, sigma
        sigma, y = sigma + x * y, y + y
    scaled = harmonic / float(1 << HIGHEST_RANK)
    return int(registers * registers / (2 * _LN2) / (registers * sigma + scaled) + 0.5)


@inlined
def _of_cells(m: Ints, r: Reals, d: Ints, s: Reals, op: int, places: int, ints: int, reals: int) -> tuple[bool, int]:
    """Return what adds up; the four `places` are as `program._cells` gives them."""
    first = ints + m[places]
    if op == COUNT or op == INTEGER:
        return True, m[first]
    if op == REAL:
        return m[ints + m[places + 1]] == 0, _bits(d, s, exact.rounded(r, reals + m[places]))
    count = m[first]
    if op == MEAN_INTEGER:
        return count > 0, _bits(d, s, m[ints + m[places + 1]] / max(count, 1))
    if op == MEAN:
        valid = count > 0 and m[ints + m[places + 2]] == 0
        return valid, _bits(d, s, exact.rounded(r, reals + m[places + 1]) / max(count, 1))
    if op == ANY or op == ALL:
        true = m[ints + m[places + 1]]
        return count > 0, 1 if true == count or (op == ANY and true > 0) else 0
    if count < 2 or m[ints + m[places + 3]] > 0:
        return False, 0
    variance = exact.variance(r, reals + m[places + 1], reals + m[places + 2], count)
    return True, _bits(d, s, np.sqrt(variance) if op == STD else variance)


@inlined
def _bits(d: Ints, s: Reals, x: float) -> int:
    """Return the bits of a real; -0.0 is 0.0."""
    s[d[D_SCRATCH]] = x + 0.0
    return d[d[D_SCRATCH]]


@compiled
def _earliest(m: Ints, row: int, place: int) -> tuple[bool, int]:
    while row != NIL:
        at = row_at(m, H_PANE, row)
        if m[at + P_INTS + place + 1] != NEVER:
            return True, m[at + P_INTS + place]
        row = m[at + P_AFTER]
    return False, 0


@inlined
def _latest(m: Ints, entity: int, ring: int, start: int) -> tuple[bool, int]:
    length = m[entity_at(m, entity) + m[H_RING_LENGTH] + ring]
    slot = slots_at(m, entity, ring) + (length - 1) * slot_words(m)
    if length == 0 or m[slot] < start:
        return False, 0
    return True, m[slot + 1]


@compiled
def _refresh_list(m: Ints, entity: int, feature: int, t: int) -> bool:
    """Bring a list up to `t`; say whether it changed."""
    values, features = entity_at(m, entity) + m[H_VALUE], m[H_FEATURES]
    length_at, place = values + 2 * features + m[feature + F_NUMBER], values + 3 * features + m[feature + F_LIST]
    row = OUTSIDE if m[feature + F_SESSION] == NIL else _running(m, entity, feature, t)
    length, changed = 0, False
    if row == NIL:
        pass
    elif m[feature + F_OP] == LATEST_N:
        start = _starts_at(m, m[feature + F_TRACK], t) if row == OUTSIDE else m[row_at(m, H_SESSION, row) + P_NUMBER]
        length, changed = _latest_n(m, entity, feature, start, place)
    elif m[feature + F_OP] == TOP_N:
        length, changed = _top_n(m, feature, totals_at(m, entity, m[feature + F_TRACK]) + m[feature + F_A], place)
    elif row == OUTSIDE:
        row = m[head_at(m, entity, m[feature + F_TRACK])]
        while row != NIL and length < m[feature + F_MOST]:
            at = row_at(m, H_PANE, row)
            length, changed = _earliest_n(m, feature, at + P_INTS + m[feature + F_A], place, length, changed)
            row = m[at + P_AFTER]
    else:
        at = row_at(m, H_SESSION, row) + P_INTS + m[feature + F_SA]
        length, changed = _earliest_n(m, feature, at, place, length, changed)
    changed |= length != m[length_at]
    m[length_at] = length
    return changed


@inlined
def _latest_n(m: Ints, entity: int, feature: int, start: int, place: int) -> tuple[int, bool]:
    """List the latest values from `start` on; return how many there are, and whether one is another than before."""
    ring, width = m[feature + F_RING], slot_words(m)
    length, at = m[entity_at(m, entity) + m[H_RING_LENGTH] + ring], slots_at(m, entity, ring)
    first, changed = max(0, length - m[feature + F_MOST]), False
    while first < length and m[at + first * width] < start:
        first += 1
    for slot in range(first, length):
        word = m[at + slot * width + 1]
        if m[place + slot - first] != word:
            m[place + slot - first] = word
            changed = True
    return length - first, changed


@inlined
def _earliest_n(m: Ints, feature: int, at: int, place: int, length: int, changed: bool) -> tuple[int, bool]:
    """List a pane's earliest values behind those that are there; return how many there are, and whether one is another."""
    most, slot = m[feature + F_MOST], 0
    while slot < most and length < most and m[at + 2 * slot + 1] != NEVER:
        word = m[at + 2 * slot]
        if m[place + length] != word:
            m[place + length] = word
            changed = True
        slot += 1
        length += 1
    return length, changed


@inlined
def _top_n(m: Ints, feature: int, root: int, place: int) -> tuple[int, bool]:
    """List the most frequent values; return how many there are, and whether one is another than before."""
    length, changed = 0, False
    link = next_frequent(m, root, 0)
    while link != 0 and length < m[feature + F_MOST]:
        word = m[tally_at(m, link) + N_WORD]
        if m[place + length] != word:
            m[place + length] = word
            changed = True
        length += 1
        link = next_frequent(m, root, link)
    return length, changed
