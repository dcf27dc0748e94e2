"""Documents that name files name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def named_files(text: str) -> set[str]:
    """Return the Python files and folders that a document names in code marks; placeholders are left out."""
    found = re.findall(r"`([\w./]+(?:\.py|\.yaml|\.md|/))`", text)
    return {name for name in found if "<" not in name}


def exists(name: str) -> bool:
    """Say whether a name is that of a file or folder; without a folder, of any file of that name."""
    return (ROOT / name).exists() or ("/" not in name and any(ROOT.glob(f"[!.d]*/**/{name}")))


@pytest.mark.parametrize("document", ["docs/how-it-works.md", "README.md"])
def test_every_file_that_a_document_names_exists(document: str) -> None:
    names = named_files((ROOT / document).read_text())
    assert len(names) >= 5
    assert sorted(name for name in names if not exists(name)) == []
