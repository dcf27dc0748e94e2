"""The platform knows no domain: what is about one team's events lies in that team's feature repo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLATFORM = ("contract", "workspace", "pipelines", "stores", "serving", "training", "validation", "commands")
WORDS = re.compile(
    r"customer|terminal|merchant|fraud|credit|transactions|(?<!not )a transaction\b|\bcards?\b|video|impression",
    re.I,
)
NOT_MEANT = (
    r"Fraud Detection Handbook",  # a book
    r"""class="cards?"|\.cards? """,  # what web pages call a box
)


def domain_words(text: str) -> list[str]:
    """Return the words of a text that belong to some domain."""
    for allowed in NOT_MEANT:
        text = re.sub(allowed, "", text)
    return WORDS.findall(text)


@pytest.mark.parametrize("folder", PLATFORM)
def test_no_file_of_the_platform_names_a_domain(folder: str) -> None:
    files = [
        path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".j2", ".properties", ".yaml", ".lua")
    ]
    assert len(files) >= 5
    found = {str(path.relative_to(ROOT)): domain_words(path.read_text()) for path in files}
    assert {path: words for path, words in found.items() if words} == {}


def test_a_domain_word_would_be_found() -> None:
    assert domain_words('topic = "transactions"; key = "customer_id"') == ["transactions", "customer"]
    assert domain_words("pipe = client.pipeline(transaction=False)  # as in the Fraud Detection Handbook") == []
