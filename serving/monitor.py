"""Watches over the experiments of a running service, beside it and not in its replicas."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from contract.label import ServiceError
from contract.model_file import ModelFileError
from serving.config import ServingConfig, ServingConfigError, load_config
from serving.experiments.monitor import ExperimentMonitor
from workspace.one_at_a_time import HeldError
from workspace.workspace import Workspace

EVERY_S: Final = 5.0
"""How long it rests between two looks at least, seconds."""

SHARE: Final = 0.05
"""Which share of the time it looks, at most: the records of a long experiment take long to read."""

STOP_S: Final = 2.0
"""How long the end waits for a look that is under way, seconds; what it has not written by then, it does not write."""

REFUSED: Final = (ModelFileError, ServiceError, HeldError)

_log = logging.getLogger(__name__)


class MonitorThread:
    """Looks at the experiments that `serving.yaml` declares now, again and again.

    Args:
        workspace: Whose records and models.
        config: What was read from `serving.yaml`; it is read again at each look.
        every_s: How long it rests, seconds.
    """

    def __init__(self, workspace: Workspace, config: ServingConfig, every_s: float = EVERY_S) -> None:
        self._monitor = ExperimentMonitor(workspace.data, workspace.models)
        self._config = config
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look under way, if that is soon over; a second call does nothing."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def look(self) -> None:
        """Look once; a file that cannot be used is told, and looked at again the next time."""
        if self._config.files:
            try:
                self._config = load_config(self._config.files[0])
            except ServingConfigError as error:
                _log.warning("the experiments are watched as before: %s", error)
        self._monitor.forget([name for name in self._config.services if name not in self._config.experiments])
        for service, experiment in self._config.experiments.items():
            try:
                self._monitor.look(service, experiment)
            except REFUSED as error:
                _log.warning("the experiment of %s cannot be watched: %s", service, error)

    def _run(self) -> None:
        rest = self._every_s
        while not self._ended.wait(rest):
            started = time.monotonic()
            try:
                self.look()
            except Exception:
                _log.exception("the experiments could not be looked at")
            rest = max(self._every_s, (time.monotonic() - started) / SHARE)
