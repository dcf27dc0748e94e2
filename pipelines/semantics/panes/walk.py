"""Follows entities from one change point to the next: the inner loop of both engines. Compiled.

At each change point of an entity, in the order of time, panes and sessions end, events enter, and the features that this
touches are looked at. A row is given where a value, or whether there is anything at all, differs (rule 3).
"""

from __future__ import annotations

from pipelines.semantics.panes.cells import event_at, row_at
from pipelines.semantics.panes.memory import (
    D_COUNT,
    D_CURSOR,
    D_EVENT_WORDS,
    D_JOB,
    D_LEAVES,
    D_MADE,
    D_MADE_COUNT,
    D_MADE_ROOM,
    D_ROOM,
    D_ROW,
    D_ROW_WORDS,
    D_TOUCHED,
    E_GIVEN,
    E_LOOKED,
    E_SOME,
    FEATURE_WORDS,
    H_DELAY,
    H_FEATURE,
    H_FEATURES,
    H_GROUP,
    H_GROUPS,
    H_PANE,
    H_RING,
    H_RINGS,
    H_SESSIONS,
    H_TRACK,
    H_VALUE,
    H_VALUE_WORDS,
    H_WINDOWS,
    J_ENTITY,
    J_FIRST,
    J_LAST,
    J_SINCE,
    J_UNTIL,
    JOB_WORDS,
    MADE_WORDS,
    NIL,
    P_AFTER,
    P_NUMBER,
    RING_WORDS,
    ROW_ENTITY,
    ROW_T,
    ROW_VALUES,
    TRACK_WORDS,
    Ints,
    Reals,
)
from pipelines.semantics.panes.program import F_SESSION, F_TRACK, NEVER, R_GROUP, T_GROUP
from pipelines.semantics.panes.results import refresh
from pipelines.semantics.panes.rings import enter_ring
from pipelines.semantics.panes.sessions import enter_session, session_ends_at
from pipelines.semantics.panes.windows import enter_window, entity_at, head_at, leave_window, leaves_at
from workspace.compiled import compiled, inlined


@compiled
def walk(m: Ints, r: Reals, d: Ints, s: Reals, begin: int, end: int, start: int, settled: int, every: bool) -> int:
    """Do the jobs `begin` to `end` and return the first that was not done, because its rows might not have room.

    Args:
        m: The memory's words; they change.
        r: The memory's reals.
        d: The desk's words: events, jobs, and where rows go.
        s: The desk's reals.
        begin: The first job.
        end: The job behind the last.
        start: Rows before this instant are not given.
        settled: The earliest event time that may still come.
        every: Whether to give every row, or each job's last.
    """
    for job in range(begin, end):
        at = d[D_JOB] + job * JOB_WORDS
        if d[D_COUNT] + (_most_rows(m, d, at) if every else 1) > d[D_ROOM]:
            return job
        _follow(m, r, d, s, at, start, settled, every)
    return end


@compiled
def _follow(m: Ints, r: Reals, d: Ints, s: Reals, job: int, start: int, settled: int, every: bool) -> None:
    entity, last, until, here = d[job + J_ENTITY], d[job + J_LAST], d[job + J_UNTIL], d[job + J_SINCE]
    windows, groups, sessions, cursor = m[H_WINDOWS], m[H_GROUPS], m[H_SESSIONS], d[D_CURSOR]
    place = d[D_COUNT]
    for group in range(groups):
        d[cursor + group] = d[job + J_FIRST]
    if groups == 1 and d[cursor] < last and _enters_at(m, 0, _seen_at(d, d[cursor])) <= here:
        while d[cursor] < last and _enters_at(m, 0, _seen_at(d, d[cursor])) <= here:
            _enter(m, r, d, s, entity, 0, d[cursor], here, settled)
            d[cursor] += 1
        _touch_all(m, d, 1)
        m[entity_at(m, entity) + E_LOOKED] = 1
        # an entity of whom nothing is known yet has a row from now on, be its events all gone already (rule 4)
        _look(m, r, d, s, entity, here, place, every, m[entity_at(m, entity) + E_GIVEN] == 0)
    opened = here >= start and m[entity_at(m, entity) + E_LOOKED] != 0
    for track in range(windows):
        d[d[D_LEAVES] + track] = _leaves_next(m, entity, track)
    while True:
        t = NEVER
        for group in range(groups):
            if d[cursor + group] < last:
                t = min(t, _enters_at(m, group, _seen_at(d, d[cursor + group])))
        for track in range(windows):
            t = min(t, d[d[D_LEAVES] + track])
        for session in range(sessions):
            ends = session_ends_at(m, entity, session)
            if ends > here:
                t = min(t, ends)
        if t > until:
            break
        if not opened and t >= start:
            opened = True
            _touch_all(m, d, 1)
            refresh(m, r, d, s, entity, max(here, start - 1))  # rows say what differs from here on
            m[entity_at(m, entity) + E_SOME], m[entity_at(m, entity) + E_LOOKED] = _some(m, entity), 1
        _touch_all(m, d, 0)
        for track in range(windows):
            while d[d[D_LEAVES] + track] <= t:
                leave_window(m, r, entity, track)
                d[d[D_TOUCHED] + track] = 1
                d[d[D_LEAVES] + track] = _leaves_next(m, entity, track)
        for session in range(sessions):
            ends = session_ends_at(m, entity, session)
            if here < ends <= t:
                _touch_session(m, d, windows + session)
        for group in range(groups):
            while d[cursor + group] < last and _enters_at(m, group, _seen_at(d, d[cursor + group])) <= t:
                _enter(m, r, d, s, entity, group, d[cursor + group], t, settled)
                d[cursor + group] += 1
                for track in range(windows):
                    d[d[D_LEAVES] + track] = _leaves_next(m, entity, track)
        here = t
        if opened:
            _look(m, r, d, s, entity, t, place, every, False)


