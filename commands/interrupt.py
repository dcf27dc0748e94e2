"""Ctrl-C: a command ends at once and quietly, in whatever library it strikes."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import warnings
from types import FrameType

AGAIN_S = 2.0
"""A library may swallow the interrupt (in a finalizer, say); until the command has begun to end it strikes again."""

_struck = threading.Event()


def interrupt_quietly() -> None:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt in the main thread, and nobody else say a word about it.

    Java is ended in the same moment: threads that wait for it wait no longer.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _strike)


def was_interrupted() -> bool:
    """Say whether it has struck."""
    return _struck.is_set()


def end_in_peace() -> None:
    """Pass over what strikes from now on: what has been started is being ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _strike(_: int, __: FrameType | None) -> None:
    if not _struck.is_set():
        _struck.set()
        logging.disable()  # py4j logs a trace of the call that is cut
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: None
        threading.excepthook = lambda _: None
        _end_java()
        threading.Thread(target=_strike_again, args=(threading.main_thread().ident,), daemon=True).start()
    raise KeyboardInterrupt


def _strike_again(thread: int) -> None:
    while True:
        time.sleep(AGAIN_S)
        signal.pthread_kill(thread, signal.SIGINT)


def _end_java() -> None:
    import psutil

    for child in psutil.Process().children():
        try:
            if child.name() == "java":
                child.terminate()
        except psutil.Error:  # it ended meanwhile
            continue
