"""Processes of one stream begin together, after the first has prepared, whatever an earlier start has left behind."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipelines.stream.meeting import meet


def begin(folder: Path, process: int, processes: int, order: list[str]) -> threading.Thread:
    def run() -> None:
        meet(folder, process, processes, lambda: order.append("prepared"), lambda _: None)
        order.append(f"{process} began")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("first", [0, 1, 2])
def test_nobody_begins_before_the_first_has_prepared_and_all_are_there(tmp_path: Path, first: int) -> None:
    order: list[str] = []
    early = [begin(tmp_path, number, 3, order) for number in range(3) if number != first]
    time.sleep(0.3)
    assert not any("began" in one for one in order)
    late = begin(tmp_path, first, 3, order)
    for thread in (*early, late):
        thread.join(10)
    assert order[0] == "prepared"
    assert sorted(order[1:]) == ["0 began", "1 began", "2 began"]


def test_what_an_earlier_start_has_left_lets_nobody_begin(tmp_path: Path) -> None:
    (tmp_path / "process-0").write_text("old 0")
    (tmp_path / "process-1").write_text("old 1")
    (tmp_path / "begin").write_text('["old 0", "old 1"]')
    order: list[str] = []
    first = begin(tmp_path, 0, 2, order)
    time.sleep(0.3)
    assert order == ["prepared"]
    second = begin(tmp_path, 1, 2, order)
    first.join(10)
    second.join(10)
    assert sorted(order[1:]) == ["0 began", "1 began"]


def test_a_process_alone_waits_for_nobody(tmp_path: Path) -> None:
    order: list[str] = []
    begin(tmp_path, 0, 1, order).join(10)
    assert order == ["prepared", "0 began"]
