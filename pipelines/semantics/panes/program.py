"""Compiles the features of a view into arrays of numbers that the kernel follows.

A *track* is a window: it cuts time into panes of its slide and keeps, for each entity, the panes inside. A *cell* is what a
pane holds of a column: a count, an exact sum, the largest value. Features that need the same cell share it. A column may be a
*derived* one, made of others before the kernel sees it. The sessions of
one gap are a track too, whose panes are sessions; a session feature also has its cells in the window, for a session that is
longer than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.aggregators.counting import CountBy
from pipelines.semantics.aggregators.decayed import DecayedCount, DecayedSum
from pipelines.semantics.aggregators.patterns import Matches
from pipelines.semantics.aggregators.positions import FirstN
from pipelines.semantics.aggregators.sketches import ApproxQuantile
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.derived import Derived
from pipelines.semantics.panes.exact import PARTS
from pipelines.semantics.panes.inputs import Inputs

Ints = npt.NDArray[np.int64]

# What a cell holds.
EVENTS, VALUES, TOTAL, EXACT, SQUARES, LARGEST, SMALLEST, FIRST, MATCHING = range(9)
DECAYED, DECAYED_COUNT, DISTINCT, TOPS, BUCKETS, REGISTERS = range(9, 15)

# What a feature makes of its places a to d, or of a ring.
(
    COUNT, INTEGER, REAL, MEAN, MEAN_INTEGER, ANY, ALL, VARIANCE, STD,
    EXTREME, EARLIEST, LATEST, DURATION, QUANTILE, ESTIMATE, AGED, MATCHED, LATEST_N, EARLIEST_N, TOP_N,
) = range(20)  # fmt: skip

NONE, NEVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max

# Columns of the arrays below.
C_TRACK, C_WHAT, C_COLUMN, C_INT, C_REAL, C_NUMBER, C_IS_REAL, C_ARGUMENT = range(8)
F_OP, F_TRACK, F_SESSION, F_RING, F_MOST, F_LIST, F_COLUMN, F_A, F_B, F_C, F_D = range(11)
F_SA, F_SB, F_SC, F_SD, F_IS_REAL, F_NUMBER = range(11, 17)
QUANTILES = 1_000_000  # a quantile is so many millionths
SLOTS = 4  # a feature's places in a pane, and as many in a session
T_SIZE, T_SLIDE, T_GROUP, T_FIRST, T_FEATURE = range(5)
R_GROUP, R_COLUMN, R_LENGTH, R_AT = range(4)
S_TIMES, S_NEW, S_WITHIN = range(3)


@dataclass(frozen=True, slots=True)
class Program:
    """A view's features, as tables of numbers.

    Attributes:
        columns: The input columns. Behind them come the derived ones; the event times are one more, the last.
        derived: Columns made of these.
        texts: The texts that features name, by column; they are numbered before all others.
        tracks: int64 (tracks + 1, 5): size (of a session, its gap), slide, the group whose events it takes, its first cell, its
            first feature.
            Windows first, then sessions; the last row only ends the cells and features.
        cells: int64 (cells, 8).
        features: int64 (features, 17), by track; each has the number that it has in the view.
        rings: int64 (rings, 4): group, column, length, where it starts in an entity's words.
        groups: int64 (groups,): the slide at whose multiples events enter; 0 where they enter as time passes them.
        steps: int64 (steps, 3), of patterns: times, the ring of values that must be new (-1 for none), within how long.
        windows: How many tracks are windows.
        delay: The view's delay, microseconds.
        aligned: Whether events enter at multiples of the slide (rule 2).
        ints, reals, chains, tables, firsts, tallies: How many of each a pane has at most.
        slots: Words that an entity's rings hold.
        lists: Words that an entity's lists hold.
    """

    columns: tuple[str, ...]
    derived: tuple[Derived, ...]
    texts: Mapping[str, tuple[str, ...]]
    tracks: Ints
    cells: Ints
    features: Ints
    rings: Ints
    groups: Ints
    steps: Ints
    windows: int
    delay: int
    aligned: bool
    ints: int
    reals: int
    chains: int
    tables: int
    firsts: int
    tallies: int
    slots: int
    lists: int

    @property
    def sessions(self) -> int:
        """Return how many tracks are sessions."""
        return len(self.tracks) - 1 - self.windows


@dataclass(slots=True)
class _Track:
    size: int
    slide: int
    group: int
    cells: dict[tuple[int, int, int], tuple[int, int, int]] = field(default_factory=dict)
    ints: int = 0
    reals: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    tallies: int = 0

    def cell(self, what: int, column: int, argument: int = 0) -> tuple[int, int, int]:
        """Return the places of a cell among the track's integers and reals, and its number among its like."""
        if (what, column, argument) not in self.cells:
            like = LARGEST if what == SMALLEST else min(what, DISTINCT)
            self.cells[what, column, argument] = self.ints, self.reals, self.numbers.get(like, 0)
            self.numbers[like] = self.numbers.get(like, 0) + (argument if what == FIRST else 1)
            self.ints += 2 * argument if what == FIRST else {REGISTERS: 3, DECAYED: 2, DECAYED_COUNT: 2}.get(what, 1)
            self.tallies += what > DISTINCT
            self.reals += PARTS if what in (EXACT, SQUARES, DECAYED, DECAYED_COUNT) else 0
        return self.cells[what, column, argument]


