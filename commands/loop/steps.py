"""Steps that say what they do, how long they took and how much memory the run has needed."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from commands.table import show_table


@dataclass(slots=True)
class Step:
    """One step: its name, and what it has to say at its end."""

    name: str
    said: str = ""
    seconds: float = 0.0


class VerificationFailedError(RuntimeError):
    """A step's result is not what it must be."""


@dataclass(slots=True)
class Steps:
    """All steps of a run.

    Attributes:
        done: The steps, in order.
        peak: The most memory that this process and its children held together, bytes; shared pages are counted once.
        endings: What ends the parts that run beside the loop; none needs another to end.
    """

    done: list[Step] = field(default_factory=list)
    peak: int = 0
    endings: list[Callable[[], None]] = field(default_factory=list)

    def end_all(self) -> None:
        """End all parts at the same time, and wait for them."""
        ending = [threading.Thread(target=end) for end in self.endings]
        self.endings.clear()
        for one in ending:
            one.start()
        for one in ending:
            one.join()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run a step: print its name, then what it said and how long it took."""
        print(f"\n▸ {name}", flush=True)
        step = Step(name)
        began = time.monotonic()
        yield step
        step.seconds = time.monotonic() - began
        self.done.append(step)
        print(f"  {step.said}  ({step.seconds:.1f} s)", flush=True)

    def watch_memory(self) -> None:
        """Keep `peak` up to date, in a thread that ends with the process."""
        threading.Thread(target=self._watch, daemon=True).start()

    def show(self) -> None:
        """Print the closing table."""
        print()
        rows = [(step.name, f"{step.seconds:.1f}") for step in self.done]
        rows.append(("all", f"{sum(step.seconds for step in self.done):.1f}"))
        show_table(("step", "seconds"), rows)
        print(f"peak memory {self.peak / 2**30:.1f} GiB", flush=True)

    def _watch(self) -> None:
        me = psutil.Process(os.getpid())
        most = 0
        while True:
            processes = [me, *me.children(recursive=True)]
            resident = sum(_of_each(processes, lambda one: one.memory_info().rss))
            if resident > 1.02 * most:  # shared pages are only told apart at a new height: that takes the kernel long
                most = resident
                self.peak = max(self.peak, sum(_of_each(processes, lambda one: one.memory_full_info().pss)))
            time.sleep(1)


def _of_each(processes: Iterable[psutil.Process], measure: Callable[[psutil.Process], int]) -> Iterator[int]:
    """Yield a measure of each process that is still there."""
    for process in processes:
        try:
            yield measure(process)
        except (psutil.Error, AttributeError):
            continue


def verify(true: bool, otherwise: str) -> None:
    """Stop the run where something does not hold.

    Raises:
        VerificationFailedError: It does not.
    """
    if not true:
        raise VerificationFailedError(otherwise)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and wait until it has."""
    process.terminate()
    process.wait()
