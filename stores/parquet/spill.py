"""Says where an engine puts what does not fit into memory."""

from __future__ import annotations

import os
from pathlib import Path


def spill_folder(configured: str | None, repo_path: Path | None) -> Path | None:
    """Return the folder to spill to; None for the machine's own, which may be memory.

    Args:
        configured: What `feature_store.yaml` says; a relative path starts at the feature repo.
        repo_path: The feature repo.
    """
    if configured:
        return Path(repo_path or ".", configured)
    data = os.environ.get("MILLRACE_DATA")
    return Path(data).resolve() / "tmp" if data and "://" not in data else None
