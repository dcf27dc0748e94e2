"""Writes the page of all suites' newest results and their trends, and says where it is. `make data-docs`."""

from __future__ import annotations

from workspace.workspace import Workspace


class NothingCheckedError(ValueError):
    """A workspace in which nothing was ever checked."""


def main() -> None:
    """Write the index anew from the results that are there; nothing is checked.

    Raises:
        NothingCheckedError: There are none.
    """
    from validation.gates.docs import write_index

    workspace = Workspace.from_env()
    page = write_index(workspace.data)
    if page is None:
        raise NothingCheckedError(
            f"nothing was checked in {workspace.data} so far; run `make validate`, or any command that has a gate."
        )
    print(page.as_uri())
