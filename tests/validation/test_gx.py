"""What must hold of the framework's import itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_program_without_a_file_never_ends_silently_before_its_gate() -> None:
    program = "import validation.gate; print('reached')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "reached" in ended.stdout or (ended.returncode != 0 and "run it from a file" in ended.stderr)
