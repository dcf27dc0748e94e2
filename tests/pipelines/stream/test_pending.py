"""Events that wait: given when they are due, each once, whatever lies in files, and whenever the process is killed."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.partitioning import partition_of
from pipelines.semantics.reference import Event
from pipelines.stream import pending
from pipelines.stream.pages import KEPT, MissingPagesError
from pipelines.stream.pending import MINUTE, SPAN, Pending
from pipelines.stream.rescale import first_ways
from pipelines.stream.view_parts import SavedPart, ViewParts, add_way
from pipelines.stream.waiting_files import WaitingFile

DAY = 24 * 60 * MINUTE
WEEK = 7 * DAY


def batch(ids: np.ndarray | list[int], ts: np.ndarray | list[int]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "at": pa.array(ts, pa.int64()).cast(pa.timestamp("us", "UTC"))})


def keep(waiting: Pending, events: pa.Table) -> None:
    waiting.add(events, events["at"].cast(pa.int64()).to_numpy())


def taken(waiting: Pending, t: int) -> list[int]:
    """The ids up to a time; what is later in its minute waits again, as in a view."""
    found: list[int] = []
    for table in waiting.take_until(t):
        due = table["at"].cast(pa.int64()).to_numpy() <= t
        found += table.filter(pa.array(due))["id"].to_pylist()
        keep(waiting, table.filter(pa.array(~due)))
    return sorted(found)


step = st.fixed_dictionaries(
    {
        "ts": st.lists(st.integers(0, 3 * 60 * 2), max_size=8),  # half minutes
        "forward": st.sampled_from([0, MINUTE // 3, MINUTE, 7 * MINUTE, SPAN, 3 * SPAN]),
        "then": st.sampled_from(["", "", "save", "killed"]),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, max_size=25), st.sampled_from([0, 100, 2_000]))
def test_files_give_what_memory_gives_whenever_it_is_killed(
    tmp_path: Path, steps: list[dict[str, Any]], buffered: int
) -> None:
    folder = Path(mkdtemp(dir=tmp_path)) / "part"

    def take(waiting: Pending, number: int, until: int) -> list[int]:
        ts = [max(t * MINUTE // 2, until + 1) for t in steps[number]["ts"]]
        keep(waiting, batch([100 * number + n for n in range(len(ts))], ts))
        return taken(waiting, until + steps[number]["forward"])

    untils = np.cumsum([0, *(one["forward"] for one in steps)]).tolist()
    memory = Pending("at", until=0)
    expected = [take(memory, number, untils[number]) for number in range(len(steps))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending, "BUFFERED", buffered)
        waiting = Pending("at", folder, until=0)
        kept, begin, found = pickle.dumps(waiting.held()), 0, [[]] * len(steps)
        kills = [number for number, one in enumerate(steps) if one["then"] == "killed"]
        number = 0
        while number < len(steps):
            found[number] = take(waiting, number, untils[number])
            number += 1
            if steps[number - 1]["then"] == "save":
                waiting.put_aside()
                kept, begin = pickle.dumps(waiting.held()), number
            elif number - 1 in kills:
                kills.remove(number - 1)  # each once: what came since the snapshot comes again
                waiting, number = Pending("at", folder, pickle.loads(kept), untils[begin]), begin
        assert found == expected
        assert taken(waiting, DAY) == taken(memory, DAY)
        assert len(waiting) == len(memory) == 0


def test_a_restart_in_the_middle_of_a_file_gives_only_what_was_left(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pending, "BUFFERED", 0)
    waiting = Pending("at", tmp_path / "part", until=0)
    keep(waiting, batch([1, 2], [3 * SPAN, 3 * SPAN + 5 * MINUTE]))
    assert taken(waiting, 3 * SPAN + 2 * MINUTE) == [1]
    waiting.put_aside()
    again = Pending("at", tmp_path / "part", waiting.held(), 3 * SPAN + 2 * MINUTE)
    assert taken(again, 4 * SPAN) == [2]


def test_memory_is_bounded_while_a_week_of_events_waits(tmp_path: Path) -> None:
    waiting, memory, sizes = Pending("at", tmp_path / "part"), Pending("at"), []
    for hour in range(7 * 24):
        ts = np.arange(4_000) * (60 * MINUTE // 4_000) + hour * 60 * MINUTE
        events = batch(np.arange(len(ts)) + hour * len(ts), ts + WEEK)
        for one in (waiting, memory):
            one.take_until(int(ts[0]))
            keep(one, events)
        if hour % 12 == 11:
            waiting.put_aside()
            sizes.append(len(pickle.dumps(waiting.held())))
            assert waiting.nbytes < 2 * pending.BUFFERED
    assert len(waiting) == len(memory) == 7 * 24 * 4_000
    assert max(sizes) < 2 * pending.BUFFERED < memory.nbytes / 2
    assert taken(waiting, 2 * WEEK) == list(range(7 * 24 * 4_000))


def test_a_file_stays_unchanged_and_for_as_many_saves_as_pages_do(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pending, "BUFFERED", 0)
    waiting = Pending("at", tmp_path / "part", until=0)
    keep(waiting, batch([1], [10 * SPAN]))
    waiting.put_aside()
    (file,) = (tmp_path / "part").glob("*.waiting")
    content = file.read_bytes()
    keep(waiting, batch([2], [10 * SPAN]))
    waiting.put_aside()
    assert file.read_bytes() == content
    assert taken(waiting, 11 * SPAN) == [1, 2]
    for _ in range(KEPT):
        waiting.put_aside()
        assert file.is_file()
    waiting.put_aside()
    assert not list((tmp_path / "part").iterdir())


def test_a_full_disk_is_waited_for_and_nothing_is_lost(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pending, "BUFFERED", 0)
    (tmp_path / "part").write_text("in the way")
    waiting = Pending("at", tmp_path / "part", until=0)
    keep(waiting, batch([1], [10 * SPAN]))
    with pytest.raises(OSError, match="part"):
        waiting.put_aside()
    (tmp_path / "part").unlink()
    waiting.put_aside()
    again = Pending("at", tmp_path / "part", waiting.held(), 0)
    assert taken(again, 11 * SPAN) == taken(waiting, 11 * SPAN) == [1]


def test_a_file_that_is_gone_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(MissingPagesError, match=r"1\.waiting: gone, .*FRESH=1"):
        Pending("at", tmp_path / "part", (WaitingFile("part", "1.waiting", 0, 1),))


def test_another_number_of_shards_shares_out_what_waits_in_files(lab: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pending, "BUFFERED", 0)
    plan = lab.plan([lab.feature("sum", "whole", 10 * MINUTE, MINUTE, DAY)])
    blank = {"money": None, "word": None, "flag": None}
    events = lab.table([(f"user {n % 13}", Event(n * MINUTE, n, blank | {"whole": n})) for n in range(90)])
    nows = [30 * MINUTE, 60 * MINUTE, DAY + 45 * MINUTE, DAY + 200 * MINUTE]
    alone = ViewParts(plan, None, "alone", (), first_ways(1, 0))
    parts: list[SavedPart] = []
    expected, found = [], []
    for number, shards in enumerate([2, 3, 1, 1]):
        some = events.slice(number * 30, 30)
        expected += rows_of(alone.advance(some, nows[number]))
        before, parts = parts, []
        for shard in range(shards):
            ways = [(part, add_way(part.ways, shards, shard)) for part in before]
            mine = [SavedPart(way, part.view, part.kept, part.folder) for part, way in ways if way is not None]
            view = ViewParts(plan, tmp_path, f"view-{number}-{shard}", mine, first_ways(shards, shard))
            here = partition_of([some["user"]], shards) == shard
            found += rows_of(view.advance(some.filter(pa.array(here)), nows[number]))
            parts += view.save(lambda write: write())
        assert any(isinstance(one, WaitingFile) for part in parts for one in part.view.pending) == (number < 3)
        for folder in tmp_path.glob(f"view-{number - 1}-*"):  # as when the number changes once more
            shutil.rmtree(folder)
        parts = pickle.loads(pickle.dumps(parts))
    assert sorted(found) == sorted(expected)
    assert len(found) > 20


def rows_of(table: pa.Table | None) -> list[str]:
    return [] if table is None else [str(row) for row in table.to_pylist()]


def test_a_shard_finds_its_files_again_in_the_same_folder(lab: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(pending, "BUFFERED", 0)
    plan = lab.plan([lab.feature("sum", "whole", 10 * MINUTE, MINUTE, DAY)])
    blank = {"money": None, "word": None, "flag": None}
    events = lab.table([(f"user {n % 5}", Event(n * MINUTE, n, blank | {"whole": n})) for n in range(60)])
    memory = ViewParts(plan, None, "view", (), first_ways(1, 0))
    view = ViewParts(plan, tmp_path, "view", (), first_ways(1, 0))
    empty = events.slice(0, 0)
    for now, some in [(MINUTE, events), (DAY + 25 * MINUTE, empty), (DAY + 45 * MINUTE, empty), (2 * DAY, empty)]:
        assert sorted(rows_of(view.advance(some, now))) == sorted(rows_of(memory.advance(some, now)))
        saved = pickle.loads(pickle.dumps(view.save(lambda write: write())))
        view = ViewParts(plan, tmp_path, "view", saved, first_ways(1, 0))
