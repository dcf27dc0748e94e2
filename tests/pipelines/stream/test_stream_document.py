"""docs/stream.md says what is: every reason, every kind of address."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.stream.transport.open import SCHEMES
from pipelines.stream.transport.rejected import CODES

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "stream.md").read_text()


def test_every_reason_is_explained() -> None:
    rows = DOCUMENT.partition("| code |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in rows.splitlines()[2:]))) == set(CODES)


def test_every_kind_of_address_is_named() -> None:
    for scheme in SCHEMES:
        assert scheme.split("://")[0].split(":")[0] in DOCUMENT
