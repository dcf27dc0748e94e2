"""Prints a short table: the end of every command."""

from __future__ import annotations

from collections.abc import Sequence


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head; the first column to the left, numbers to the right."""
    print(format_table(head, rows), flush=True)


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the table as text.

    >>> print(format_table(("view", "rows"), [("a", "12"), ("bcd", "3")]))
    view  rows
    ----  ----
    a       12
    bcd      3
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [_line(head, widths), "  ".join("-" * width for width in widths), *(_line(row, widths) for row in rows)]
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
