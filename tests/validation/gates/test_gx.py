"""What must hold of the framework's import itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_program_without_a_file_reaches_its_gate() -> None:
    program = "import validation.gates.gate; print('reached', hasattr(__import__('__main__'), '__file__'))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.stdout.strip() == "reached False"
