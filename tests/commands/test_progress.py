"""What a long step tells: a line a part in a file, and in a terminal a line that is written over."""

from __future__ import annotations

import io
import re
import threading

from commands.progress import Progress


class Terminal(io.StringIO):
    """Keeps what a terminal is told, and notes when it was told something of a kind."""

    def __init__(self, wanted: str = "") -> None:
        super().__init__()
        self.wanted, self.told = wanted, threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.wanted and self.wanted in text:
            self.told.set()
        return written

    def screen(self) -> str:
        """Return what is to be seen in the end."""
        lines = [re.split(r"\r\x1b\[K", line)[-1] for line in self.getvalue().split("\n")]
        return "\n".join(lines)


def test_a_file_gets_a_line_for_each_part_with_what_is_left_and_nothing_else() -> None:
    out = io.StringIO()
    progress = Progress(2, out)
    with progress.watching(lambda: "never asked"):
        progress.now("reading")
        progress.finish("first", 1_234_567, 1.5, days=31)
        progress.finish("second", 8)
    assert out.getvalue() == (
        f"  {'first':24}   1,234,567 rows    31 days     1.5 s  (1 to go)\n  {'second':24}           8 rows\n"
    )


def test_a_terminal_sees_what_is_under_way_and_of_it_nothing_stays() -> None:
    out = Terminal("12 rows written")
    progress = Progress(2, out)
    with progress.watching(lambda: "12 rows written"):
        progress.now("31 days")
        assert out.told.wait(30)
        progress.finish("first", 20)
        progress.now("31 days")
    told = out.getvalue()
    assert "31 days  ·  12 rows written  ·  0 of 2 done" in told
    assert "1 of 2 done" in told
    assert out.screen() == f"  {'first':24}          20 rows  (1 to go)\n"


def test_a_look_that_fails_does_not_end_the_work() -> None:
    seen = iter([ZeroDivisionError(), "well"])

    def look() -> str:
        one = next(seen, "well")
        if isinstance(one, Exception):
            raise one
        return one

    out = Terminal("well")
    with Progress(1, out).watching(look):
        assert out.told.wait(30)


def test_a_line_fits_the_screen() -> None:
    out = Terminal()
    Progress(1, out).now("x" * 500)
    assert max(map(len, out.screen().split("\n"))) <= 118
