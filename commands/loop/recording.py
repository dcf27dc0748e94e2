"""Records the loop's trainings in MLflow, beside it: the library takes seconds of a core to import, and more for its first tables.

The process is as nice as can be: it prepares itself in what the others leave of the machine, and then is told of each training
in a line.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field

from commands.register import is_recording, record
from training.registry.client import RegistryError, open_registry
from workspace.workspace import Workspace


@dataclass(slots=True)
class Recorder:
    """The process that records; none where nothing is to be recorded."""

    process: subprocess.Popen[str] | None = field(default=None)

    def record(self, service: str, version: str) -> None:
        """Have a training recorded, some time before `end`."""
        if self.process is not None and self.process.stdin is not None and self.process.poll() is None:
            print(service, version, file=self.process.stdin, flush=True)

    def close(self) -> None:
        """Say that there are no more; the process ends when it has recorded those it was told of."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.stdin = None

    def end(self) -> None:
        """Wait until all is recorded, and print what was said."""
        self.close()
        if self.process is not None:
            said, _ = self.process.communicate()
            print(said, end="", flush=True)


def start_recorder(workspace: Workspace) -> Recorder:
    """Start the process."""
    if not is_recording():
        return Recorder()
    return Recorder(
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "commands.loop.recording"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | workspace.environment(),
            start_new_session=True,  # Ctrl-C is for the loop, which ends its parts in order
        )
    )


def main() -> None:
    """Make MLflow ready, then record the trainings that lines name: service and version."""
    os.nice(19)
    workspace = Workspace.from_env()
    try:
        with open_registry(workspace.data) as client:
            client.search_experiments(max_results=1)
    except RegistryError:
        pass  # told of the training that it is in the way of
    for line in sys.stdin:
        service, version = line.split()
        record(workspace, service, version)


if __name__ == "__main__":
    main()