def compile_features(features: Sequence[Feature], kinds: Mapping[str, pa.DataType]) -> Program:
    """Return the program of a view's features.

    Args:
        features: The features; all have the same delay and alignment.
        kinds: The types of the input columns.
    """
    inputs = Inputs(tuple(dict.fromkeys(name for f in features for name in f.inputs)), kinds)
    own = [inputs.column_of(feature) for feature in features]
    time, real = inputs.time, inputs.real
    first = features[0].window
    groups = sorted({f.window.slide for f in features}) if first.aligned else [0]
    windows: dict[tuple[int, int], _Track] = {}
    sessions: dict[int, _Track] = {}
    rings: dict[tuple[int, int], int] = {}
    rows: list[list[int]] = []
    steps: list[list[int]] = []
    lists = 0
    for feature, place in zip(features, own, strict=True):
        window = feature.window
        column = time if place is None else place
        group = groups.index(window.slide) if first.aligned else 0
        track = windows.setdefault((window.size, window.slide), _Track(window.size, window.slide, group))
        track.cell(EVENTS, time)
        op, *of_window = _cells(feature, track, column, inputs)
        of_session = [0] * SLOTS
        if feature.gap is not None:
            session = sessions.setdefault(feature.gap, _Track(feature.gap, 0, 0))
            session.cell(EVENTS, time)
            _, *of_session = _cells(feature, session, column, inputs)
        most, ring = getattr(feature.aggregator, "n", 1), -1
        if op in (LATEST, LATEST_N, DURATION, AGED, MATCHED):
            of = time if op == AGED else column
            rings[group, of] = max(rings.get((group, of), 0), most)
            ring = list(rings).index((group, of))
        if isinstance(feature.aggregator, Matches):
            of_window = [len(steps), len(feature.aggregator.steps), 0, 0]
            for step in feature.aggregator.steps:
                beside = (group, -1 if step.new is None else inputs.whole(step.new))
                if step.new is not None:
                    rings[beside] = max(rings.get(beside, 0), most)
                steps.append([step.times, -1 if step.new is None else list(rings).index(beside), step.within])
        kept = most if op >= LATEST_N else 0
        at = list(windows).index((window.size, window.slide))
        gap = -1 if feature.gap is None else list(sessions).index(feature.gap)
        rows.append([op, at, gap, ring, kept, lists, column, *of_window, *of_session, int(real[column]), len(rows)])
        lists += kept
    for row in rows:
        row[F_SESSION] += len(windows) if row[F_SESSION] >= 0 else 0
    tracks = [*windows.values(), *sessions.values()]
    rows.sort(key=lambda row: row[F_TRACK])
    table, cells = _tables(tracks, real)
    table[:, T_FEATURE] = np.searchsorted([row[F_TRACK] for row in rows], np.arange(len(table)))
    return Program(
        inputs.plain,
        tuple(inputs.derived),
        {name: tuple(texts) for name, texts in inputs.texts.items()},
        table,
        cells,
        np.array(rows, np.int64),
        _rings(rings),
        np.array(groups, np.int64),
        np.array(steps, np.int64).reshape(-1, 3),
        len(windows),
        first.delay,
        first.aligned,
        max(t.ints for t in tracks),
        max(t.reals for t in tracks),
        max(t.numbers.get(LARGEST, 0) for t in tracks),
        max(t.numbers.get(DISTINCT, 0) for t in tracks),
        max(t.numbers.get(FIRST, 0) for t in tracks),
        max(t.tallies for t in tracks),
        sum(rings.values()),
        lists,
    )