@inlined
def _look(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, t: int, place: int, every: bool, always: bool) -> None:
    """Give a row if something differs from the one before, or `always`; where just the last counts, a job's row is written over."""
    changed = refresh(m, r, d, s, entity, t)
    some, at = _some(m, entity), entity_at(m, entity)
    if not changed and some == m[at + E_SOME] and not always:
        return
    m[at + E_SOME], m[at + E_GIVEN] = some, 1
    if every:
        place = d[D_COUNT]
    row = d[D_ROW] + place * d[D_ROW_WORDS]
    d[row + ROW_ENTITY], d[row + ROW_T] = entity, t
    for word in range(m[H_VALUE_WORDS]):
        d[row + ROW_VALUES + word] = m[at + m[H_VALUE] + word]
    d[D_COUNT] = place + 1


@compiled
def _enter(m: Ints, r: Reals, d: Ints, s: Reals, entity: int, group: int, i: int, now: int, settled: int) -> None:
    for track in range(m[H_WINDOWS]):
        if m[m[H_TRACK] + track * TRACK_WORDS + T_GROUP] == group:
            d[d[D_TOUCHED] + track] = 1
            made = enter_window(m, r, d, s, entity, track, i, now)
            if made != NIL and d[D_MADE_COUNT] < d[D_MADE_ROOM]:
                at = d[D_MADE] + d[D_MADE_COUNT] * MADE_WORDS
                d[at], d[at + 1], d[at + 2] = entity, track, m[row_at(m, H_PANE, made) + P_NUMBER]
                d[D_MADE_COUNT] += 1
    for ring in range(m[H_RINGS]):
        if m[m[H_RING] + ring * RING_WORDS + R_GROUP] == group:
            enter_ring(m, d, entity, ring, i)
    for session in range(m[H_SESSIONS]):
        enter_session(m, r, d, s, entity, session, i, settled)


@inlined
def _seen_at(d: Ints, i: int) -> int:
    """Return the time from which on an event is seen: its own, or a later one where it came late (rule 12)."""
    return d[event_at(d, i) + d[D_EVENT_WORDS] - 1]


@inlined
def _enters_at(m: Ints, group: int, ts: int) -> int:
    slide = m[m[H_GROUP] + group]
    if slide == 0:
        return ts + m[H_DELAY] + 1
    return (ts + m[H_DELAY]) // slide * slide + slide


@inlined
def _leaves_next(m: Ints, entity: int, track: int) -> int:
    """Return when the first pane of a window leaves; never, where there is none."""
    head = m[head_at(m, entity, track)]
    return leaves_at(m, track, m[row_at(m, H_PANE, head) + P_NUMBER]) if head != NIL else NEVER


@inlined
def _touch_all(m: Ints, d: Ints, touched: int) -> None:
    for track in range(m[H_WINDOWS]):
        d[d[D_TOUCHED] + track] = touched


@compiled
def _touch_session(m: Ints, d: Ints, session: int) -> None:
    for f in range(m[H_FEATURES]):
        feature = m[H_FEATURE] + f * FEATURE_WORDS
        if m[feature + F_SESSION] == session:
            d[d[D_TOUCHED] + m[feature + F_TRACK]] = 1


@inlined
def _some(m: Ints, entity: int) -> int:
    for track in range(m[H_WINDOWS]):
        if m[head_at(m, entity, track)] != NIL:
            return 1
    return 0


@compiled
def _most_rows(m: Ints, d: Ints, job: int) -> int:
    """Return how many rows a job can give: one for each event and pane that enters or leaves, and session that ends."""
    windows, sessions = m[H_WINDOWS], m[H_SESSIONS]
    most = 1 + (d[job + J_LAST] - d[job + J_FIRST]) * (m[H_GROUPS] + windows + sessions) + sessions
    for track in range(windows):
        row = m[head_at(m, d[job + J_ENTITY], track)]
        while row != NIL and leaves_at(m, track, m[row_at(m, H_PANE, row) + P_NUMBER]) <= d[job + J_UNTIL]:
            most += 1
            row = m[row_at(m, H_PANE, row) + P_AFTER]
    return most
