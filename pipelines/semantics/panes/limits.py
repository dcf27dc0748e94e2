"""The largest reals that exact sums hold 2**53 of: one beyond makes its sum null as long as it is inside (rule 4)."""

from __future__ import annotations

LARGEST_SUM = 1e290
LARGEST_SQUARE = 1e150