def lists_of(program: Program) -> list[int]:
    """Return where the list of each feature starts among an entity's lists."""
    return [int(at) for _, at in sorted(program.features[:, [F_NUMBER, F_LIST]].tolist())]


def _cells(feature: Feature, track: _Track, column: int, inputs: Inputs) -> tuple[int, int, int, int, int]:
    """Return what a feature makes of its cells, and their places; what it needs is entered into the track."""
    what, real = feature.aggregator.cells, inputs.real[column]
    if isinstance(feature.aggregator, CountBy):
        word = inputs.word_of(column, feature.aggregator.value)
        return COUNT, track.cell(MATCHING, column, word)[0], 0, 0, 0
    if what == "count":
        return COUNT, track.cell(EVENTS if feature.column is None else VALUES, column)[0], 0, 0, 0
    if what == "count_distinct":
        return COUNT, track.cell(DISTINCT, column)[0], 0, 0, 0
    if what == "sum" and not real:
        return INTEGER, track.cell(TOTAL, column)[0], 0, 0, 0
    if what == "sum":
        beyond, total, _ = track.cell(EXACT, column)
        return REAL, total, beyond, 0, 0
    if what == "mean" and not real:
        return MEAN_INTEGER, track.cell(VALUES, column)[0], track.cell(TOTAL, column)[0], 0, 0
    if what == "mean":
        beyond, total, _ = track.cell(EXACT, column)
        return MEAN, track.cell(VALUES, column)[0], total, beyond, 0
    if what in ("any", "all"):
        places = track.cell(VALUES, column)[0], track.cell(TOTAL, column)[0]
        return ANY if what == "any" else ALL, *places, 0, 0
    if what in ("variance", "std"):
        values, total = track.cell(VALUES, column)[0], track.cell(EXACT, column)[1]
        beyond, squares, _ = track.cell(SQUARES, column)
        return STD if what == "std" else VARIANCE, values, total, squares, beyond
    if what in ("min", "max"):
        place, _, chain = track.cell(LARGEST if what == "max" else SMALLEST, column)
        return EXTREME, place, chain, 1 if what == "max" else -1, 0
    if what == "last":
        return LATEST, 0, 0, 0, 0
    if what == "last_n":
        return LATEST_N, 0, 0, 0, 0
    if isinstance(feature.aggregator, DecayedSum | DecayedCount):
        half_life = feature.aggregator.half_life
        cell = DECAYED if what == "decayed_sum" else DECAYED_COUNT
        return AGED, *track.cell(cell, column, half_life)[:2], half_life, 0
    if what == "matches":
        return MATCHED, 0, 0, 0, 0
    if what == "top_k":
        return TOP_N, track.cell(TOPS, column)[0], 0, 0, 0
    if what == "approx_count_distinct":
        return ESTIMATE, track.cell(REGISTERS, column)[0], 0, 0, 0
    if isinstance(feature.aggregator, ApproxQuantile):
        return QUANTILE, track.cell(BUCKETS, column)[0], int(feature.aggregator.q * QUANTILES), 0, 0
    if isinstance(feature.aggregator, FirstN):
        return EARLIEST_N, track.cell(FIRST, column, feature.aggregator.n)[0], 0, 0, 0
    return DURATION if what == "duration" else EARLIEST, track.cell(FIRST, column, 1)[0], 0, 0, 0


def _tables(tracks: Sequence[_Track], real: Sequence[bool]) -> tuple[Ints, Ints]:
    table: list[list[int]] = []
    cells: list[list[int]] = []
    for at, track in enumerate(tracks):
        table.append([track.size, track.slide, track.group, len(cells), 0])
        for (what, column, argument), (place, reals, number) in track.cells.items():
            cells.append([at, what, column, place, reals, number, int(real[column]), argument])
    table.append([0, 0, 0, len(cells), 0])
    return np.array(table, np.int64), np.array(cells, np.int64)


def _rings(rings: Mapping[tuple[int, int], int]) -> Ints:
    rows, at = [], 0
    for (group, column), length in rings.items():
        rows.append([group, column, length, at])
        at += length
    return np.array(rows, np.int64).reshape(-1, 4)
