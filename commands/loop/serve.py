"""Runs the scoring service beside the loop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from commands.loop.steps import verify
from workspace.workspace import Workspace

PATIENCE = 300.0  # seconds that the service may need to start


@dataclass(frozen=True, slots=True)
class Serving:
    """The service's process.

    Attributes:
        process: The process.
        announced: The file in which it says where it answers.
        log: What it prints.
    """

    process: subprocess.Popen[bytes]
    announced: Path
    log: Path

    def wait(self) -> str:
        """Return where the service answers, once it does.

        Raises:
            VerificationFailedError: It ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.announced.is_file():
            verify(self.process.poll() is None, f"the service ended; see {self.log}.")
            verify(time.monotonic() < deadline, f"the service is not up after {PATIENCE:.0f} s; see {self.log}.")
            time.sleep(0.05)
        return str(json.loads(self.announced.read_text())["url"])


def start_serving(workspace: Workspace) -> Serving:
    """Start the service; it waits for its models, so that it can come up while they are trained."""
    announced, log = workspace.data / "serving.json", workspace.data / "serving.log"
    with log.open("ab") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "--port", "0", "--wait-for-models", "--announce", str(announced)],
            stdout=told,
            stderr=told,
            start_new_session=True,  # Ctrl-C is for the loop, which ends its parts in order
        )
    return Serving(process, announced, log)
