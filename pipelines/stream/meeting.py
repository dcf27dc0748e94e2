"""Lets the processes of one stream begin together: the first prepares what they share, and none goes on before all have seen it.

They meet in a folder that all of them have. Each brings a word of its own, made for this start; the first notes them once it has
prepared, and who finds its word noted goes on. What an earlier start left there says nothing to anybody.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workspace.files import write_whole

LOOK: Final = 0.05
"""Seconds between two looks at the folder."""


def meet(folder: Path, process: int, processes: int, prepare: Callable[[], None], say: Callable[[str], None]) -> None:
    """Return when this process and all others may begin.

    Args:
        folder: Where they meet.
        process: Which one this is, from 0; the first runs `prepare`.
        processes: How many there are.
        prepare: Makes ready what they share.
        say: Tells a line, where somebody has to be waited for.
    """
    if process == 0:
        (folder / "begin").unlink(missing_ok=True)
        prepare()
    if processes == 1:
        return
    word = uuid.uuid4().hex
    write_whole(folder / f"process-{process}", word)
    told = False
    while True:
        if process == 0:
            words = [_read(folder / f"process-{number}") for number in range(processes)]
            if all(words):
                write_whole(folder / "begin", json.dumps(words))
        noted = json.loads(_read(folder / "begin") or "[]")
        if len(noted) == processes and noted[process] == word and (process or _all_went(folder, noted)):
            (folder / f"process-{process}").unlink(missing_ok=True)
            return
        if not told:
            say(f"waiting for the other processes, {processes} in all")
            told = True
        time.sleep(LOOK)


def _all_went(folder: Path, noted: list[str]) -> bool:
    """Say whether each of the others has found the word that is noted: it takes its own away then."""
    return all(_read(folder / f"process-{number}") is None for number in range(1, len(noted)))


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
