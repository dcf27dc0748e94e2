"""The split: stable, fair, and moved by a weight in one direction only."""

from __future__ import annotations

import numpy as np
import pytest

from serving.experiments.split import Split

UNITS = np.arange(-20_000, 20_000)
ARMS = {"champion": 0.7, "bold": 0.2, "shy": 0.1}


def test_arms_get_their_shares_of_numbers_and_of_texts() -> None:
    split = Split("user", ARMS, "salt")
    for units in (UNITS, [f"u{one}" for one in UNITS]):
        shares = np.bincount(split.assign(units), minlength=3) / len(UNITS)
        # 4 standard errors: 0.0092 for the largest
        assert np.abs(shares - list(ARMS.values())).max() < 0.0092


def test_the_same_unit_gets_the_same_arm_however_it_is_given() -> None:
    split = Split("user", ARMS, "salt")
    expected = split.assign(UNITS)
    assert (split.assign(UNITS.tolist()) == expected).all()
    assert (split.assign(UNITS.astype(np.int32)) == expected).all()
    assert [int(split.assign([one])[0]) for one in UNITS[:200].tolist()] == expected[:200].tolist()
    texts = [f"u{one}" for one in UNITS[:200]]
    assert (split.assign(np.array(texts, dtype=object)) == split.assign(texts)).all()


def test_assignments_are_those_of_all_time() -> None:
    """A change here would move users between arms at an update."""
    split = Split("user", ARMS, "salt")
    assert "".join(map(str, split.assign(np.arange(40)))) == "1002000000010200002011000001100002001010"
    assert (
        "".join(map(str, split.assign([f"u{one}" for one in range(40)]))) == "0102100011000012000000000200010021002100"
    )


@pytest.mark.parametrize("raised", ARMS)
def test_raising_one_weight_moves_units_only_into_that_arm(raised: str) -> None:
    before = Split("user", ARMS, "salt").assign(UNITS)
    after = Split("user", {**ARMS, raised: 2 * ARMS[raised]}, "salt").assign(UNITS)
    moved = before != after
    assert moved.sum() > 1000
    assert set(after[moved]) == {list(ARMS).index(raised)}


def test_another_salt_divides_independently() -> None:
    one, other = (Split("user", {"champion": 1, "bold": 1}, salt).assign(UNITS) for salt in ("a", "b"))
    assert abs(float((one == other).mean()) - 0.5) < 4 * 0.5 / len(UNITS) ** 0.5


def test_an_arm_of_weight_0_gets_nobody() -> None:
    assert set(Split("user", {"champion": 0.0, "bold": 1.0}, "salt").assign(UNITS)) == {1}


def test_units_of_a_stopped_arm_go_to_the_champion_and_others_stay() -> None:
    before = Split("user", ARMS, "salt").assign(UNITS)
    after = Split("user", ARMS, "salt", stopped={"bold"}).assign(UNITS)
    assert (after == np.where(before == 1, 0, before)).all()
