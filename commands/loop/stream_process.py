"""The stream's process: starts early, imports what takes seconds, and streams once it is told that all is there."""

from __future__ import annotations

import runpy
import sys

GO = b"go\n"


def import_all() -> None:
    """Import what `make stream` will need, and load what has been compiled."""
    import pipelines.stream.dataflow  # noqa: F401
    from pipelines.semantics.panes.history import compile_kernel
    from workspace.workspace import silence_feast

    silence_feast()
    compile_kernel()


def main() -> None:
    """Get ready, wait for the word on standard input, then be `python -m commands stream`.

    Where standard input ends without the word, whoever started this has gone, and it ends as well.
    """
    import_all()
    if sys.stdin.buffer.readline() == GO:
        sys.argv = ["commands", "stream"]
        runpy.run_module("commands", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
