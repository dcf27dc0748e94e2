"""Starts the scoring service on a private, local Ray, and ends it without a trace."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import urllib.request
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from serving.config import ServingConfig, load_config
from serving.monitor import MonitorThread
from serving.protocols.key_file import read_keys
from serving.ray.environment import serve_environment
from workspace.ports import free_port
from workspace.workspace import Workspace

OBJECT_STORE_BYTES = 80_000_000
"""Ray's smallest allowed is 75 MiB; scoring passes nothing through it."""

ANSWER_SECONDS = 60.0
"""How long a deployed service may take to answer for the first time."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """A running service.

    Attributes:
        url: Where it answers, such as `http://127.0.0.1:8000`.
        wanted_port: The port that was asked for; another one is used if it was taken.
        is_deployed: Whether it answers there; False only while it starts.
        monitor: What watches over its experiments.
    """

    url: str
    wanted_port: int
    is_deployed: bool
    monitor: MonitorThread
    _folder: Path

    def stop(self) -> None:
        """End the service and its Ray, and remove its folder; a second call does nothing."""
        import ray
        from ray import serve

        from serving.ray.app import NAME

        self.monitor.stop()
        if ray.is_initialized():
            if self.is_deployed:
                serve.delete(NAME)  # lets requests under way finish
            ray.shutdown()
        self.end_leftovers()

    def end_leftovers(self) -> None:
        """Kill what a Ray that ended before its time has left, and remove its folder; its processes are found by their environment.

        Actors and HAProxy can outlive it. Each carries this service's private folder in its environment.
        """
        _kill_all_of(self._folder)
        shutil.rmtree(self._folder, ignore_errors=True)


def launch(
    workspace: Workspace, port: int | None = None, config: ServingConfig | None = None, wait: bool = False
) -> RunningService:
    """Start the service and wait until it answers.

    Must be called before anything imports `ray.serve`, which reads its environment only once.

    Args:
        workspace: Whose features and model.
        port: Where to listen; 0 takes a free port, None what `serving.yaml` says. A taken port makes it the next free.
        config: What to serve; None reads the feature repo's `serving.yaml`.
        wait: Whether to wait for models that are not trained yet; a mistake is then told by the replica's log.

    Raises:
        ServingConfigError: `serving.yaml` cannot be used.
        KeyFileError: Its file of keys cannot be used.
        ServiceError: The registry's service cannot be served as declared.
        ModelFileError: There is no model, or it cannot be read.
        ModelError: It does not fit.
        PolicyError: The policy asks for what is not there.
        PortError: No port is free.
        TimeoutError: It is deployed but does not answer.
    """
    from serving.scoring.build import SetupReader, build_scorers

    config = config or load_config(workspace.repo / "serving.yaml")
    if config.key_file:
        read_keys(config.key_file)
    if not wait:
        # Says here what a replica would say in a log, again and again.
        setup = SetupReader(workspace.models, config.policy, config.experiments)
        build_scorers(workspace, config.services, setup, max_age_us=config.max_feature_age)
    wanted = config.http.port if port is None else port
    host = config.http.host
    chosen = free_port(host, wanted)
    folder = Path(tempfile.mkdtemp(prefix="millrace-", dir="/tmp"))  # Ray's socket paths must be short
    metrics_port = free_port(host, 0)
    os.environ.update(serve_environment(folder, (metrics_port, free_port(host, metrics_port + 1))))
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{chosen}"
    service = RunningService(url, wanted, False, MonitorThread(workspace, config), folder)
    try:
        http = config.http.model_copy(update={"port": chosen})
        _deploy(workspace, config.model_copy(update={"http": http}), folder, wait)
        _wait_until_answered(f"{service.url}/healthz")
    except BaseException:
        service.stop()
        raise
    service.monitor.start()
    return replace(service, is_deployed=True)


def _kill_all_of(folder: Path) -> None:
    """Kill the processes that carry a folder in their environment, this one left out."""
    mine = str(folder)
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(mine in value for value in process.environ().values()):
                process.kill()
        except psutil.Error:  # it ended meanwhile, or is another user's
            continue


def _deploy(workspace: Workspace, config: ServingConfig, folder: Path, wait: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray Serve's own use of Pydantic
        import ray
        from ray import serve
        from ray.serve.config import HTTPOptions
        from ray.serve.schema import LoggingConfig

        from serving.ray.app import NAME, build_app

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    _start_ray(ray, folder)
    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(http_options=HTTPOptions(host=config.http.host, port=config.http.port), logging_config=quiet)
    serve.run(build_app(workspace, config, wait), name=NAME, route_prefix="/", logging_config=quiet)


def _start_ray(ray: Any, folder: Path) -> None:
    """Start a local Ray; once more where it was not up in the 30 s that it gives itself, as on a machine with much to do."""
    for attempt in ("1", "2"):
        try:
            ray.init(
                address="local",
                num_cpus=max(2, os.cpu_count() or 2),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=str(folder / attempt),
            )
            return
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == "2":
                raise
            ray.shutdown()
            _kill_all_of(folder)


def _wait_until_answered(url: str) -> None:
    """Wait for HAProxy, which hears of a new replica a moment after Ray Serve calls it ready."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer within {ANSWER_SECONDS:g} s of its start; is the machine overloaded?")
