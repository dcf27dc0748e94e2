"""How inner loops are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workspace.compiled import compiled


@compiled
def word_at(words: npt.NDArray[np.int64], place: int) -> Any:
    """Return a word."""
    return words[place]


def test_a_place_is_counted_from_the_front_without_a_look_at_its_sign() -> None:
    memory = np.arange(10, 20)
    assert word_at(memory, 3) == 13
    assert word_at(memory[5:], -1) == 14  # the word before; NumPy's and Numba's own would be the last one


def test_what_is_not_compiled_here_keeps_its_meaning() -> None:
    import numba

    memory = np.arange(10, 20)
    assert word_at(memory, 0) == 10
    assert numba.njit(lambda words: words[-1])(memory) == 19
