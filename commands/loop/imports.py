"""Imports what the later steps of a run need, while the main thread waits for Spark."""

from __future__ import annotations


def import_for_later() -> None:
    """Import it; a step that comes too early waits at its own import for the rest."""
    import validation.parity  # noqa: F401
    from pipelines.semantics.panes.history import compile_kernel

    compile_kernel()
