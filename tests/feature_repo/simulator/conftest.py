"""The simulator belongs to the shipped example, whose files import each other by plain names."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "feature_repo"))
