"""`python -m serving`: serves the workspace's model until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from contract.model_file import ModelFileError
from contract.tags import DeclarationError
from serving.config import ServingConfigError
from serving.protocols.key_file import KeyFileError
from serving.ray.launch import RunningService, launch
from serving.scoring.decision import PolicyError
from serving.scoring.model import ModelError
from workspace.files import write_whole
from workspace.ports import PortError
from workspace.workspace import Workspace, WorkspaceError

REFUSED = (
    ServingConfigError,
    KeyFileError,
    PortError,
    ModelError,
    ModelFileError,
    PolicyError,
    DeclarationError,
    WorkspaceError,
)
"""What the user can put right; told in one line, without a stack trace."""

STOP_SECONDS = 20.0
"""How long ending may take before it is forced."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=main.__doc__)
    parser.add_argument("--port", type=int, help="where to listen; 0: any free port (default: serving.yaml)")
    parser.add_argument("--announce", type=Path, metavar="FILE", help="write the URL as JSON to FILE when ready")
    parser.add_argument("--wait-for-models", action="store_true", help="start though the models are not trained yet")
    options = parser.parse_args(arguments)
    stopped = threading.Event()
    _set_on_signals(stopped)
    try:
        service = launch(Workspace.from_env(), options.port, wait=options.wait_for_models)
        _set_on_signals(stopped)  # Ray put handlers of its own in their place
    except REFUSED as error:
        print(f"serving: {error}", file=sys.stderr)
        return 1
    try:
        _tell(service, options.announce)
        stopped.wait()
    finally:
        print("serving: stopping", flush=True)
        _end_within(STOP_SECONDS, service)
        service.stop()
    return 0


def _end_within(seconds: float, service: RunningService) -> None:
    """End the process though Ray waits for a part of itself that is gone; the kernel then ends Ray's other parts."""

    def end() -> None:
        service.end_leftovers()
        os._exit(1)

    watchdog = threading.Timer(seconds, end)
    watchdog.daemon = True
    watchdog.start()


def _set_on_signals(stopped: threading.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())


def _tell(service: RunningService, announce: Path | None) -> None:
    port = int(service.url.rsplit(":", 1)[1])
    if announce:
        write_whole(announce, json.dumps({"url": service.url, "pid": os.getpid()}) + "\n")
    if service.wanted_port not in (0, port):
        print(f"serving: port {service.wanted_port} is taken, using {port}")
    print(f"serving: {service.url}/v1/score  (also /console, /docs, /metrics, /readyz); Ctrl-C ends it", flush=True)


if __name__ == "__main__":
    sys.exit(main())
