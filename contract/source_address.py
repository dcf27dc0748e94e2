"""Where the files of a Feast source are."""

from __future__ import annotations

from typing import Any

from workspace.addresses import with_endpoint


def source_address(source: Any) -> str:
    """Return the path of a file source; one in S3 with the server that keeps it (`s3_endpoint_override`), if it names one."""
    return with_endpoint(source.path, getattr(source, "s3_endpoint_override", None))
