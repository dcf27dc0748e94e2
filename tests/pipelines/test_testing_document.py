"""docs/testing-features.md is true: its example runs as it is told to, and its failure reads as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts interpreters

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "testing-features.md").read_text()
EXAMPLE, PATTERN = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
(FAILURE,) = re.findall(r"^```text\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


def run_pytest(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the example as a user does: one file, the declarations on the path."""
    file = folder / "test_features.py"
    file.write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "feature_repo"), "MILLRACE_DATA": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_example_passes_and_a_wrong_value_fails_as_the_document_says(tmp_path: Path) -> None:
    right = '"2026-01-01 12:00": {"amount_sum_1h": 7.5, "amount_count_1h": 2}'
    assert right in EXAMPLE
    wrong = EXAMPLE.replace(right, '"2026-01-01 12:00": {"amount_sum_1h": 107.5}')
    both = f"{EXAMPLE}\n\n{wrong.partition('def test_a_session')[0].replace('def test_an_event', 'def test_wrong')}"
    done = run_pytest(tmp_path, both)
    assert "1 failed, 2 passed" in done.stdout
    told = "\n".join(line.removeprefix("E").strip() for line in done.stdout.splitlines() if line.startswith("E"))
    said = "\n".join(line.strip() for line in FAILURE.splitlines())
    assert said in told


def test_the_example_of_a_pattern_passes_and_can_fail(tmp_path: Path) -> None:
    right = '"2026-01-01 12:51": {"tested": 2}'
    assert right in PATTERN
    assert "1 passed" in run_pytest(tmp_path, PATTERN).stdout
    failed = run_pytest(tmp_path, PATTERN.replace(right, '"2026-01-01 12:51": {"tested": 3}')).stdout
    assert "at 2026-01-01 12:51: expected 3, got 2" in failed
