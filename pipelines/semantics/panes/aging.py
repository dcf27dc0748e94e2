"""Sums whose terms weigh half as much with every half-life: a term is x * 2**(ts / half-life), so that none ever changes. Compiled.

The power is split: its fraction, 1 to 2, is multiplied in and rounded once, its whole part only moves the exponent, which
is exact. A sum is kept relative to the newest term that it has had; so sums are exact and panes can be taken away again.
"""

from __future__ import annotations

from math import ldexp

from pipelines.semantics.panes import exact
from pipelines.semantics.panes.memory import Ints, Reals
from workspace.compiled import compiled, inlined


@compiled
def add_aged(m: Ints, r: Reals, base: int, sum_at: int, x: float, ts: int, half_life: int) -> None:
    """Add a term of time `ts`; the sum's whole half-lives, one more, are at `m[base]`, 0 for a sum that has had none."""
    halves = ts // half_life + 1
    if m[base] < halves:
        for part in range(sum_at, sum_at + exact.PARTS):
            r[part] = ldexp(r[part], int(m[base] - halves)) if m[base] != 0 else 0.0
        m[base] = halves
    exact.add(r, sum_at, ldexp(x * growth(ts, half_life), int(halves - m[base])))


@compiled
def take_aged(m: Ints, r: Reals, base: int, sum_at: int, other_base: int, other_at: int) -> None:
    """Take a sum away from another that has it."""
    if m[other_base] != 0:
        exact.add_sum(r, sum_at, other_at, -ldexp(1.0, int(m[other_base] - m[base])))


@compiled
def aged_to(m: Ints, r: Reals, base: int, sum_at: int, ts: int, half_life: int) -> float:
    """Return a sum as it is at `ts`, not before its newest term."""
    return ldexp(exact.rounded(r, sum_at), int(m[base] - 1 - ts // half_life)) / growth(ts, half_life)


@inlined
def growth(ts: int, half_life: int) -> float:
    """Return 2 to the part of a half-life that is over."""
    return float(2.0 ** (float(ts % half_life) / half_life))
